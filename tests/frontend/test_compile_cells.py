"""Cells of enclosing functions, read by code that compiled functions define or meet late."""

from types import SimpleNamespace

import pytest

import jitgrad as jg
from tests.frontend.compiled import both


def _defined_inside(kind):
    """A function that reads a cell of an enclosing one through functions that no name leads to."""

    def make():
        scale, weights = 2.0, [jg.ones(3), jg.ones(3)]

        class Scaler:
            def __mul__(self, x):
                return x * scale

            def __getitem__(self, i):
                return scale

            @property
            def now(self):
                return scale

            def by(self, x):
                return x * scale

        scaler, several = Scaler(), [Scaler()]
        held = [SimpleNamespace(by=lambda x: x * scale)]

        def nested(x):
            def inner(y):
                return (lambda z: z * scale)(y)

            return inner(x)

        def looped(x):
            for one in several:
                x = one.by(x)
            return x

        def in_an_object(x):
            for one in held:
                x = one.by(x)
            return x

        def of_a_class(x):
            class Local:
                factor = scale

            return x * Local.factor

        kinds = {
            "function": nested,
            "comprehension": lambda x: [w * x * scale for w in weights][0],
            "generator": lambda x: sum(w * x * scale for w in weights),
            "class": of_a_class,
            "operator": lambda x: scaler * x,
            "element": lambda x: x * scaler[0],
            "property": lambda x: x * scaler.now,
            "method in a loop": looped,
            "attribute in a loop": in_an_object,
        }

        def change(value):
            nonlocal scale
            scale = value

        return kinds[kind], change

    return make


@pytest.mark.parametrize(
    "kind",
    [
        "function", "comprehension", "generator", "class", "operator", "element", "property",
        "method in a loop", "attribute in a loop",
    ],
)  # fmt: skip
def test_cells_read_by_functions_that_are_defined_inside(kind):
    def scenario(run):
        f, change = _defined_inside(kind)()
        f = run.compile(f)
        for i in range(8):
            change(float(i // 4 + 2))
            run.see(f(jg.ones(3) * i))

    assert both(scenario).replays

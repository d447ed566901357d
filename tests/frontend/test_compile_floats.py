"""Float arguments of a compiled function that change from call to call: numbers of the call, unless
Python decides something by them."""

import math
import struct
from decimal import Decimal

import pytest

import jitgrad as jg
from jitgrad.frontend import compiling
from tests.frontend.compiled import batches, both, network, state

FALLING = [0.1 / (k + 1) for k in range(8)]
STAIRS = [0.1] * 4 + [0.05] * 4 + [0.025] * 4 + [0.1] * 2


@pytest.fixture
def recordings(monkeypatch):
    """The float arguments of each call that recorded."""
    seen = []

    class Capture(compiling.Capture):
        def __init__(self, name, fn, fallback, pattern):
            seen.append(tuple(pattern.floats.values()))
            super().__init__(name, fn, fallback, pattern)

    monkeypatch.setattr(compiling, "Capture", Capture)
    return seen


def reasons():
    """What the last scenario reported of its argument t."""
    return [e["now"] for e in jg.stats()["recompiles"] if e["what"] == "argument t"]


def loop(fn, values, **keywords):
    """A scenario: `fn(x, t)` for each of `values`."""

    def scenario(run):
        f = run.compile(fn)
        for i, t in enumerate(values):
            x = jg.arange(6.0) - i
            run.see(f(x, t=t) if keywords.get("named") else f(x, t))

    return scenario


@pytest.mark.parametrize("values", [FALLING, STAIRS], ids=["falling", "stairs"])
def test_a_training_step(values, recordings):
    def scenario(run):
        net = network()
        momentum = [jg.zeros(*p.shape) for p in net.parameters()]

        def step(x, y, lr, decay=0.0):
            net.zero_grad()
            loss = jg.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            with jg.no_grad():
                for p, m in zip(net.parameters(), momentum, strict=True):
                    m.mul_(0.9).add_(p.grad + p * decay)
                    p.sub_(m * (2 * lr - lr * lr))
            return loss.detach()

        f = run.compile(step)
        for (x, y), lr in zip(batches(len(values)), values, strict=True):
            run.see(f(x, y, lr, decay=lr / 3), *state(net), *momentum)

    assert both(scenario).replays
    assert len(recordings) <= 5


@pytest.mark.parametrize("named", [False, True])
def test_numbers_of_every_kind(named, recordings):
    values = [0.5, 0.25, 3.0, -0.0, 0.0, math.inf, math.nan, -1e300, 5e-324]
    run = both(loop(lambda x, t: (x * t, -t + x, x / (1 - t)), values, named=named))
    assert run.replays and len(recordings) == 3
    assert not [why for why in reasons() if why.startswith("by value")]


def test_only_those_that_change_are_free(recordings):
    def scenario(run):
        f = run.compile(lambda x, t, u: x * t if u > 1 else x - t)
        for t, u in [(0.1, 2.0), (0.2, 2.0), (0.3, 2.0), (0.4, 2.0), (0.5, 0.5), (0.6, 0.5)] * 2:
            run.see(f(jg.arange(4.0), t, u))

    both(scenario)
    assert recordings[:3] == [(0.1, 2.0), (0.2, 2.0), (0.3, 2.0)]


def _root(value):
    return math.sqrt(value)


DECIDING = {
    "a comparison": (lambda x, t: x * t if t > 0.03 else x - t, "Python looks at its value"),
    "a sum": (lambda x, t: x * max(t, 0.03), "Python looks at its value"),
    "a key": (lambda x, t: x * {0.1: 1.0}.get(t, 2.0), "Python looks at its value"),
    "a text": (lambda x, t: x * float(f"{t:.1f}"), "Python looks at its value"),
    "an integer": (lambda x, t: x * int(20 * t), "Python looks at its value"),
    "a test": (lambda x, t: x if math.isnan(t) else x * t, "Python looks at its value"),
    "a sign": (lambda x, t: x * math.copysign(2, t - 0.03), "Python looks at its value"),
    "a class": (lambda x, t: x * (t if type(t) is float else 1), "Python looks at its value"),
    "a root": (lambda x, t: x * math.sqrt(t), "Python looks at its value"),
    "a root compared": (lambda x, t: x if math.sqrt(t) > 0.2 else -x, "Python looks at its value"),
    "a root inside": (lambda x, t: x if _root(2 * t) > 0.3 else -x, "Python looks at its value"),
    "roots": (lambda x, t: x if [*map(math.sqrt, [t])] > [0.2] else -x, "Python looks"),
    "a percent sign": (lambda x, t: x if float("%.2f" % t) > 0.04 else -x, "Python looks"),  # noqa: UP031
    "a decimal number": (lambda x, t: x if Decimal(t) > 0.04 else -x, "Python looks"),
    "bytes": (lambda x, t: x if struct.pack(">d", t) > b"?\xa6" else -x, "Python looks"),
    "an exponent": (lambda x, t: x**t, "Python looks at its value"),
    "a result": (lambda x, t: (x, t), "Python looks at its value"),
    "a shape": (lambda x, t: x[: round(t * 50)] * 2, "Python looks at its value"),
}


AT_ONCE = ("a test", "a sign", "a class")  # seen in the first call, before any number has changed


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_counts_by_value(name):
    fn, why = DECIDING[name]
    before = len(reasons())
    run = both(loop(fn, FALLING + FALLING * 2))
    assert run.replays, "for each value that comes again"
    assert name in AT_ONCE or any(why in text for text in reasons()[before:])


def _is_float(value):
    return type(value) is float


def _some_float(*values, **named):
    return type((*values, *named.values())[0]) is float


NEW_PATHS = {
    "a function": lambda x, t: x * t if _is_float(t) else -x,
    "several": lambda x, t: x * t if _some_float(t) and _some_float(value=t) else -x,
    "a closure": lambda x, t: x * t if (lambda: type(t) is float)() else -x,
}


@pytest.mark.parametrize("name", NEW_PATHS)
def test_a_class_that_is_asked_for_on_a_new_path(name):
    """What is recorded there has a number of another class in the place of the argument."""
    path, new = NEW_PATHS[name], False

    def scenario(run):
        nonlocal new
        new = False
        f = run.compile(lambda x, t: path(x, t) if new else x * t)
        for i, t in enumerate(FALLING):
            new = i > 4
            run.see(f(jg.arange(6.0), t))

    both(scenario)


def test_a_root_of_something_else_leaves_the_number_free(recordings):
    assert both(loop(lambda x, t: x * t / math.sqrt(x.shape[0]), FALLING)).replays
    assert len(recordings) == 3


def test_the_gradient_of_a_result_counts_by_value():
    def scenario(run):
        w = jg.ones(6, requires_grad=True)
        f = run.compile(lambda x, t: (x * w * t).sum())
        for i, t in enumerate(FALLING):
            loss = f(jg.arange(6.0) + i, t)
            loss.backward()
            run.see(loss, w.grad)

    both(scenario)


def test_a_number_that_is_kept_is_no_argument_of_later_calls():
    def scenario(run):
        kept = []
        f = run.compile(lambda x, t: (kept.append(t), x * t)[1])
        for t in FALLING:
            run.see(f(jg.ones(3), t), float(kept[-1]))

    both(scenario)


def test_errors_leave_the_function_as_it_was():
    @jg.compile
    def f(x, t):
        if t > 0.5:
            raise ValueError("too large")
        return x * t

    for t in (0.1, 0.2, 0.9, 0.3, 0.3, 0.3, 0.9):
        if t > 0.5:
            with pytest.raises(ValueError, match="too large"):
                f(jg.ones(2), t)
        else:
            assert f(jg.ones(2), t).tolist() == (jg.ones(2) * t).tolist()

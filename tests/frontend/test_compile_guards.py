"""What changes in Python between the calls of a compiled function is seen."""

import array
import collections
import dataclasses
import functools
import os
import types
import weakref
from collections import deque

import numpy as np
import pytest

import jitgrad as jg
from tests.frontend.compiled import arrays, both, network, state

SCALE = 2.0


def changing(call, change, calls=3):
    """Calls, then a change, then calls, then the change undone by `change(False)`, then calls."""
    for _ in range(calls):
        call()
    change(True)
    for _ in range(calls):
        call()
    change(False)
    for _ in range(calls):
        call()


def test_a_number_of_the_closure():
    def scenario(run):
        factor = 2.0
        f = run.compile(lambda x: x * factor)

        def change(on):
            nonlocal factor
            factor = 3.0 if on else 2.0

        changing(lambda: run.see(f(jg.ones(3))), change)

    assert both(scenario).replays
    assert jg.stats()["recompiles"][-1]["what"] == "closure factor"


@pytest.mark.parametrize("kind", ["number", "list", "default"])
def test_functions_that_share_their_code(kind):
    def scenario(run):
        def layer(start):
            factor = [start]

            def by_cell(x):
                return x * start

            def by_list(x):
                return x * factor[0]

            def by_default(x, factor=factor):
                return x * factor[0]

            def change(value):
                nonlocal start
                start = factor[0] = value

            return {"number": by_cell, "list": by_list, "default": by_default}[kind], change

        layers = [layer(float(i)) for i in range(1, 4)]

        @run.compile
        def f(x):
            for apply, _ in layers:
                x = apply(x)
            return x

        for number in range(3):  # each of them, not the first alone
            changing(
                lambda: run.see(f(jg.ones(3))),
                lambda on, at=number: layers[at][1](at + (7.0 if on else 1.0)),
            )

    assert both(scenario).replays


def new_environment(read):
    name = "JITGRAD_TEST_GAIN"

    def set_to(value):
        os.environ[name] = str(value)

    return (lambda x: x * float(read(name))), set_to


def new_match():
    config = Settings()

    def f(x):
        match config:
            case Settings(gain=gain):
                return x * gain

    return f, functools.partial(setattr, config, "gain")


def new_object(read):
    config = Settings()
    return (lambda x: x * read(config)), functools.partial(setattr, config, "gain")


def new_absent():
    config = types.SimpleNamespace()
    return (lambda x: x * getattr(config, "gain", 1.0)), functools.partial(setattr, config, "gain")


def new_container(holder, key, read):
    if isinstance(holder, types.MappingProxyType):
        inside = {key: 1.0}
        holder = types.MappingProxyType(inside)
        return (lambda x: x * read(holder)), functools.partial(inside.__setitem__, key)
    return (lambda x: x * read(holder)), functools.partial(holder.__setitem__, key)


def new_partial():
    f = functools.partial(lambda x, gain: x * gain, gain=1.0)
    return f, functools.partial(f.keywords.__setitem__, "gain")


def new_code():
    """What autoreload does to a function whose file has changed."""

    def gained(x):
        return x * 1.0

    def more(x):
        return x * 2.0

    codes = {1: gained.__code__, 2: more.__code__}

    def set_to(value):
        gained.__code__ = codes[value]

    return (lambda x: gained(x)), set_to


def new_weak():
    config = Settings()
    weak = weakref.ref(config)
    HELD.append(config)
    return (lambda x: x * weak().gain), functools.partial(setattr, config, "gain")


HELD = []  # what `new_weak` refers to


@dataclasses.dataclass
class Settings:
    gain: float = 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: new_environment(lambda name: os.environ.get(name, "1")),
        lambda: new_environment(lambda name: os.getenv(name, "1")),
        new_match,
        lambda: new_object(lambda config: dataclasses.asdict(config)["gain"]),
        new_absent,
        lambda: new_container(np.ones(3), 1, lambda a: float(a.sum()) - 2),
        lambda: new_container(array.array("d", [1.0]), 0, lambda a: a[0]),
        lambda: new_container(bytearray(b"\1"), 0, lambda a: a[0]),
        lambda: new_container(collections.UserDict(a=1.0), "a", lambda d: d["a"]),
        lambda: new_container(collections.ChainMap({"a": 1.0}), "a", lambda d: d.get("a")),
        lambda: new_container(types.MappingProxyType({}), "a", lambda d: d["a"]),
        new_partial,
        new_code,
        new_weak,
    ],
)
def test_what_is_read_in_other_ways_than_by_name(make, monkeypatch):
    monkeypatch.setenv("JITGRAD_TEST_GAIN", "1")

    def scenario(run):
        read, set_to = make()
        f = run.compile(read)
        for value in (1, 2, 1):
            set_to(value)
            for _ in range(4):
                run.see(f(jg.ones(3)))

    assert both(scenario).replays


def test_a_global(monkeypatch):
    def scenario(run):
        f = run.compile(lambda x: x * SCALE)
        changing(
            lambda: run.see(f(jg.ones(3))),
            lambda on: monkeypatch.setitem(globals(), "SCALE", 5.0 if on else 2.0),
        )

    assert both(scenario).replays
    entry = jg.stats()["recompiles"][-1]
    assert (entry["what"], entry["was"], entry["now"]) == ("global SCALE", "2.0", "5.0")


@pytest.mark.parametrize("kind", ["entry", "nested", "grown", "element"])
def test_a_dict(kind):
    def scenario(run):
        config = {"gain": 0.5, "deep": {"shift": 1.0}, "weights": [1.0, 2.0]}

        def inner(x):
            return x * config["gain"] + config["deep"]["shift"] + sum(config["weights"])

        f = run.compile(inner)

        def change(on):
            if kind == "entry":
                config["gain"] = 0.75 if on else 0.5
            elif kind == "nested":
                config["deep"]["shift"] = 3.0 if on else 1.0
            elif kind == "grown":
                config["weights"].append(4.0) if on else config["weights"].pop()
            else:
                config["weights"][0] = 7.0 if on else 1.0

        changing(lambda: run.see(f(jg.ones(3))), change)

    assert both(scenario).replays


class Scaled(jg.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = jg.nn.Linear(6, 6)
        with jg.no_grad():
            self.linear.weight.copy_(jg.eye(6) * 0.5)
            self.linear.bias.fill_(0.25)
        self.drop = jg.nn.Dropout(0.5)
        self.act = "tanh"
        self.gain = 1.5
        self.blocks = [1.0, 2.0]
        self.options = {"bias": 0.5}

    def forward(self, x):
        x = self.drop(self.linear(x)) * self.gain
        for b in self.blocks:
            x = x + b
        return x.tanh() if self.act == "tanh" else x + self.options["bias"]


def _tripled(x):
    return x * 3


CHANGES = {
    "attribute": lambda m, on: setattr(m, "gain", 2.5 if on else 1.5),
    "branch": lambda m, on: setattr(m, "act", "none" if on else "tanh"),
    "eval": lambda m, on: m.train(not on),
    "dropout p": lambda m, on: setattr(m.drop, "p", 0.25 if on else 0.5),
    "list": lambda m, on: m.blocks.append(5.0) if on else m.blocks.pop(),
    "module": lambda m, on: setattr(m, "drop", jg.nn.Identity() if on else jg.nn.Dropout(0.5)),
    "parameter": lambda m, on: setattr(m.linear, "bias", jg.nn.Parameter(jg.ones(6) * (2 + on))),
    "no bias": lambda m, on: setattr(m.linear, "bias", None if on else jg.nn.Parameter(jg.ones(6))),
    "requires_grad": lambda m, on: m.linear.weight.requires_grad_(not on),
    "value": lambda m, on: m.linear.bias.data.fill_(float(on)),
    "data": lambda m, on: setattr(m.linear.bias, "data", jg.ones(6) * (2 + on)),
    "forward": lambda m, on: setattr(m, "forward", _tripled if on else type(m).forward.__get__(m)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_module(name):
    def scenario(run):
        module = Scaled()

        @run.compile
        def f(x):
            with jg.no_grad():
                return module(x)

        values = iter(arrays(9, (4, 6)))
        changing(lambda: run.see(f(jg.tensor(next(values)))), lambda on: CHANGES[name](module, on))

    assert both(scenario).replays


def test_hooks():
    def scenario(run):
        net = network()
        handles = []

        @run.compile
        def f(x):
            with jg.no_grad():
                return net(x)

        def change(on):
            if on:
                hook = net[0].register_forward_hook(lambda m, args, out: out * 2)
                handles.append(hook)
            else:
                handles.pop().remove()

        values = iter(arrays(9, (4, 6)))
        changing(lambda: run.see(f(jg.tensor(next(values)))), change)

    assert both(scenario).replays


def test_a_hook_on_a_parameter():
    def scenario(run):
        net = network()
        handles = []

        @run.compile
        def f(x):
            net.zero_grad()
            net(x).sum().backward()

        def change(on):
            if on:
                handles.append(net[0].weight.register_hook(lambda g: g * 2))
            else:
                handles.pop().remove()

        values = iter(arrays(9, (4, 6)))

        def call():
            f(jg.tensor(next(values)))
            run.see(*state(net))

        changing(call, change)

    assert both(scenario).replays


def test_tied_weights():
    def scenario(run):
        a, b = jg.nn.Linear(4, 4), jg.nn.Linear(4, 4)
        values = iter(arrays(20, (4, 4)))
        for p in (a, b):
            p.weight = jg.nn.Parameter(jg.tensor(next(values)))
            p.bias = None
        optimizer = jg.optim.SGD([a.weight, b.weight], lr=0.1)
        own = b.weight

        @run.compile
        def step(x):
            optimizer.zero_grad()
            loss = b(a(x).tanh()).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        def change(on):
            b.weight = a.weight if on else own

        changing(
            lambda: run.see(step(jg.tensor(next(values))), a.weight, b.weight, a.weight.grad),
            change,
            4,
        )

    assert both(scenario).replays


def test_objects_in_lists():
    class Layer:
        def __init__(self, scale):
            self.scale = scale

    def scenario(run):
        layers = [Layer(1.0), Layer(2.0), Layer(3.0)]

        @run.compile
        def f(x):
            for layer in layers:
                x = x * layer.scale
            return x

        changing(lambda: run.see(f(jg.ones(3))), lambda on: setattr(layers[1], "scale", 5.0 + on))

    assert both(scenario).replays


def test_attributes_by_computed_names():
    class Layer:
        def __init__(self):
            self.a, self.b = 1.0, 2.0

    def scenario(run):
        layer = Layer()

        @run.compile
        def f(x):
            for name in ("a", "b"):
                x = x * getattr(layer, name)
            return x

        changing(lambda: run.see(f(jg.ones(3))), lambda on: setattr(layer, "b", 5.0 + on))

    assert both(scenario).replays


def test_properties_and_class_attributes():
    def scenario(run):
        class Layer:
            scale = 3.0

            def __init__(self):
                self._half = 1.0

            @property
            def whole(self):
                return self._half * 2

        layer = Layer()
        f = run.compile(lambda x: x * layer.whole * layer.scale)
        changing(lambda: run.see(f(jg.ones(3))), lambda on: setattr(layer, "_half", 5.0 + on))
        changing(lambda: run.see(f(jg.ones(3))), lambda on: setattr(Layer, "scale", 7.0 + on))
        changing(lambda: run.see(f(jg.ones(3))), lambda on: setattr(layer, "scale", 9.0 + on))

    assert both(scenario).replays


def test_arrays_and_containers_that_change_in_place():
    def scenario(run):
        array = np.ones(3, np.float32)
        queue = deque([1.0, 2.0])
        weights = [jg.ones(3), jg.ones(3) * 2]
        f = run.compile(lambda x: x * jg.tensor(array) * queue[0] + sum(w * x for w in weights))
        changing(lambda: run.see(f(jg.ones(3))), lambda on: array.fill(2.0 + on))
        changing(lambda: run.see(f(jg.ones(3))), lambda on: queue.rotate(1))
        changing(lambda: run.see(f(jg.ones(3))), lambda on: weights.append(jg.ones(3) * 5))

    assert both(scenario).replays


def test_a_number_behind_functions():
    def scenario(run):
        held = [2.0]

        def scale():
            return held[0]

        def outer(x):
            s = scale()

            def inner(y):
                return y * s

            return inner(x)

        f = run.compile(outer)
        changing(lambda: run.see(f(jg.ones(3))), lambda on: held.__setitem__(0, 5.0 + on))

    assert both(scenario).replays


@pytest.mark.parametrize("held", [False, True])
def test_views_of_other_memory(held):
    """Views of memory that NumPy holds, and of a tensor's own, are different arguments."""

    def scenario(run):
        f = run.compile(lambda xs: xs[0] * 2)
        values = np.arange(5, dtype=np.float32)
        for own in (held, not held):
            for _ in range(4):
                base = jg.tensor(values) if own else jg.from_numpy(values)
                run.see(f([base[1:]]), f(base[1:][None]))

    both(scenario)


def test_arrays_that_come_to_overlap():
    """What is written to one is read through the other: no replay, and no stale answer."""
    memory = np.ones(8, np.float32)

    @jg.compile
    def f(x, y):
        y.add_(1)
        return x * 2

    for _ in range(4):
        np.testing.assert_array_equal(
            f(jg.from_numpy(memory[:4]), jg.from_numpy(memory[4:])).numpy(), [2, 2, 2, 2]
        )
    with pytest.raises(RuntimeError, match="two tensors over one NumPy array"):
        f(jg.from_numpy(memory[:4]), jg.from_numpy(memory[2:6]))

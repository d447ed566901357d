"""Numbers, containers and objects that a function reads from Python."""

import functools
from collections import deque
from types import SimpleNamespace

import numpy as np

import jitgrad as jg
from tests.guards.running import case

SCALE = 2.0
SETTINGS = {"gain": 0.5, "deep": {"shift": 1.0}}


def doubled(x):
    return x * 2


CHOSEN = doubled


def raise_scale():
    global SCALE
    SCALE = 4.0


def inputs(i):
    """A new argument for every call."""
    return jg.arange(4.0) + i


@case("closure factor: 2.0 -> 3.0")
def a_number_of_the_closure(compile):
    factor = 2.0
    f = compile(lambda x: x * factor)

    def change():
        nonlocal factor
        factor = 3.0

    return lambda i: f(inputs(i)), change


@case("closure factor: 0.0 -> -0.0")
def the_sign_of_a_zero(compile):
    factor = 0.0
    f = compile(lambda x: x * factor)

    def change():
        nonlocal factor
        factor = -0.0

    return lambda i: f(inputs(i)), change


@case("closure factor: 2 -> 2.0")
def the_class_of_a_number(compile):
    factor = 2
    f = compile(lambda x: x.long() * factor)

    def change():
        nonlocal factor
        factor = 2.0

    return lambda i: f(inputs(i)), change


@case("closure weight: Tensor(4,) -> another Tensor(4,)")
def a_tensor_of_the_closure(compile):
    weight = jg.ones(4)
    f = compile(lambda x: x * weight)

    def change():
        nonlocal weight
        weight = jg.ones(4) * 5

    return lambda i: f(inputs(i)), change


@case()
def the_values_of_a_tensor(compile):
    weight = jg.ones(4)
    f = compile(lambda x: x * weight)
    return lambda i: f(inputs(i)), lambda: weight.fill_(5.0)


@case("global SCALE: 2.0 -> 4.0")
def a_global(compile):
    global SCALE
    SCALE = 2.0
    f = compile(lambda x: x * SCALE)
    return lambda i: f(inputs(i)), raise_scale


@case("global CHOSEN: doubled -> inputs")
def a_function_of_the_module(compile):
    global CHOSEN
    CHOSEN = doubled
    f = compile(lambda x: CHOSEN(x))

    def change():
        global CHOSEN
        CHOSEN = inputs

    return lambda i: f(inputs(i)), change


@case("global SETTINGS['gain']: 0.5 -> 0.75")
def a_dict_entry(compile):
    SETTINGS["gain"] = 0.5
    f = compile(lambda x: x * SETTINGS["gain"])
    return lambda i: f(inputs(i)), lambda: SETTINGS.update(gain=0.75)


@case("global SETTINGS['deep']['shift']: 1.0 -> 3.0")
def a_nested_dict_entry(compile):
    SETTINGS["deep"]["shift"] = 1.0
    f = compile(lambda x: x * SETTINGS["deep"]["shift"])
    return lambda i: f(inputs(i)), lambda: SETTINGS["deep"].update(shift=3.0)


@case("closure table")
def an_entry_that_was_not_there(compile):
    table = {"shift": 1.0}
    f = compile(lambda x: x * table.get("gain", 2.0))
    return lambda i: f(inputs(i)), lambda: table.update(gain=7.0)


@case("closure weights")
def a_list_grown(compile):
    weights = [1.0, 2.0]
    f = compile(lambda x: sum(x * w for w in weights))
    return lambda i: f(inputs(i)), lambda: weights.append(4.0)


@case("closure weights[1]: 2.0 -> 9.0")
def an_element_of_a_list(compile):
    weights = [1.0, 2.0]
    f = compile(lambda x: x * weights[1])
    return lambda i: f(inputs(i)), lambda: weights.__setitem__(1, 9.0)


@case("closure tensors")
def a_tensor_in_a_list(compile):
    tensors = [jg.ones(4), jg.ones(4) * 2]
    f = compile(lambda x: x * jg.stack(tensors).sum(0))
    return lambda i: f(inputs(i)), lambda: tensors.__setitem__(0, jg.ones(4) * 6)


@case("closure queue")
def a_deque_turned(compile):
    queue = deque([1.0, 2.0])
    f = compile(lambda x: x * queue[0])
    return lambda i: f(inputs(i)), lambda: queue.rotate(1)


@case("closure names")
def an_element_of_a_set(compile):
    names = {"bias"}
    f = compile(lambda x: x + 5 if "bias" in names else x)
    return lambda i: f(inputs(i)), lambda: names.discard("bias")


@case("closure config.rate: 0.5 -> 0.25")
def an_attribute(compile):
    config = SimpleNamespace(rate=0.5)
    f = compile(lambda x: x * config.rate)
    return lambda i: f(inputs(i)), lambda: setattr(config, "rate", 0.25)


@case("closure config.model.width: 2.0 -> 3.0")
def a_chain_of_attributes(compile):
    config = SimpleNamespace(model=SimpleNamespace(width=2.0))
    f = compile(lambda x: x * config.model.width)
    return lambda i: f(inputs(i)), lambda: setattr(config.model, "width", 3.0)


@case("closure config.layers[0].width: 2.0 -> 3.0")
def an_attribute_behind_a_subscript(compile):
    config = SimpleNamespace(layers=[SimpleNamespace(width=2.0)])
    f = compile(lambda x: x * config.layers[0].width)
    return lambda i: f(inputs(i)), lambda: setattr(config.layers[0], "width", 3.0)


@case("closure thing.scale: 2.0 -> 3.0")
def an_attribute_of_the_class(compile):
    class Thing:
        scale = 2.0

    thing = Thing()
    f = compile(lambda x: x * thing.scale)
    return lambda i: f(inputs(i)), lambda: setattr(Thing, "scale", 3.0)


@case("SimpleNamespace.rate: 0.5 -> 0.25")
def an_attribute_of_what_a_function_returns(compile):
    config = SimpleNamespace(rate=0.5)

    def get():
        return config

    f = compile(lambda x: x * get().rate)
    return lambda i: f(inputs(i)), lambda: setattr(config, "rate", 0.25)


@case("closure thing.__class__.scale: 2.0 -> 3.0")
def an_attribute_by_way_of_the_class(compile):
    class Thing:
        scale = 2.0

    thing = Thing()
    f = compile(lambda x: x * thing.__class__.scale)
    return lambda i: f(inputs(i)), lambda: setattr(Thing, "scale", 3.0)


@case("closure weight.decay: 0.5 -> 0.25")
def an_attribute_of_a_tensor(compile):
    weight = jg.ones(4)
    weight.decay = 0.5
    f = compile(lambda x: x * weight * weight.decay)
    return lambda i: f(inputs(i)), lambda: setattr(weight, "decay", 0.25)


@case("cases_values.SETTINGS['gain']: 0.5 -> 0.75")
def a_module_imported_inside(compile):
    SETTINGS["gain"] = 0.5

    @compile
    def f(x):
        from tests.guards import cases_values

        return x * cases_values.SETTINGS["gain"]

    return lambda i: f(inputs(i)), lambda: SETTINGS.update(gain=0.75)


@case("closure tree")
def a_number_deep_in_a_tree(compile):
    tree = [[[[[1.0], 2.0]]]]

    def total(part):
        return sum(total(p) for p in part) if isinstance(part, list) else part

    f = compile(lambda x: x * total(tree))
    return lambda i: f(inputs(i)), lambda: tree[0][0][0][0].append(5.0)


@case("self._half: 1.0 -> 4.0")
def an_attribute_behind_a_property(compile):
    class Thing:
        def __init__(self):
            self._half = 1.0

        @property
        def whole(self):
            return self._half * 2

    thing = Thing()
    f = compile(lambda x: x * thing.whole)
    return lambda i: f(inputs(i)), lambda: setattr(thing, "_half", 4.0)


@case("closure array")
def an_array_of_numpy(compile):
    array = np.ones(4, np.float32)
    f = compile(lambda x: x * jg.tensor(array))
    return lambda i: f(inputs(i)), lambda: array.fill(3.0)


@case("closure array")
def a_large_array_of_numpy(compile):
    array = np.ones(100_000, np.float32)
    f = compile(lambda x: x[0] * jg.tensor(array))
    return lambda i: f(inputs(i)), lambda: array.__setitem__(77_777, 3.0)


@case()
def memory_shared_with_numpy(compile):
    array = np.ones(4, np.float32)
    shared = jg.from_numpy(array)
    f = compile(lambda x: x * shared)
    return lambda i: f(inputs(i)), lambda: array.fill(3.0)


@case("closure scaled")
def an_argument_bound_by_partial(compile):
    scaled = functools.partial(jg.mul, other=2.0)
    f = compile(lambda x: scaled(x))

    def change():
        nonlocal scaled
        scaled = functools.partial(jg.mul, other=3.0)

    return lambda i: f(inputs(i)), change


@case("defaults of a_default_argument.<locals>.scaled: tuple of 1 -> another tuple of 1")
def a_default_argument(compile):
    def scaled(x, by=2.0):
        return x * by

    f = compile(lambda x: scaled(x))
    return lambda i: f(inputs(i)), lambda: setattr(scaled, "__defaults__", (3.0,))


@case("tests.guards.cases_values.SCALE: 2.0 -> 4.0")
def a_name_imported_inside(compile):
    global SCALE
    SCALE = 2.0

    @compile
    def f(x):
        from tests.guards.cases_values import SCALE as scale

        return x * scale

    return lambda i: f(inputs(i)), raise_scale


@case("tests.guards.cases_values.SCALE: 2.0 -> 4.0")
def a_name_imported_inside_from_a_place_beside(compile):
    global SCALE
    SCALE = 2.0

    @compile
    def f(x):
        from .cases_values import SCALE as scale

        return x * scale

    return lambda i: f(inputs(i)), raise_scale

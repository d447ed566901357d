"""Attributes by names that are computed, or that are not there yet; those of Tensors."""

from types import ModuleType, SimpleNamespace

import jitgrad as jg
from tests.guards.running import Holder, case, setter, way


def once(change):
    """A setter that changes something when the number becomes 2."""
    return lambda v: v == 2 and change()


@way("Holder.gain: 1.0 -> 2.0")
def a_computed_name_beside_other_words():
    holder, parts = Holder(), ["ga", "in"]

    def get():
        return holder

    def f(x):
        mode = "train"
        return x * getattr(get(), "".join(parts)) if mode == "train" else x

    return f, setter(holder)


@way("Holder.gain_a")
def a_name_that_is_formatted():
    holder, which = Holder(), "a"
    holder.gain_a = 1.0

    def get():
        return holder

    return (lambda x: x * getattr(get(), f"gain_{which}")), setter(holder, "gain_a")


@way("Holder.gain_a")
def formatted_names_of_objects_in_a_loop():
    holders = [Holder(), Holder()]
    for holder in holders:
        holder.gain_a = 1.0

    def f(x):
        for holder in holders:
            for which in "ab":
                x = x * getattr(holder, f"gain_{which}", 1.0)
        return x

    return f, setter(holders[0], "gain_a")


@way("attributes of Holder")
def a_computed_name_that_comes_to_be():
    holder = Holder()

    def f(x):
        for which in "ab":
            x = x * getattr(holder, f"gain_{which}", 1.0)
        return x

    return f, once(lambda: setattr(holder, "gain_b", 2.0))


@way("attributes of Holder")
def a_name_given_to_a_function():
    holder = Holder()

    def look(thing, name):
        return getattr(thing, name, 3.0)

    return (lambda x: x * look(holder, "gain_a")), once(lambda: setattr(holder, "gain_a", 2.0))


@way("attributes of SimpleNamespace")
def whether_a_computed_name_is_there():
    config = SimpleNamespace()
    return (
        lambda x: x * (2.0 if hasattr(config, "gain".upper()) else 1.0),
        once(lambda: setattr(config, "GAIN", 1)),
    )


@way("attributes of Linear")
def a_computed_name_of_a_module():
    layer = jg.nn.Linear(4, 4)

    def f(x):
        for which in "ab":
            x = x * getattr(layer, f"gain_{which}", 3.0)
        return x

    return f, once(lambda: setattr(layer, "gain_b", 2.0))


@way("Net._modules['first']")
def a_layer_by_a_computed_name():
    class Net(jg.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = jg.nn.Tanh()

        def forward(self, x):
            for at in ("first",):
                x = getattr(self, at[:3] + "st")(x)
            return x

    net = Net()
    return (lambda x: net(x)), once(lambda: setattr(net, "first", jg.nn.Sigmoid()))


@way("attributes of Own")
def a_computed_name_that_a_class_gets():
    class Own:
        pass

    own = Own()

    def f(x):
        for which in "ab":
            x = x * getattr(own, f"gain_{which}", 3.0)
        return x

    return f, once(lambda: setattr(Own, "gain_b", 2.0))


@way("names of settings_of_a_test")
def a_computed_name_that_a_module_gets():
    made = ModuleType("settings_of_a_test")

    def f(x):
        for which in "ab":
            x = x * getattr(made, f"gain_{which}", 3.0)
        return x

    return f, once(lambda: setattr(made, "gain_b", 2.0))


@way("attributes of Holder")
def all_attributes_by_vars():
    holder = Holder()
    return (lambda x: x * sum(vars(holder).values())), once(lambda: setattr(holder, "more", 3.0))


@way("attributes of Holder")
def the_names_of_all_attributes():
    holder = Holder()

    def f(x):
        return x * len([name for name in dir(holder) if name[0] != "_"])

    return f, once(lambda: setattr(holder, "more", 3.0))


@way("attributes of a tensor")
def an_attribute_that_a_tensor_gets():
    weight = jg.ones(4)
    return (
        lambda x: x * weight * getattr(weight, "tag", 3.0),
        once(lambda: setattr(weight, "tag", 2.0)),
    )


@way("attributes of a tensor")
def whether_parameters_are_marked():
    layer = jg.nn.Linear(4, 4)

    def f(x):
        for p in layer.parameters():
            if not hasattr(p, "skip"):
                x = x * p.ndim
        return x

    return f, once(lambda: setattr(layer.bias, "skip", True))


@way("a tensor.tag: 1.0 -> 2.0")
def an_attribute_of_a_tensor_by_a_computed_name():
    weight, parts = jg.ones(4), ["t", "ag"]
    weight.tag = 1.0
    return (lambda x: x * weight * getattr(weight, "".join(parts))), setter(weight, "tag")


@case()
def an_attribute_of_an_argument_that_has_none(compile):
    f = compile(lambda x: x * getattr(x, "tag", 3.0))
    return lambda i: f(jg.arange(4.0) + i), lambda: None

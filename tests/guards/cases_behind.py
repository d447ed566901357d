"""Changes behind the back of what a function reads from: dicts of attributes written directly,
classes, names that hide others, views of containers, and what C code keeps."""

import math
import weakref
from collections import OrderedDict

import numpy as np

import jitgrad as jg
from tests.guards.cases_names import once
from tests.guards.running import Holder, setter, way


class Layer(jg.nn.Module):
    """With a number of its own, and one of its class."""

    scale = 1.0

    def __init__(self):
        super().__init__()
        self.gain = 1.0

    def forward(self, x):
        return x * self.gain


@way("self.gain: 1.0 -> 2.0")
def the_dict_of_a_module():
    layer = Layer()
    return (lambda x: layer(x)), lambda v: layer.__dict__.update(gain=v)


@way("self.gain")
def the_dict_of_a_module_by_vars():
    layer = Layer()
    return (lambda x: layer(x)), lambda v: vars(layer).update(gain=v)


@way("self.gain")
def a_module_by_way_of_object():
    layer = Layer()
    return (lambda x: layer(x)), lambda v: object.__setattr__(layer, "gain", v)


@way("closure layer.training: True -> False")
def the_mode_in_the_dict_of_a_module():
    layer = Layer()
    return (
        lambda x: x * (1.0 if layer.training else 3.0),
        lambda v: layer.__dict__.update(training=v == 1),
    )


@way("")
def another_dict_of_a_module():
    layer = Layer()
    return (
        lambda x: layer(x),
        lambda v: setattr(layer, "__dict__", {**layer.__dict__, "gain": v}),
    )


@way("self.gain: 0.0 -> -0.0")
def the_sign_of_a_zero_in_a_module():
    layer = Layer()
    return (lambda x: layer(x)), lambda v: setattr(layer, "gain", -0.0 if v == 2 else 0.0)


@way("closure layer.scale: 1.0 -> 2.0")
def the_class_of_a_module():
    class Own(Layer):
        pass

    layer = Own()
    return (lambda x: x * layer.scale), setter(Own, "scale")


@way("closure layer.scale")
def the_dict_of_a_module_hides_its_class():
    layer = Layer()
    return (lambda x: x * layer.scale), lambda v: layer.__dict__.update(scale=v)


@way("Own.flag: nothing -> 2.0")
def what_the_class_of_a_module_gets():
    class Own(Layer):
        def forward(self, x):
            return x * getattr(self, "flag", 3.0)

    layer = Own()
    return (lambda x: layer(x)), once(lambda: setattr(Own, "flag", 2.0))


@way("self._forward_pre_hooks")
def hooks_written_directly():
    layer = Layer()
    hooks = layer._forward_pre_hooks
    return (lambda x: layer(x)), once(lambda: hooks.update({7: lambda m, args: (args[0] * 3,)}))


@way("self._forward_hooks")
def hooks_cleared_directly():
    layer = Layer()
    layer.register_forward_hook(lambda m, args, out: out * 3)
    return (lambda x: layer(x)), once(layer._forward_hooks.clear)


@way("ParameterList._parameters['0']")
def an_item_of_a_parameter_list():
    weights = jg.nn.ParameterList([jg.nn.Parameter(jg.ones(4))])
    return (
        lambda x: x * weights[0].detach(),
        lambda v: weights.__setitem__(0, jg.nn.Parameter(jg.ones(4) * v)),
    )


@way("ParameterDict._parameters['a']")
def an_item_of_a_parameter_dict():
    weights = jg.nn.ParameterDict({"a": jg.nn.Parameter(jg.ones(4))})
    return (
        lambda x: x * weights["a"].detach(),
        lambda v: weights.__setitem__("a", jg.nn.Parameter(jg.ones(4) * v)),
    )


@way("closure layer.hooked[0]: 1.0 -> 2.0")
def a_list_in_a_module_named_like_hooks():
    layer = Layer()
    layer.hooked = [1.0]
    return (lambda x: x * layer.hooked[0]), lambda v: layer.hooked.__setitem__(0, v)


def named(source):
    """A function `f` of a namespace of its own, which it leaves."""
    names = {}
    exec(source, names)
    return names


@way("global len: nothing -> ")
def a_global_that_hides_a_builtin():
    names = named("def f(x): return x * len([1, 2])")
    return names["f"], once(lambda: names.update(len=lambda items: 7))


@way("global gain: nothing -> 2.0")
def a_global_that_was_not_there():
    names = named("def f(x):\n  try: return x * gain\n  except NameError: return x")
    return names["f"], once(lambda: names.update(gain=2.0))


@way("closure views")
def the_values_of_a_dict():
    table = {"gain": 1.0}
    views = table.values()
    return (lambda x: x * sum(views)), lambda v: table.update(gain=v)


@way("closure views")
def the_keys_of_a_dict():
    table = {"gain": 1.0}
    views = table.keys()
    return (lambda x: x * len(views)), once(lambda: table.update(more=1))


@way("closure table")
def the_order_of_a_dict():
    table = OrderedDict(a=1.0, b=2.0)
    return (lambda x: x * next(iter(table.values()))), once(lambda: table.move_to_end("a"))


@way("closure array.gain")
def an_attribute_of_an_array():
    class Own(np.ndarray):
        pass

    array = np.ones(3).view(Own)
    return (lambda x: x * array.gain), setter(array)


@way("whether what closure weak refers to is gone: False -> True")
def an_object_that_dies():
    kept = [Holder()]
    weak = weakref.ref(kept[0])
    return (lambda x: x * (1.0 if weak() is not None else 2.0)), once(kept.clear)


@way("closure error.args")
def the_arguments_of_an_error():
    error = ValueError(1.0)
    return (lambda x: x * error.args[0]), lambda v: setattr(error, "args", (v,))


@way("closure get.__annotations__['a']")
def the_annotations_of_a_function():
    def get(a: 1.0):
        return a

    return (lambda x: x * get.__annotations__["a"]), lambda v: get.__annotations__.update(a=v)


@way("closure get.__name__")
def the_name_of_a_function():
    def get():
        return None

    return (lambda x: x * len(get.__name__)), lambda v: setattr(get, "__name__", "a" * int(v))


@way("closure get.__closure__[0].cell_contents")
def a_cell_of_a_function():
    number = 1.0

    def get():
        return number

    return (
        lambda x: x * get.__closure__[0].cell_contents,
        setter(get.__closure__[0], "cell_contents"),
    )


@way("global math.gain_of_a_test: 1.0 -> 2.0")
def a_number_put_into_a_library():
    return (lambda x: x * math.gain_of_a_test), setter(math, "gain_of_a_test")

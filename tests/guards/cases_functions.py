"""Functions, classes and descriptors: what computes a value, and what it reads."""

import functools
import operator
import weakref
from types import SimpleNamespace

import jitgrad as jg
from tests.guards.running import Holder, setter, way


class Base:
    gain = 1.0


def by_number(make):
    """A setter that chooses between what was made for 1.0 and for 2.0."""
    return {v: make(v) for v in (1.0, 2.0)}


@way("Fresh.gain: 1.0 -> 2.0")
def the_class_of_an_object_made_inside():
    class Fresh(Base):
        gain = 1.0

        def scaled(self, x):
            return x * self.gain

    return (lambda x: Fresh().scaled(x)), setter(Fresh)


@way("Fresh.gain")
def the_base_of_a_class_of_an_object_made_inside():
    class Root:
        gain = 1.0

    class Fresh(Root):
        pass

    def f(x):
        fresh = Fresh()
        return x * fresh.gain

    return f, setter(Root)


@way("Fresh.get")
def a_method_of_an_object_made_inside():
    class Fresh:
        def get(self):
            return 1.0

    methods = by_number(lambda v: lambda self: v)

    def f(x):
        fresh = Fresh()
        return x * fresh.get()

    return f, lambda v: setattr(Fresh, "get", methods[v])


@way("closure holder.gain")
def what_an_initializer_reads():
    holder = Holder()

    class Fresh:
        def __init__(self):
            self.gain = holder.gain

    return (lambda x: x * Fresh().gain), setter(holder)


@way("closure factor: 1.0 -> 2.0")
def the_closure_of_a_method():
    factor = 1.0

    class Fresh:
        def get(self):
            return factor

    def set_to(v):
        nonlocal factor
        factor = v

    def f(x):
        fresh = Fresh()
        return x * fresh.get()

    return f, set_to


@way("closure factor")
def the_closure_of_a_property():
    factor = 1.0

    class Thing:
        @property
        def gain(self):
            return factor

    def set_to(v):
        nonlocal factor
        factor = v

    thing = Thing()
    return (lambda x: x * thing.gain), set_to


@way("closure factor")
def the_closure_of_an_operator():
    factor = 1.0

    class Thing:
        def __mul__(self, other):
            return other * factor

    def set_to(v):
        nonlocal factor
        factor = v

    thing = Thing()
    return (lambda x: thing * x), set_to


@way("closure factor")
def the_closure_of_a_key():
    factor = 1.0

    def set_to(v):
        nonlocal factor
        factor = v

    return (lambda x: x * min([1.0, 2.0], key=lambda a: abs(a - factor))), set_to


@way("closure factor")
def the_closure_of_a_function_that_dispatch_finds():
    factor = 1.0

    @functools.singledispatch
    def scale(kind):
        return 0.0

    @scale.register(int)
    def _(kind):
        return factor

    def set_to(v):
        nonlocal factor
        factor = v

    return (lambda x: x * scale(3)), set_to


@way("closure factor")
def the_closure_of_a_function_in_an_object_in_a_list():
    factor = 1.0

    def scale(a, b):
        return a * factor * b

    def set_to(v):
        nonlocal factor
        factor = v

    things = [SimpleNamespace(fn=scale)]

    def f(x):
        for thing in things:
            x = functools.reduce(thing.fn, [x, 1.0])
        return x

    return f, set_to


@way("defaults of")
def the_default_of_an_operator():
    class Thing:
        def __mul__(self, other, by=[1.0]):  # noqa: B006
            return other * by[0]

    thing = Thing()
    return (lambda x: thing * x), functools.partial(Thing.__mul__.__defaults__[0].__setitem__, 0)


@way("Thing.__getitem__")
def an_operator_replaced():
    class Thing:
        def __getitem__(self, at):
            return 1.0 if at == 0 else at.stop

    methods = by_number(lambda v: lambda self, at: v)
    thing = Thing()
    return (lambda x: x * thing[0]), lambda v: setattr(Thing, "__getitem__", methods[v])


@way("Thing.__call__")
def a_call_replaced():
    class Thing:
        def __call__(self, x):
            return x

    methods = by_number(lambda v: lambda self, x: x * v)
    thing = Thing()
    return (lambda x: thing(x)), lambda v: setattr(Thing, "__call__", methods[v])


@way("class of closure thing")
def the_class_of_an_object():
    class One:
        pass

    class Two:
        pass

    thing = One()
    classes = {1.0: One, 2.0: Two}
    return (
        lambda x: x * (3.0 if isinstance(thing, Two) else 5.0),
        lambda v: setattr(thing, "__class__", classes[v]),
    )


@way("closure thing.gain")
def a_property_replaced():
    class Thing:
        @property
        def gain(self):
            return 1.0

    properties = by_number(lambda v: property(lambda self: v))
    thing = Thing()
    return (lambda x: x * thing.gain), lambda v: setattr(Thing, "gain", properties[v])


@way("closure thing.gain")
def a_property_written_in_c():
    class Thing:
        gain = property(operator.attrgetter("_gain"))

    thing = Thing()
    return (lambda x: x * thing.gain), setter(thing, "_gain")


@way("self.gain")
def the_state_of_a_descriptor():
    class Gain:
        gain = 1.0

        def __get__(self, instance, owner):
            return self.gain

    class Thing:
        scale = Gain()

    thing = Thing()
    return (lambda x: x * thing.scale), setter(Thing.__dict__["scale"])


@way("cls._gain")
def a_property_of_a_class_of_a_class():
    class Meta(type):
        @property
        def gain(cls):
            return cls._gain

    class Thing(metaclass=Meta):
        _gain = 1.0

    return (lambda x: x * Thing.gain), setter(Thing, "_gain")


@way("closure Thing.gain")
def an_attribute_of_a_class_of_a_class():
    class Meta(type):
        gain = 1.0

    class Thing(metaclass=Meta):
        pass

    return (lambda x: x * Thing.gain), setter(Meta)


@way("Root.gain")
def an_attribute_of_super():
    class Root:
        gain = 1.0

    class Thing(Root):
        gain = 7.0

        def get(self):
            return super().gain

    thing = Thing()
    return (lambda x: x * thing.get()), setter(Root)


@way("Thing.gain")
def an_attribute_of_the_class_behind_one_of_the_object():
    class Thing:
        gain = 1.0

        def get(self):
            return type(self).gain

    thing = Thing()
    thing.gain = 9.0
    return (lambda x: x * thing.get()), setter(Thing)


@way("closure thing.anything.gain")
def what_getattr_of_an_object_returns():
    holder = Holder()

    class Thing:
        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return holder

    thing = Thing()
    return (lambda x: x * thing.anything.gain), setter(holder)


@way("self.keywords")
def the_keywords_of_a_partial_method():
    class Thing:
        def scaled(self, x, by):
            return x * by

        doubled = functools.partialmethod(scaled, by=1.0)

    thing = Thing()
    return (
        lambda x: thing.doubled(x),
        lambda v: Thing.__dict__["doubled"].keywords.update(by=v),
    )


@way("keywords of a partial function")
def the_keywords_of_a_partial():
    scaled = functools.partial(lambda x, by: x * by, by=1.0)
    return (lambda x: scaled(x)), lambda v: scaled.keywords.update(by=v)


@way("what closure get is a method of")
def a_method_of_a_dict():
    table = {"gain": 1.0}
    get = table.get
    return (lambda x: x * get("gain")), lambda v: table.update(gain=v)


@way("what closure get is a method of")
def an_operator_of_a_list():
    table = [1.0]
    get = table.__getitem__
    return (lambda x: x * get(0)), functools.partial(table.__setitem__, 0)


@way("self.gain")
def a_weak_method():
    class Thing:
        gain = 1.0

        def get(self):
            return self.gain

    thing = Thing()
    weak = weakref.WeakMethod(thing.get)
    thing.own = weak  # neither dies before the other
    return (lambda x, thing=thing: x * weak()()), setter(thing)


class Layer(jg.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = 1.0

    def forward(self, x):
        return x * self.gain


@way("self.gain")
def a_compiled_module_inside():
    layer = Layer()
    inner = jg.compile(layer)
    return (lambda x: inner(x)), setter(layer)


@way("Layer.gain")
def an_attribute_of_modules_in_a_loop():
    layers = jg.nn.ModuleList([Layer(), Layer()])

    def f(x):
        for layer in layers:
            x = x * layer.gain
        layer = None
        return x if layer is None else -x

    return f, setter(layers[0])

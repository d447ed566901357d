"""Attributes of objects that are reached in other ways than by a name and dots."""

import collections
import copy
import dataclasses
import itertools
import operator
import pickle
from types import SimpleNamespace

import jitgrad as jg
from tests.guards.running import Holder, setter, way


class Other(Holder):
    """Of another class."""


@way("Holder.gain: 1.0 -> 2.0")
def a_default_by_or():
    holder = Holder()

    def scaled(x, config=None):
        config = config or holder
        return x * config.gain

    return (lambda x: scaled(x)), setter(holder)


@way("Holder.gain")
def a_default_where_there_is_none():
    holder = Holder()

    def scaled(x, config=None):
        if config is None:
            config = holder
        return x * config.gain

    return (lambda x: scaled(x)), setter(holder)


@way("")  # where the two meet depends on the version of Python
def one_of_two_objects():
    first, second = Holder(), Other()
    return (lambda x: x * (first if x.ndim == 1 else second).gain), setter(first)


@way("Holder.gain")
def a_variable_used_twice():
    first, second = Holder(), Holder(3.0)

    def f(x):
        config = first
        x = x * config.gain
        config = second
        return x * config.gain

    return f, setter(first)


@way("Holder.gain")
def loops_with_one_variable():
    first, second = [Holder(), Holder()], [Other()]

    def f(x):
        for holder in first:
            x = x * holder.gain
        for holder in second:
            x = x * holder.gain
        return x

    return f, setter(first[0])


@way("Holder.gain")
def a_variable_deleted():
    holders = [Holder(), Holder()]

    def f(x):
        for holder in holders:
            x = x * holder.gain
        del holder
        return x

    return f, setter(holders[0])


@way("Holder.gain")
def a_comprehension():
    holders = [Holder(), Other()]
    return (lambda x: x * sum([h.gain for h in holders])), setter(holders[0])


@way("h.gain")
def a_generator():
    holders = [Holder(), Other()]
    return (lambda x: x * sum(h.gain for h in holders)), setter(holders[0])


@way("Holder.gain")
def items_of_a_dict():
    holders = {"a": Holder(), "b": Other()}

    def f(x):
        for _, holder in holders.items():
            x = x * holder.gain
        return x

    return f, setter(holders["a"])


@way("Holder.gain")
def several_lists_chained():
    first, second = [Holder()], [Other()]

    def f(x):
        for holder in itertools.chain(first, second):
            x = x * holder.gain
        return x

    return f, setter(first[0])


@way("Holder.gain")
def a_copy_of_a_list_emptied():
    holders = [Holder(), Other()]

    def f(x):
        left = list(holders)
        while left:
            x = x * left.pop().gain
        return x

    return f, setter(holders[0])


@way("Holder.gain")
def an_assignment_in_a_condition():
    holder = Holder()

    def f(x):
        if (config := holder) is not None:
            x = x * config.gain
        config = None
        return x if config is None else -x

    return f, setter(holder)


@way("Holder.gain")
def a_copy():
    holder = Holder()

    def f(x):
        config = copy.copy(holder)
        return x * config.gain

    return f, setter(holder)


@way("Holder.gain")
def a_deep_copy():
    outer = SimpleNamespace(inner=Holder())

    def f(x):
        config = copy.deepcopy(outer)
        return x * config.inner.gain

    return f, setter(outer.inner)


@way("SimpleNamespace.gain")
def a_copy_by_pickle():
    config = SimpleNamespace(gain=1.0)

    def f(x):
        other = pickle.loads(pickle.dumps(config))
        return x * other.gain

    return f, setter(config)


@dataclasses.dataclass
class Settings:
    gain: float = 1.0
    other: int = 0


@way("Settings.gain")
def a_dataclass_replaced():
    settings = Settings()

    def f(x):
        changed = dataclasses.replace(settings, other=2)
        return x * changed.gain

    return f, setter(settings)


@way("self.gain")
def dataclasses_compared():
    one, other = Settings(), Settings()
    return (lambda x: x * (3.0 if one == other else 5.0)), setter(one)


@way("SimpleNamespace.gain")
def namespaces_compared():
    one, other = SimpleNamespace(gain=1.0), SimpleNamespace(gain=1.0)
    return (lambda x: x * (3.0 if one == other else 5.0)), setter(one)


@way("SimpleNamespace.gain")
def the_text_of_a_namespace():
    config = SimpleNamespace(gain=1.0)
    return (lambda x: x * (3.0 if f"{config}" == "namespace(gain=1.0)" else 5.0)), setter(config)


@way("Holder.gain")
def a_format():
    holder = Holder()
    return (lambda x: x * float("{0.gain}".format(holder))), setter(holder)  # noqa: UP030, UP032


@way("Holder.gain")
def an_object_of_a_named_tuple():
    pair = collections.namedtuple("Pair", "one two")(Holder(), 2)
    return (lambda x: x * pair.one.gain), setter(pair.one)


@way("Holder.gain")
def an_object_in_a_dict_made_inside():
    holder = Holder()

    def f(x):
        table = {"holder": holder}
        return x * table["holder"].gain

    return f, setter(holder)


@way("Holder.gain")
def an_object_in_an_object_made_inside():
    holder = Holder()

    class Wrapper:
        def __init__(self, inner):
            self.inner = inner

    def f(x):
        wrapper = Wrapper(holder)
        return x * wrapper.inner.gain

    return f, setter(holder)


@way("Holder.gain")
def starred_arguments():
    holder = Holder()

    def scaled(x, *rest, **named):
        return x * rest[0].gain * named["holder"].gain

    return (lambda x: scaled(x, holder, holder=holder)), setter(holder)


@way("Holder.gain")
def a_getter_of_operator():
    holder, get = Holder(), operator.attrgetter("gain")
    return (lambda x: x * get(holder)), setter(holder)


@way("Holder.gain")
def a_getter_with_dots():
    outer, get = SimpleNamespace(inner=Holder()), operator.attrgetter("inner.gain")
    return (lambda x: x * get(outer)), setter(outer.inner)


@way("Holder.gain")
def a_getter_made_inside():
    holder = Holder()
    return (lambda x: x * operator.attrgetter("gain")(holder)), setter(holder)


@way("Holder.gain")
def a_getter_as_a_key():
    holders = [Holder(), Holder(1.5)]

    def f(x):
        least = min(holders, key=operator.attrgetter("gain"))
        return x * (3.0 if least is holders[0] else 5.0)

    return f, setter(holders[0])


@way("Holder.gain")
def getattr_of_what_a_function_returns():
    holder = Holder()

    def get():
        return holder

    return (lambda x: x * getattr(get(), "gain")), setter(holder)  # noqa: B009


@way("Holder.gain")
def a_computed_name_of_what_a_function_returns():
    holder, parts = Holder(), ["ga", "in"]

    def get():
        return holder

    return (lambda x: x * getattr(get(), "".join(parts))), setter(holder)


@way("Holder.gain")
def getattr_by_another_name():
    holder, get = Holder(), getattr
    return (lambda x: x * get(holder, "gain")), setter(holder)


@way("Holder.gain")
def an_attribute_by_way_of_object():
    holder = Holder()
    return (lambda x: x * object.__getattribute__(holder, "gain")), setter(holder)


@way("SimpleNamespace.a77")
def one_of_a_hundred_attributes():
    config, parts = SimpleNamespace(**{f"a{i}": 1.0 for i in range(100)}), ["a", "77"]
    return (lambda x: x * getattr(config, "".join(parts))), setter(config, "a77")


class Slotted:
    __slots__ = ("gain",)

    def __init__(self):
        self.gain = 1.0


@way("Slotted.gain")
def a_slot_by_a_computed_name():
    slotted, parts = Slotted(), ["ga", "in"]
    return (lambda x: x * getattr(slotted, "".join(parts))), setter(slotted)


@way("Slotted.gain")
def slots_in_a_loop():
    slotted = [Slotted(), Slotted()]

    def f(x):
        for thing in slotted:
            x = x * thing.gain
        thing = None
        return x if thing is None else -x

    return f, setter(slotted[0])


@way("closure items")
def an_attribute_of_a_list():
    class Items(list):
        pass

    items = Items([1])
    items.gain = 1.0
    return (lambda x: x * items.gain), setter(items)


@way("closure items")
def a_dict_read_by_dots():
    class Items(dict):
        __getattr__ = dict.__getitem__

    items = Items(inner=Items(gain=1.0))
    return (lambda x: x * items.inner.gain), lambda v: items["inner"].update(gain=v)


@way("closure weight.gain")
def an_attribute_of_tensors_in_a_loop():
    weight = jg.ones(4)
    weight.gain = 1.0
    return (lambda x: x * weight * weight.gain), setter(weight)

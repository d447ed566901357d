"""What a replay could not check or repeat is refused by name, or runs lazily and `stats()` says
why; never is it answered from the past."""

import contextvars
import copy
import ctypes
import decimal
import functools
import itertools
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import jitgrad as jg
from tests.guards.running import Holder

HERE = Path(__file__)
VARIABLE = contextvars.ContextVar("variable", default=1.0)
OPTIMIZER = jg.optim.SGD([jg.ones(1, requires_grad=True)], lr=1.0)

REFUSED = {
    "time()": lambda x: x * float(time.time() > 5),
    "perf_counter()": lambda x: x * time.perf_counter(),
    "datetime.now()": lambda x: x * datetime.now().day,
    "getpid()": lambda x: x * os.getpid(),
    "getcwd()": lambda x: x * len(os.getcwd()),
    "stat()": lambda x: x * float(HERE.exists()),
    "open()": lambda x: x * len(HERE.read_text()),
    "urandom()": lambda x: x * len(os.urandom(2)),
    "get_ident()": lambda x: x * len(threading.current_thread().name),
    "get() of ContextVar": lambda x: x * VARIABLE.get(),
    "copy_context()": lambda x: x * len(contextvars.copy_context()),
    "getcontext()": lambda x: x * decimal.getcontext().prec,
    "getrecursionlimit()": lambda x: x * sys.getrecursionlimit(),
    "_get_extobj_dict()": lambda x: x * len(np.geterr()),
    "load()": lambda x: x * jg.load(HERE)["gain"],
    "state_dict() of an optimizer": lambda x: x * len(OPTIMIZER.state_dict()),
    "repr() of an optimizer": lambda x: x * len(repr(OPTIMIZER)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_by_name(what):
    f = jg.compile(REFUSED[what])
    with pytest.raises(RuntimeError, match="inside a compiled function: later calls") as caught:
        f(jg.ones(3))
    assert str(caught.value).startswith(f"compile: {what} at {__file__}:")


def kept_results():
    holder = Holder()

    @functools.lru_cache
    def gain():
        return holder.gain

    def change():
        holder.gain = 2.0
        gain.cache_clear()
        gain()  # as many are kept as before

    return (lambda x: x * gain()), change


def kept_results_of_a_method():
    class Thing:
        gain = 1.0

        @functools.lru_cache  # noqa: B019
        def get(self):
            return self.gain

    def change():
        thing.gain = 2.0
        Thing.get.cache_clear()
        thing.get()

    thing = Thing()
    return (lambda x: x * thing.get()), change


def an_iterator():
    numbers = itertools.cycle([1.0, 1.0, 1.0, 1.0, 2.0])
    return (lambda x: x * next(numbers)), lambda: None


def a_generator():
    box = [1.0]

    def endless():
        while True:
            yield box[0]

    numbers = endless()
    return (lambda x: x * next(numbers)), lambda: box.__setitem__(0, 2.0)


def an_iterator_in_a_loop():
    numbers = iter(range(1000))

    def f(x):
        for number in numbers:
            return x * number

    return f, lambda: None


def an_iterator_by_its_method():
    numbers = itertools.cycle([1.0, 1.0, 1.0, 1.0, 2.0]).__next__
    return (lambda x: x * numbers()), lambda: None


def the_flat_elements_of_an_array():
    array = np.ones(4, np.float32)
    flat = array.flat
    return (lambda x: x * float(flat[0])), lambda: array.__setitem__(0, 2.0)


def an_iterator_of_an_object():
    holder = Holder(itertools.cycle([1.0, 1.0, 1.0, 1.0, 2.0]))

    def get():
        return holder

    return (lambda x: x * next(get().gain)), lambda: None


def a_mock():
    made = mock.MagicMock()
    made.__getitem__.return_value = 1.0
    return (lambda x: x * made["gain"]), lambda: setattr(made.__getitem__, "return_value", 2.0)


def a_pointer():
    number = ctypes.c_double(1.0)
    pointer = ctypes.pointer(number)
    return (lambda x: x * pointer[0]), lambda: setattr(number, "value", 2.0)


def a_deep_list():
    inner = [1.0]
    outer = functools.reduce(lambda value, _: [value], range(12), inner)

    def f(x):
        value = outer
        while isinstance(value, list):
            value = value[0]
        return x * value

    return f, lambda: inner.__setitem__(0, 2.0)


def classes_below():
    class Root:
        pass

    made = []
    return (
        lambda x: x * len(Root.__subclasses__()),
        lambda: made.append(type("Leaf", (Root,), {})),
    )


def a_lock():
    lock = threading.Lock()
    return (lambda x: x * (3.0 if lock.locked() else 5.0)), lock.acquire


def an_array_of_objects():
    array = np.array([Holder()], dtype=object)
    return (lambda x: x * array[0].gain), lambda: setattr(array[0], "gain", 2.0)


LAZY = {
    "whose results functools.lru_cache keeps and reads holder": kept_results,
    "whose results functools.lru_cache keeps and reads self": kept_results_of_a_method,
    "it takes from closure numbers, an iterator": an_iterator,
    "it takes from closure numbers, an iterator that": a_generator,
    "an iterator that a replay would not advance": an_iterator_in_a_loop,
    "it takes from closure numbers, an iterator that a": an_iterator_by_its_method,
    "it takes from closure flat, an iterator": the_flat_elements_of_an_array,
    "it takes from Holder.gain, an iterator": an_iterator_of_an_object,
    "it calls a mock, which notes its calls": a_mock,
    "it reads closure pointer, a pointer": a_pointer,
    "closure outer is nested more than 8 deep": a_deep_list,
    "it calls closure Root.__subclasses__()": classes_below,
    "it calls closure lock.locked()": a_lock,
    "an array of objects": an_array_of_objects,
}


@pytest.mark.parametrize("why", LAZY)
def test_lazily(why):
    results = []
    for wrap in (lambda fn: fn, jg.compile):
        read, change = LAZY[why]()
        f = wrap(read)
        found = [f(jg.ones(3)).tolist() for _ in range(4)]
        change()
        results.append([*found, *[f(jg.ones(3)).tolist() for _ in range(4)]])
    assert results[0] == results[1]
    (told,) = [k.lazy for k in f._known.values()]
    assert why in told
    assert jg.stats()["recompiles"][-1]["now"] == told


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("name", ["by a dot", "by getattr", "in its dict"])
def test_an_attribute_of_an_argument(name, view):
    read = {
        "by a dot": lambda x: x * x.gain,
        "by getattr": lambda x: x * getattr(x, "gain", 7.0),
        "in its dict": lambda x: x * x.__dict__.get("gain", 7.0),
    }[name]
    compiled, data = jg.compile(read), jg.ones(8)
    first = () if name == "by a dot" else (None, None, None, None)
    for gain in (*first, 1.0, 1.0, 1.0, 2.0, 3.0, *first):
        x = data[2:5] if view else jg.ones(3)
        if gain is not None:
            x.gain = gain
        assert compiled(x).tolist() == [7.0 if gain is None else gain] * 3


def test_kept_results_of_arguments_alone_are_replayed():
    @functools.lru_cache
    def steps(n):
        return [i / n for i in range(n)]

    f = jg.compile(lambda x: sum(x * s for s in steps(x.shape[0])))
    for _ in range(4):
        assert f(jg.ones(4)).tolist() == [1.5] * 4
    assert f._active is not None


def test_what_python_does_for_itself_is_not_refused():
    """A copy of an object, a module imported for the first time: both look at files or clocks."""

    def f(x):
        import colorsys

        sys.modules.pop("colorsys")
        return x * copy.deepcopy(colorsys.ONE_THIRD)

    compiled = jg.compile(f)
    for _ in range(4):
        compiled(jg.ones(3))

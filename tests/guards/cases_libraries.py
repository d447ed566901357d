"""State that lives in Python's own library, in other libraries, and in jitgrad."""

import configparser
import ctypes
import importlib
import multiprocessing
import os
import queue
import sys
import threading
import weakref
from types import ModuleType

import jitgrad as jg
from tests.guards.running import Holder, case, setter, way


@way("self._sections")
def a_parser_of_settings():
    settings = configparser.ConfigParser()
    settings.read_dict({"a": {"gain": "1"}})
    return (lambda x: x * settings.getfloat("a", "gain")), lambda v: settings.set(
        "a", "gain", f"{v}"
    )


@way("self._flag")
def an_event():
    event = threading.Event()
    return (lambda x: x * (3.0 if event.is_set() else 5.0)), lambda v: v == 2 and event.set()


@way("self.queue")
def a_queue():
    waiting = queue.Queue()
    return (lambda x: x * (3.0 if waiting.qsize() else 5.0)), lambda v: v == 2 and waiting.put(v)


@way("closure here.gain")
def what_a_thread_has_for_itself():
    here = threading.local()
    here.gain = 1.0
    return (lambda x: x * here.gain), setter(here)


@way("Holder.gain")
def a_dict_of_weak_values():
    holder = Holder()
    table = weakref.WeakValueDictionary(a=holder)
    return (lambda x, keep=holder: x * table["a"].gain), setter(holder)


@way("self.data")
def a_dict_of_weak_keys():
    holder = Holder()
    table = weakref.WeakKeyDictionary({holder: 1.0})
    return (lambda x: x * table[holder]), lambda v: table.update({holder: v})


@way("closure number")
def a_number_of_ctypes():
    number = ctypes.c_double(1.0)
    return (lambda x: x * number.value), setter(number, "value")


@way("closure numbers")
def an_array_of_ctypes():
    numbers = (ctypes.c_double * 2)(1.0, 1.0)
    return (lambda x: x * numbers[0]), lambda v: numbers.__setitem__(0, v)


@way("closure numbers")
def a_field_of_ctypes():
    class Numbers(ctypes.Structure):
        _fields_ = [("gain", ctypes.c_double)]

    numbers = Numbers(1.0)
    return (lambda x: x * numbers.gain), setter(numbers)


@way("self._obj")
def a_value_shared_with_processes():
    number = multiprocessing.Value("d", 1.0)
    return (lambda x: x * number.value), setter(number, "value")


@way("closure view")
def a_view_of_memory():
    data = bytearray(b"\1\1")
    view = memoryview(data)
    return (lambda x: x * float(view[0])), lambda v: data.__setitem__(0, int(v))


def module(source: str, name: str = "settings_of_a_test"):
    """A module with this text."""
    made = sys.modules[name] = ModuleType(name)
    exec(source, made.__dict__)
    return made


@way("settings_of_a_test.gain: 1.0 -> 2.0")
def a_module_imported_by_name():
    made = module("gain = 1.0")
    return (lambda x: x * importlib.import_module("settings_of_a_test").gain), setter(made)


@way("closure made.gain")
def a_module_named_like_one_of_python():
    made = ModuleType("profile")
    made.gain = 1.0
    return (lambda x: x * made.gain), setter(made)


@way("global HOLDER.gain")
def code_in_a_folder_named_like_a_library():
    names = {"HOLDER": Holder()}
    exec(compile("def f(x): return x * HOLDER.gain", "/home/me/numpy/train.py", "exec"), names)
    return names["f"], setter(names["HOLDER"])


@way("Holder.gain")
def what_getattr_of_a_module_returns():
    made = module("table = {}\ndef __getattr__(name):\n    return table[name]")
    made.table.update(config=Holder(), __file__=None, __path__=None, __spec__=None)
    return (lambda x: x * made.config.gain), setter(made.table["config"])


@way("settings_of_a_test.gain")
def a_module_by_a_computed_name():
    made, parts = module("gain = 1.0"), ["ga", "in"]
    return (lambda x: x * getattr(made, "".join(parts))), setter(made)


NAME = "JITGRAD_TEST_OF_GUARDS"


def set_variable(v):
    os.environ[NAME] = str(v)


THIS = f"os.environ['{NAME}']: b'1.0' -> b'2.0'"


@way(THIS)
def a_variable_of_the_environment():
    return (lambda x: x * float(os.environ[NAME])), set_variable


@way(THIS)
def a_variable_that_may_be_missing():
    return (lambda x: x * float(os.getenv(NAME, "1"))), set_variable


@way(THIS)
def a_variable_by_a_method():
    get = os.environ.get
    return (lambda x: x * float(get(NAME))), set_variable


@way(THIS)
def a_variable_as_bytes():
    return (lambda x: x * float(os.environb[NAME.encode()])), set_variable


@way(THIS)
def a_variable_in_a_path():
    return (lambda x: x * float(os.path.expandvars(f"${NAME}"))), set_variable


@way("os.environ['JITGRAD_TEST_OF_GUARDS_2']: nothing -> b'2.0'")
def whether_there_is_a_variable():
    def set_to(v):
        os.environ.pop(NAME + "_2", None)
        if v == 2:
            os.environ[NAME + "_2"] = str(v)

    return (lambda x: x * (3.0 if NAME + "_2" in os.environ else 5.0)), set_to


@way(f"os.environ[b'{NAME}']")
def all_variables():
    return (lambda x: x * float(dict(os.environ)[NAME])), set_variable


@case()
def a_variable_that_is_not_read(compile):
    f = compile(lambda x: x * len(os.getenv("HOME", "")))
    os.environ[NAME] = "1"
    return lambda i: f(jg.arange(4.0) + i), lambda: set_variable(2.0)


@way("shape, dtype or history of closure weight")
def the_shape_of_a_tensor():
    weight = jg.ones(3)
    return (
        lambda x: x * float(weight.shape[0]),
        lambda v: setattr(weight, "data", jg.ones(int(v))),
    )


@way("shape, dtype or history of closure weight")
def requires_grad_of_a_tensor():
    weight = jg.ones(3)
    return (
        lambda x: x * (3.0 if weight.requires_grad else 5.0),
        lambda v: weight.requires_grad_(v == 2),
    )


@way("seed of a generator: 1 -> 2")
def the_seed():
    return (lambda x: x * float(jg.initial_seed())), lambda v: jg.manual_seed(int(v))


@way("self._last_lr")
def the_last_rate_of_a_scheduler():
    optimizer = jg.optim.SGD([jg.ones(3, requires_grad=True)], lr=1.0)
    scheduler = jg.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)

    def set_to(v):
        optimizer.step()
        scheduler.step()

    return (lambda x: x * scheduler.get_last_lr()[0]), set_to

"""Calls that a replay would skip or answer from the past: printing, files, clocks, randomness.

Entry: `of_builtin(frame, fn)`, `of_function(code)`: a name for the message, or None.
Imports whose code it is, and the pool of threads.
"""

from __future__ import annotations

import datetime
import importlib
import io
import logging
import os
import random
from contextvars import ContextVar
from types import CodeType
from typing import Any

import numpy as np

from jitgrad.frontend import territory
from jitgrad.runtime import threads

_NAMES: dict[str, tuple[str, ...]] = {  # by module, of functions written in C
    "builtins": ("print", "input", "open", "globals"),
    "_io": ("open",),
    "time": (
        "asctime", "clock_gettime", "clock_gettime_ns", "ctime", "gmtime", "localtime", "monotonic",
        "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "process_time_ns",
        "sleep", "strftime", "thread_time", "thread_time_ns", "time", "time_ns",
    ),
    "posix": (
        "access", "cpu_count", "fstat", "getcwd", "getcwdb", "getloadavg", "getpid", "getppid",
        "getrandom", "getuid", "listdir", "lstat", "mkdir", "open", "read", "readlink", "remove",
        "rename", "scandir", "stat", "system", "times", "uname", "unlink", "urandom", "write",
    ),
    "_thread": ("get_ident", "get_native_id"),
    "_contextvars": ("copy_context",),
    "_decimal": ("getcontext",),
    "sys": (
        "getallocatedblocks", "getrecursionlimit", "getrefcount", "gettrace", "exc_info",
        "get_int_max_str_digits", "getswitchinterval",
    ),
    "numpy._core.umath": ("_get_extobj_dict",),
    "gc": ("get_count", "get_stats", "isenabled", "get_objects"),
}  # fmt: skip
CALLS: dict[int, str] = {}
for _module, _functions in _NAMES.items():
    for _name in _functions:
        _fn = getattr(importlib.import_module(_module), _name, None)
        if _fn is not None:
            CALLS.setdefault(id(_fn), f"{_name}()")
_NOW = frozenset(["now", "utcnow", "today"])  # methods of datetime's classes
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedReader, io.FileIO)
OWNERS = frozenset([random.Random, ContextVar, *_FILES])  # classes whose methods these calls are
GENERATORS = (random.Random, np.random.RandomState, np.random.Generator)
_PYTHON: Any = random.random
_PYTHON, _NUMPY = _PYTHON.__self__, np.random.mtrand._rand  # what the modules' functions draw from
# What Python does for itself on the way: reading source lines for a warning, importing.
_OWN_WAYS = tuple(os.sep + name for name in ("linecache.py", "warnings.py", "traceback.py"))


def of_builtin(frame: Any, fn: Any) -> str | None:
    """Of a function written in C, called in `frame`: if what it does or answers is another thing
    at every call, and code of the user's asked for it."""
    owner = fn.__self__
    if owner is _PYTHON:  # whoever calls it: random.choice is Python
        return f"random.{fn.__name__}()"
    name = CALLS.get(id(fn))
    if name is None:
        if type(owner) is type and issubclass(owner, datetime.date) and fn.__name__ in _NOW:
            name = f"{owner.__name__}.{fn.__name__}()"
        elif type(owner) in OWNERS and not isinstance(owner, random.Random):
            what = "ContextVar" if isinstance(owner, ContextVar) else "a file"
            name = f"{fn.__name__}() of {what}"
    return name if name is not None and _asked(frame) else None


def _asked(frame: Any) -> bool:
    """Whether a call is the user's, be it by way of the standard library."""
    while frame is not None:
        file = frame.f_code.co_filename
        kind = territory.reads(frame.f_code)
        if kind == "all":
            return True
        if not kind and not file.startswith(_FROZEN_WAYS) or file.endswith(_OWN_WAYS):
            return False
        if kind == "self" and not territory.library(file):  # jitgrad's own
            return False
        frame = frame.f_back
    return False


_FROZEN_WAYS = (
    "<frozen os",
    "<frozen posixpath",
    "<frozen genericpath",
    "<frozen io",
    "<frozen codecs",
)


def of_function(code: CodeType) -> str | None:
    """Of a Python function that is called."""
    if code is threads.get_num_threads.__code__:  # which set_num_threads() may change in between
        return "get_num_threads()"
    return "logging" if code.co_name == "_log" and code.co_filename == logging.__file__ else None


class Drawn:
    """Whether generators of random numbers were used: NumPy's calls are not seen as they happen."""

    def __init__(self) -> None:
        self._states = {id(_NUMPY): (_NUMPY, _state(_NUMPY))}

    def look(self, generator: Any) -> None:
        """Remember the state of one."""
        self._states.setdefault(id(generator), (generator, _state(generator)))

    def used(self) -> bool:
        """Whether one of them has another state now."""
        return any(_state(g) != before for g, before in self._states.values())


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return _frozen(generator.bit_generator.state)
    return _frozen(generator.get_state(legacy=False))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _frozen(item)) for key, item in value.items()]
    return value.tobytes() if isinstance(value, np.ndarray) else value

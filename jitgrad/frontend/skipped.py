"""Calls that a replay would skip or answer from the past: printing, reading, Python's randomness.

Entry: `of_builtin(code, fn)`, `of_function(code)`: a name for the message, or None.
Imports the scan.
"""

from __future__ import annotations

import io
import logging
import random
from contextvars import ContextVar
from types import CodeType
from typing import Any

import numpy as np

from jitgrad.frontend import scan

CALLS = {id(fn): f"{fn.__name__}()" for fn in (print, input, open, globals)}
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedReader)
OWNERS = frozenset([random.Random, ContextVar, *_FILES])  # classes whose methods these calls are
GENERATORS = (random.Random, np.random.RandomState, np.random.Generator)
_PYTHON: Any = random.random
_PYTHON, _NUMPY = _PYTHON.__self__, np.random.mtrand._rand  # what the modules' functions draw from


def of_builtin(code: CodeType, fn: Any) -> str | None:
    """Of a function written in C, in `CALLS` or a method of one of `OWNERS`, called by `code`."""
    if fn.__self__ is _PYTHON:  # whoever calls it: random.choice is Python
        return f"random.{fn.__name__}()"
    if scan.reads(code) != "all" or isinstance(fn.__self__, random.Random):
        return None
    owner = "ContextVar" if isinstance(fn.__self__, ContextVar) else "a file"
    return CALLS.get(id(fn), f"{fn.__name__}() of {owner}")


def of_function(code: CodeType) -> str | None:
    """Of a Python function that is called."""
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

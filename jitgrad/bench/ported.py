"""A function written for jitgrad, run with PyTorch: its source is the same, its modules are not.

Entry: `ported(fn, args)`; `Unported` says why not. Where the function's globals and closures name
jitgrad or a part of it, the copy names PyTorch's; Tensors among its arguments and in its closures
become PyTorch's. What was built with jitgrad (a Module, an optimizer) cannot be carried over.
Imports the public names.
"""

import dis
import functools
import types

import numpy as np

import jitgrad
from jitgrad.frontend.tensor import Tensor

_ATOMS = (bool, int, float, complex, str, bytes, type(None), slice, range)


class Unported(Exception):
    """Why a function cannot run with PyTorch."""


def ported(fn, args):
    """The function and its arguments for PyTorch."""
    import torch

    port = _Port(torch)
    return port.function(fn), tuple(port.value(arg, f"argument {i}") for i, arg in enumerate(args))


class _Port:
    """What became of each object, so that one is carried over once."""

    def __init__(self, torch):
        self._torch = torch
        self._done = {}  # id -> object, what it became

    def value(self, value, name):
        """`value` for PyTorch."""
        if id(value) in self._done:
            return self._done[id(value)][1]
        out = self._new(value, name)
        self._done[id(value)] = value, out
        return out

    def _new(self, value, name):
        if isinstance(value, types.ModuleType):
            return self._named(value.__name__, value, name)
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, jitgrad.dtype):
            return getattr(self._torch, str(value).removeprefix("jitgrad."))
        home = getattr(value, "__module__", None) or type(value).__module__
        if isinstance(home, str) and home.partition(".")[0] == "jitgrad":
            return self._public(value, name)
        if isinstance(value, type):
            bases = [base for base in value.__mro__ if base.__module__.startswith("jitgrad.")]
            if bases:
                raise Unported(f"{name} is a subclass of jitgrad's {bases[0].__name__}")
            return value
        if isinstance(value, (*_ATOMS, np.ndarray, np.generic)):
            return value
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if type(value) in (list, tuple, set):
            return type(value)(self.value(item, name) for item in value)
        if type(value) is dict:
            return {key: self.value(item, name) for key, item in value.items()}
        if callable(value) and not hasattr(value, "__dict__"):
            return value  # of Python itself
        raise Unported(f"{name} is a {type(value).__name__}, which cannot be carried over")

    def _named(self, path, value, name):
        """The module of PyTorch that stands where one of jitgrad does."""
        top, _, rest = path.partition(".")
        if top != "jitgrad":
            return value
        found = self._torch
        for part in filter(None, rest.split(".")):
            found = getattr(found, part, None)
            if found is None:
                raise Unported(f"{name} is {path}, which PyTorch has not")
        return found

    def _public(self, value, name):
        """A function or class by the public name that it has."""
        for path in ("", "nn.functional", "nn", "optim"):
            room = functools.reduce(getattr, filter(None, path.split(".")), jitgrad)
            word = getattr(value, "__name__", "")
            if word and getattr(room, word, None) is value:
                there = functools.reduce(getattr, filter(None, path.split(".")), self._torch)
                if hasattr(there, word):
                    return getattr(there, word)
        raise Unported(f"{name} is jitgrad's {getattr(value, '__name__', type(value).__name__)}")

    def _tensor(self, t):
        """A copy of a leaf, or of another's values."""
        copy = self._torch.tensor(np.array(t.detach().numpy()))
        copy.requires_grad_(bool(t.requires_grad and t.is_leaf))
        return copy

    def function(self, fn):
        """A copy of a Python function over carried globals and closure."""
        if not isinstance(fn, types.FunctionType):
            raise Unported(f"it is a {type(fn).__name__}, not a plain function")
        cells = [types.CellType() for _ in fn.__closure__ or ()]
        copy = types.FunctionType(fn.__code__, {}, fn.__name__, None, tuple(cells) or None)
        self._done[id(fn)] = fn, copy  # it may call itself
        names = fn.__code__.co_freevars
        for cell, old, name in zip(cells, fn.__closure__ or (), names, strict=True):
            cell.cell_contents = self.value(old.cell_contents, name)
        copy.__globals__["__builtins__"] = fn.__globals__.get("__builtins__", __builtins__)
        for name in _global_names(fn.__code__):
            if name in fn.__globals__:
                copy.__globals__[name] = self.value(fn.__globals__[name], name)
        copy.__defaults__ = self.value(fn.__defaults__, "a default")
        copy.__kwdefaults__ = self.value(fn.__kwdefaults__, "a default")
        return copy


def _global_names(code):
    """The names that a function and those inside it look up among globals."""
    names, codes = set(), [code]
    for inner in codes:  # which grows
        for step in dis.get_instructions(inner):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                names.add(step.argval)
        codes += [const for const in inner.co_consts if isinstance(const, types.CodeType)]
    return sorted(names)

"""kernels/ as a CUDA kernel finds it: every function wrapped, `X_cuda` in the place of X's twins.

`Library(wrap).namespace(source, name)` executes a kernel's source so that each function of kernels/
it calls is `wrap(function)`, made once; with `compiled`, what a module `X_cuda` defines takes the
place of X's functions. Imports kernels/ modules as they are asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import types
from collections.abc import Callable
from typing import Any

_KERNELS = "jitgrad.kernels."

Function = types.FunctionType


class Library:
    """See the module."""

    def __init__(self, wrap: Callable[[Function], Any], compiled: bool) -> None:
        self.wrap = wrap
        self.compiled = compiled
        self.replaced: dict[Function, Any] = {}  # functions that something else stands for
        self.modules: dict[str, dict[Function, Any]] = {}

    def namespace(self, source: str, name: str) -> dict[str, Any]:
        """The names of a kernel's module; its own functions are left as they are."""
        file = f"<{name}>"
        linecache.cache[file] = len(source), None, source.splitlines(True), file
        out: dict[str, Any] = {"__name__": "kernel"}
        exec(compile(source, file, "exec"), out)
        self.substitute(out, "kernel")
        return out

    def substitute(self, names: dict[str, Any], owner: str) -> None:
        """Put what stands for functions of other modules of kernels/ into a namespace."""
        for name, value in list(names.items()):
            if isinstance(value, Function) and value.__module__ != owner:
                if value.__module__.startswith(_KERNELS):
                    names[name] = self.functions(value.__module__)[value]

    def functions(self, module_name: str) -> dict[Function, Any]:
        """What stands for each function of a module of kernels/."""
        found = self.modules.get(module_name)
        if found is not None:
            return found
        module = importlib.import_module(module_name)
        names = dict(vars(module))
        out = self.modules[module_name] = {}
        own: dict[str, Any] = {}
        if self.compiled and importlib.util.find_spec(f"{module_name}_cuda"):
            own = vars(importlib.import_module(f"{module_name}_cuda"))
        self.substitute(names, module_name)
        for name, value in vars(module).items():
            if not isinstance(value, Function) or value.__module__ != module_name:
                continue
            if value not in out:
                stand_in = self.replaced.get(value) or own.get(name)
                if isinstance(stand_in, Function) and stand_in.__module__ == f"{module_name}_cuda":
                    stand_in = self.functions(stand_in.__module__)[stand_in]
                out[value] = stand_in or self.wrap(rebased(value, names))
            names[name] = out[value]
        return out


def rebased(function: Function, names: dict[str, Any]) -> Function:
    """The same function over another global namespace."""
    copy = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__ = function.__module__
    return copy

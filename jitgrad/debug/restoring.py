"""What a function may change, and back: `Saved(fn, args)`, `restore()`.

Reached are the arguments, and what the function's code names in closures and globals: Tensors with
their gradients, Modules, optimizers, generators, containers, arrays of NumPy, attributes of the
user's objects. Values are kept, not copied, but for NumPy's. Imports: frontend, nn.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from jitgrad.frontend.compiling import Compiled, CompiledModule
from jitgrad.frontend.draws import default_generator
from jitgrad.frontend.pending import flush_all
from jitgrad.frontend.state import rebound
from jitgrad.frontend.tensor import Tensor
from jitgrad.nn import Module

_PLAIN = (str, bytes, int, float, complex, bool, type(None), type, ModuleType, CodeType)


class Saved:
    """The state that a call of `fn(*args)` starts from.

    Attributes:
        tensors: every Tensor found, gradients included, by a name such as `net.0.weight`.
    """

    def __init__(self, fn: Any, args: tuple[Any, ...]) -> None:
        flush_all()
        self.tensors: dict[str, Tensor] = {}
        self._cells: list[tuple[Any, str, Any]] = []  # object, attribute, value
        self._values: list[tuple[Any, Any, Any, Any, Any]] = []
        self._grads: list[tuple[Any, Any]] = []
        self._dicts: list[tuple[Any, dict[Any, Any]]] = []
        self._lists: list[tuple[Any, list[Any]]] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._names: dict[int, str] = {}
        self._seen: dict[int, Any] = {}
        self._queue: deque[tuple[str, Any]] = deque()
        self._add("", default_generator)
        for i, value in enumerate(args):
            self._add(f"args[{i}]", value)
        self._add("", fn)
        while self._queue:
            self._visit(*self._queue.popleft())

    # ---- finding

    def _add(self, name: str, value: Any) -> None:
        if not isinstance(value, _PLAIN) and id(value) not in self._seen:
            self._seen[id(value)] = value
            self._queue.append((name, value))

    def _visit(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(name, value)
        elif isinstance(value, dict):
            self._dicts.append((value, dict(value)))
            for key, item in list(value.items()):
                word = self._names.get(id(key), "...") if isinstance(key, Tensor) else repr(key)
                self._add(f"{name}[{word}]", item)
        elif isinstance(value, (list, deque)):
            self._lists.append((value, list(value)))
            self._sequence(name, value)
        elif isinstance(value, tuple):
            self._sequence(name, value)
        elif isinstance(value, (set, frozenset)):
            if isinstance(value, set):
                self._sets.append((value, set(value)))
            self._sequence(name, list(value))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable and value.dtype.kind != "O":
                self._arrays.append((value, value.copy()))
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._add(name, value.__self__)
            self._add("", value.__func__)
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self._add(name, part)
        elif isinstance(value, (Compiled, CompiledModule)):
            self._add(name, value._fn)
        else:
            self._object(name, value)

    def _sequence(self, name: str, values: Any) -> None:
        for i, item in enumerate(values):
            self._add(f"{name}[{i}]", item)

    def _function(self, fn: FunctionType) -> None:
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            self._cells.append((cell, "cell_contents", content))
            self._add(name, content)
        codes = [fn.__code__]
        for code in codes:  # which grows: functions inside it
            codes += [const for const in code.co_consts if isinstance(const, CodeType)]
        for name in {name for code in codes for name in code.co_names}:
            if name in fn.__globals__:
                value = fn.__globals__[name]
                self._globals.append((fn.__globals__, name, value))
                self._add(name, value)
        for value in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
            self._add(fn.__name__, value)

    def _object(self, name: str, value: Any) -> None:
        home = type(value).__module__.partition(".")[0]
        own = getattr(value, "__dict__", None)
        if own is None or home in sys.stdlib_module_names:
            return
        if isinstance(value, Module):
            for path, t in (*value.named_parameters(), *value.named_buffers()):
                self._add(f"{name}.{path}" if name else path, t)
        self._dicts.append((own, dict(own)))
        for key, item in list(own.items()):
            self._add(f"{name}.{key}" if name else key, item)

    def _tensor(self, name: str, t: Tensor) -> None:
        name = name or "tensor"
        while name in self.tensors:
            name += "'"
        self.tensors[name] = t
        self._names[id(t)] = name
        storage = t._storage
        content = storage.external.copy() if storage.node is None else storage.node
        self._values.append((t, storage, content, t._track, t._track.edge))
        if t._box is not None:
            self._grads.append((t._box, t._box.value))
            if t._box.value is not None:
                self._add(f"{name}.grad", t._box.value)
        else:
            self._cells.append((t, "_box", None))

    # ---- and back

    def restore(self) -> None:
        """Everything as it was; what did not change is not touched."""
        flush_all()
        for own, before in self._dicts:
            if list(own.keys()) != list(before) or any(own[k] is not v for k, v in before.items()):
                own.clear()
                own.update(before)
        for items, content in self._lists:
            if len(items) != len(content) or any(a is not b for a, b in zip(items, content)):  # noqa: B905
                items.clear()
                items.extend(content)
        for members, kept in self._sets:
            if members != kept:
                members.clear()
                members.update(kept)
        for array, copy in self._arrays:
            np.copyto(array, copy)
        for namespace, name, value in self._globals:
            if namespace.get(name) is not value:
                namespace[name] = value
        for holder, attribute, value in self._cells:
            if getattr(holder, attribute) is not value:
                setattr(holder, attribute, value)
        for box, value in self._grads:
            box.value = value
        for t, storage, content, track, edge in self._values:
            if t._storage is not storage or t._track is not track:
                t._storage, t._track = storage, track
                rebound[0] += 1
            if track.edge is not edge:
                track.edge = edge
            if isinstance(content, np.ndarray):
                np.copyto(storage.external, content)
            elif storage.node is not content:
                storage.node = content
                storage.version += 1
                storage.depth = 0
                storage.settled = None

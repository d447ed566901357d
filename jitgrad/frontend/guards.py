"""Which Python values did a recording depend on, and are they still the same?

While a function records, `Watch` sees every function that runs (`sys.setprofile`), follows the
chains of its bytecode from things that existed before, and remembers what it finds. `Guards` reads
those values again before a replay. A value is a holder (namespace, object, cell, container) with a
key. Entry: `Watch`, `Guards`. Imports: the scan of bytecode, the Tensor.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from jitgrad.frontend import scan
from jitgrad.frontend.argtree import ATOMS
from jitgrad.frontend.record import Base

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()
CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_PLAIN_CALLS = (types.FunctionType, types.MethodType, functools.partial)
_ARRAY_BYTES = 1 << 16  # larger arrays are compared by identity alone


class Guard:
    """One value: where it is read, what it was, and the name a user knows it by."""

    __slots__ = ("content", "holder", "key", "kind", "label", "value")

    def __init__(self, holder: Any, kind: str, key: Any, value: Any, label: str) -> None:
        self.holder = holder
        self.kind = kind  # "item", "attr", "cell" or "call"
        self.key = key
        self.value = value
        self.label = label
        self.content: Any = None  # of a container that was read as a whole

    def read(self) -> Any:
        """The value now."""
        try:
            if self.kind == "item":
                if isinstance(self.holder, dict):
                    return self.holder.get(self.key, MISSING)  # a defaultdict would make one
                return self.holder[self.key]
            if self.kind == "attr":
                return getattr(self.holder, self.key)
            if self.kind == "cell":
                return self.holder.cell_contents
            return self.key()
        except (KeyError, IndexError, AttributeError, ValueError):
            return MISSING

    def holds(self) -> bool:
        """Whether the value is what it was."""
        now = self.read()
        if self.content is not None:
            return self.content == content(now)
        return same(now, self.value)

    def was(self) -> str:
        """The old value for a message."""
        return short(self.value if self.content is None else self.content[1])


def same(now: Any, then: Any) -> bool:
    """Equal numbers and strings; else the same object."""
    if now is then:
        return True
    kind = type(then)
    if type(now) is not kind:
        return False
    if kind is types.MethodType:
        return now.__func__ is then.__func__ and now.__self__ is then.__self__
    if kind is float:
        return repr(now) == repr(then)  # -0.0 is not 0.0
    if kind in ATOMS:
        return bool(now == then)
    return kind is tuple and bool(content(now) == content(then))


def content(value: Any, depth: int = 3) -> Any:
    """A container as nested tuples that compare as `same` does."""
    kind = type(value)
    if kind in ATOMS:
        return kind, repr(value) if kind is float else value
    if isinstance(value, np.ndarray):
        return ("array", value.tobytes() if value.nbytes <= _ARRAY_BYTES else _Same(value))
    if depth and isinstance(value, dict) and not hasattr(value, "version"):
        items = list(value.items())
        return kind, tuple([(content(k, 0), content(v, depth - 1)) for k, v in items])
    if depth and isinstance(value, CONTAINERS) and not isinstance(value, dict):
        return kind, tuple([content(v, depth - 1) for v in list(value)])
    return kind, _Same(value)


class _Same:
    """Equal to nothing but a wrapper of the same object."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is _Same and same(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return short(self.value)


def short(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, Base):
        return f"Tensor{tuple(value._shape)}"
    if isinstance(value, (types.FunctionType, type)):
        return value.__qualname__
    if type(value) in ATOMS or type(value) in CONTAINERS or value is MISSING:
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"<{type(value).__name__}>"


class Watch:
    """The values that one recording read; `start` and `stop` are called around it."""

    def __init__(self, fn: Any, pattern: Any) -> None:
        self.found: dict[Any, Guard] = {}
        self.tensors: dict[int, Any] = {}
        self.modules: dict[int, Any] = {}
        self.functions: dict[CodeType, types.FunctionType] = {}
        self._anchored: dict[int, Any] = {}
        self._inside: dict[int, Any] = {}  # elements of containers -> container
        self._skip = {id(c) for c in pattern.containers}
        self._before: Any = None
        self._anchor(fn)
        for value in pattern.objects:
            self._anchor(value)

    def start(self) -> None:
        """Begin to watch this thread."""
        self._before = sys.getprofile()
        sys.setprofile(self._profile)

    def stop(self) -> None:
        """End it."""
        sys.setprofile(self._before)

    def note(self, holder: Any, kind: str, key: Any, label: str, whole: bool = False) -> Any:
        """Guard one value; returns it."""
        name: tuple[Any, ...] = (id(holder), kind, key)
        if kind == "call":
            name = (id(holder), kind, label)
        elif isinstance(key, Base):  # whose == is no comparison
            name = (id(holder), kind, id(key), label)
        guard = self.found.get(name)
        if guard is None:
            guard = Guard(holder, kind, key, None, label)
            guard.value = guard.read()
            self.found[name] = guard
            self._anchor(guard.value)
        if whole and guard.content is None and isinstance(guard.value, (*CONTAINERS, np.ndarray)):
            guard.content = content(guard.value)
            self._hold(guard.value, 3)
        return guard.value

    def changed(self) -> Guard | None:
        """A value that is not what it was when it was first read."""
        for guard in self.found.values():
            if not guard.holds():
                return guard
        return None

    # ---- what a frame reads

    def _profile(self, frame: Any, event: str, arg: Any) -> None:
        if event != "call" and event != "return":
            return
        code = frame.f_code
        what = scan.reads(code)
        if not what:
            return
        called = event == "call"
        chains = scan.chains(code)
        if not chains:
            return
        names = frame.f_locals
        count = code.co_argcount + code.co_kwonlyargcount
        arguments = code.co_varnames[:count]
        for chain in chains:
            root, name, path, store = chain
            if root == scan.LOCAL:
                if not path or (name in arguments) != called or name not in names:
                    continue
                value = names[name]
                if id(value) in self._anchored:
                    self._follow(value, path, name, store)
                if not called and id(value) in self._inside:
                    for other in _elements(self._inside[id(value)]):
                        if type(other) is type(value) and id(other) in self._anchored:
                            self._follow(other, path, name, store)
            elif what == "all" and called:
                self._root(frame, root, name, path, store)

    def _root(self, frame: Any, root: str, name: str, path: Any, store: bool) -> None:
        label = f"{root} {name}"
        if root == scan.GLOBAL:
            if name not in frame.f_globals and not store:
                return  # a builtin
            value = self.note(frame.f_globals, "item", name, label, whole=not path)
        else:
            fn = self.functions.get(frame.f_code)
            free = frame.f_code.co_freevars
            if fn is None or name not in free or not fn.__closure__:
                # A cell of a function that runs now.
                value = frame.f_locals.get(name)
                if id(value) in self._anchored:
                    self._follow(value, path, label, store)
                return
            cell = fn.__closure__[free.index(name)]
            value = self.note(cell, "cell", None, label, whole=not path)
        if path:
            self._follow(value, path, label, store)

    def _follow(self, value: Any, path: Any, label: str, store: bool) -> None:
        """Guard each step from `value` on."""
        last = len(path) - 1
        for i, (kind, key) in enumerate(path):
            if isinstance(value, Base) or value is MISSING or id(value) in self._skip:
                return
            if kind == "k":
                label = f"{label}[{key!r}]"
                if not isinstance(value, (dict, list, tuple)):
                    return
                self._anchor(value)
                if isinstance(value, tuple):
                    value = Guard(value, "item", key, None, "").read()
                    self._anchor(value)
                else:
                    value = self.note(value, "item", key, label, whole=i == last)
                continue
            label = f"{label}.{key}"
            if isinstance(value, types.ModuleType):
                value = self._of_module(value, key, label, i == last)
                continue
            if isinstance(value, CONTAINERS):  # a method of it: append, items
                self._whole(value)
                return
            if not guarded(value, key):
                return
            value = self.note(value, "attr", key, label, whole=i == last)

    def _of_module(self, module: Any, key: str, label: str, last: bool) -> Any:
        if scan.foreign(module):
            return getattr(module, key, MISSING)
        return self.note(module.__dict__, "item", key, label, whole=last)

    def _whole(self, value: Any) -> None:
        """A container that was reached through another guard is read as a whole."""
        for guard in self.found.values():
            if guard.value is value and guard.content is None:
                guard.content = content(value)
                self._hold(value, 3)

    # ---- what existed before

    def _anchor(self, value: Any) -> None:
        if type(value) in ATOMS or value is None:
            return
        if isinstance(value, Base):
            self.tensors[id(value)] = value
            return
        if id(value) in self._anchored:
            return
        self._anchored[id(value)] = value
        if isinstance(value, _PLAIN_CALLS):
            self._function(value)
        elif hasattr(value, "_structure_version"):
            self.modules[id(value)] = value
            for child in value._modules.values():
                self._anchor(child)
            for held in (value._parameters, value._buffers):
                for t in held.values():
                    self._anchor(t)
        elif not isinstance(value, (types.ModuleType, type, *CONTAINERS)):
            call = getattr(type(value), "__call__", None)
            if isinstance(call, types.FunctionType):
                self._function(call)

    def _hold(self, value: Any, depth: int) -> None:
        for element in _elements(value):
            self._anchor(element)
            self._inside[id(element)] = value
            if depth and isinstance(element, CONTAINERS):
                self._hold(element, depth - 1)

    def _function(self, value: Any) -> None:
        if isinstance(value, functools.partial):
            self._anchor(value.func)
            for bound in (*value.args, *value.keywords.values()):
                self._anchor(bound)
            return
        if isinstance(value, types.MethodType):
            self._anchor(value.__self__)
            value = value.__func__
        if not isinstance(value, types.FunctionType) or value.__code__ in self.functions:
            return
        self.functions[value.__code__] = value
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:
                continue
            if isinstance(inner, _PLAIN_CALLS):
                self._function(inner)
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, _PLAIN_CALLS):
            self._function(wrapped)


def _elements(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value)


def guarded(value: Any, key: str) -> bool:
    """Whether an attribute is a value that can change, and not computed by a property."""
    own = getattr(value, "__dict__", None)
    if own is not None and not isinstance(value, type):
        if key in own or any(key in own.get(d, ()) for d in _HELD):
            return True
    for cls in value.__mro__ if isinstance(value, type) else type(value).__mro__:
        if key in cls.__dict__:
            raw = cls.__dict__[key]
            if isinstance(raw, types.MemberDescriptorType):
                return True
            library = cls.__module__.partition(".")[0] in ("builtins", "jitgrad", "numpy")
            return not library and not isinstance(raw, property)
    return own is not None


_HELD = ("_parameters", "_buffers", "_modules")  # where a Module keeps attributes


class Guards:
    """The check before a replay, as one generated function over the guarded values."""

    def __init__(self, found: list[Guard], extra: list[tuple[str, dict[str, Any], str]]) -> None:
        """`extra` has further conditions of failure: (expression, its names, label)."""
        self.found = found
        self.labels = [g.label for g in found] + [label for *_, label in extra]
        names: dict[str, Any] = {
            "same": same, "content": content, "settled": self._settled, "versions": [],
        }  # fmt: skip
        lines = ["def check():", "    try:", "        pass"]
        modules: dict[int, tuple[Any, list[int]]] = {}
        for i, g in enumerate(found):
            if g.kind == "attr" and hasattr(g.holder, "_structure_version"):
                modules.setdefault(id(g.holder), (g.holder, []))[1].append(i)
                continue
            names[f"h{i}"], names[f"v{i}"], names[f"k{i}"] = g.holder, g.value, g.key
            if g.content is not None:
                names[f"v{i}"], names[f"i{i}"] = g.content, _ids(g.value)
            lines.append(f"        if {_condition(i, g)}: return {i}")
        self.versions = names["versions"]
        self.members = list(modules.values())
        for j, (module, _) in enumerate(self.members):
            names[f"m{j}"] = module
            self.versions.append(module._structure_version)
            lines.append(
                f"        if m{j}._structure_version != versions[{j}] and "
                f"(at := settled({j})) >= 0: return at"
            )
        for i, (text, more, _) in enumerate(extra, len(found)):
            renamed = text
            for name, value in more.items():
                names[f"{name}_{i}"] = value
                renamed = renamed.replace("{" + name + "}", f"{name}_{i}")
            lines.append(f"        if {renamed}: return {i}")
        lines += [
            "    except (KeyError, IndexError, AttributeError, TypeError, ValueError):",
            "        return -2",
            "    return -1",
        ]
        exec("\n".join(lines), names)
        self.check: Callable[[], int] = names["check"]

    def _settled(self, j: int) -> int:
        """A module has changed: -1 if nothing that matters did, else the guard that fails."""
        module, members = self.members[j]
        for i in members:
            if not self.found[i].holds():
                return i
        self.versions[j] = module._structure_version
        return -1

    def reason(self, at: int) -> tuple[str, str, str]:
        """What failed: its name, the old and the new value."""
        if at == -2:
            at = next((i for i, g in enumerate(self.found) if not g.holds()), -2)
        if 0 <= at < len(self.found):
            guard = self.found[at]
            return guard.label, guard.was(), short(guard.read())
        return self.labels[at] if at >= 0 else "a tensor", "", "changed"


def _flat(value: Any) -> bool:
    """Whether equal elements by identity mean an equal container."""
    return isinstance(value, CONTAINERS) and not any(
        isinstance(e, (*CONTAINERS, np.ndarray)) for e in _elements(value)
    )


def _ids(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [*map(id, value), *map(id, value.values())]
    return [*map(id, value)] if isinstance(value, CONTAINERS) else []


def _condition(i: int, g: Guard) -> str:
    if g.kind == "item":
        now = f"h{i}[k{i}]" if type(g.holder) in (dict, list) else f"h{i}.get(k{i})"
    elif g.kind == "attr":
        now = f"h{i}.{g.key}"
    else:
        if g.kind == "call":
            return f"k{i}() != v{i}"
        now = f"h{i}.cell_contents"
    if g.value is MISSING:
        return f"k{i} in h{i}" if g.kind == "item" else f"hasattr(h{i}, k{i})"
    if g.content is not None:
        if not _flat(g.value):
            return f"content({now}) != v{i}"
        own = "*map(id, x), *map(id, x.values())" if isinstance(g.value, dict) else "*map(id, x)"
        return f"[{own}] != i{i} and content(x) != v{i}".replace("x)", f"(x := {now}))", 1)
    if type(g.value) in (*ATOMS, tuple, types.MethodType):
        return f"(x := {now}) is not v{i} and not same(x, v{i})"
    return f"{now} is not v{i}"

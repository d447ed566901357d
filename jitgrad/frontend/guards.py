"""Python values that a recording depended on: are they still the same?

A value is a holder (namespace, object, cell, container) with a key. `Guards` writes the lines that
read all of them again before a replay. Entry: `Guard`, `Guards`. Imports: the Tensor.
"""

from __future__ import annotations

import array
import ctypes
import keyword
import threading
import types
import weakref
from collections import ChainMap, UserDict, UserList, deque
from typing import Any

import numpy as np

from jitgrad.frontend.argtree import ATOMS, array_key
from jitgrad.frontend.hostscalar import Told
from jitgrad.frontend.record import Base
from jitgrad.runtime.script import Script

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()
PLAIN = (list, tuple, dict, set, frozenset, deque)  # iterating gives the elements they hold
MAPPINGS = (dict, UserDict, ChainMap, types.MappingProxyType)
CONTAINERS = (*PLAIN, UserList, *MAPPINGS[1:])
CTYPES = (ctypes._SimpleCData, ctypes.Structure, ctypes.Union, ctypes.Array)
ARRAYS = (np.ndarray, bytearray, array.array, memoryview, *CTYPES)
DEEP = 8  # levels of containers in containers that are looked into
_HOOKED = ("_forward_", "_backward_", "_state_dict_", "_load_state_dict_")
HELD = ("_parameters", "_buffers", "_modules")  # where a Module keeps attributes


class Guard:
    """One value: where it is read, what it was, and the name a user knows it by."""

    __slots__ = ("content", "holder", "key", "kind", "label", "value")

    def __init__(self, holder: Any, kind: str, key: Any, value: Any, label: str) -> None:
        self.holder = holder
        # "item", "truth" (of an item), "attr", "raw" (in a class), "names" (of all attributes),
        # "cell" or "dead" (a weak reference)
        self.kind = kind
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
            if self.kind == "raw":
                return self.holder.__dict__.get(self.key, MISSING)
            if self.kind == "cell":
                return self.holder.cell_contents
            if self.kind == "names":
                return tuple(self.holder.__dict__)
            if self.kind == "dead":
                return self.holder() is None
            return bool(self.holder[self.key])
        except (KeyError, IndexError, AttributeError, ValueError):
            return MISSING

    def holds(self) -> bool:
        """Whether the value is what it was."""
        now = self.read()
        if self.content is not None:
            return self.content == content(now)
        return same(now, self.value)

    def reason(self) -> tuple[str, str, str]:
        """What has changed: its name, the old and the new value."""
        now = self.read()
        if self.content is None or now is MISSING:
            return self.label, *_both(self.value, now)
        path, was, then = parted(self.content, content(now))
        return self.label + path, was, then


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


def content(value: Any, depth: int = DEEP) -> Any:
    """A container as nested tuples that compare as `same` does."""
    kind = type(value)
    if kind in ATOMS:
        return kind, repr(value) if kind is float else value
    if isinstance(value, (np.ndarray, np.generic)):
        return array_key(value)
    if isinstance(value, ARRAYS):
        return kind, bytes(value), getattr(value, "typecode", "")
    if depth and isinstance(value, MAPPINGS) and not isinstance(value, Told):
        items = list(value.items())
        return kind, tuple([(content(k, 0), content(v, depth - 1)) for k, v in items])
    if depth and isinstance(value, CONTAINERS) and not isinstance(value, MAPPINGS):
        return kind, tuple([content(v, depth - 1) for v in list(value)])
    return kind, _Same(value)


class _Same:
    """Equal to nothing but a wrapper of the same object."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is _Same and same(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]  # what it wraps may have none

    def __repr__(self) -> str:
        return short(self.value)


def short(value: Any) -> str:
    """A value in a few characters; no Tensor is computed for it."""
    if isinstance(value, Base):
        return f"Tensor{tuple(value._shape)}"
    if isinstance(value, (types.FunctionType, type)):
        return value.__qualname__
    if isinstance(value, _Same):
        return short(value.value)
    if type(value) in (list, tuple, dict):
        return f"{type(value).__name__} of {len(value)}"
    if type(value) in ATOMS or value is MISSING:
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"<{type(value).__name__}>"


def _both(was: Any, now: Any) -> tuple[str, str]:
    """Two values that differ, in a few characters each."""
    before, after = short(was), short(now)
    return before, f"another {after}" if before == after else after


def parted(was: Any, now: Any) -> tuple[str, str, str]:
    """Where two contents differ first: (subscripts, what was there, what is there)."""
    (kind, old), (other, new) = was[:2], now[:2]
    if kind is not other or not isinstance(old, tuple) or not issubclass(kind, CONTAINERS):
        if issubclass(kind, ARRAYS):
            return "", "some elements", "others"
        return "", *((old, new) if kind is float else _both(old, new))
    if len(old) != len(new):
        return "", f"{len(old)} items", f"{len(new)} items"
    for i, (x, y) in enumerate(zip(old, new, strict=True)):
        if x != y:
            key: Any = i
            if issubclass(kind, MAPPINGS):
                if x[0] != y[0]:
                    return "", f"key {short(x[0][1])}", f"key {short(y[0][1])}"
                (key, x), y = (x[0][1], x[1]), y[1]
            path, a, b = parted(x, y)
            return f"[{key!r}]{path}", a, b
    return "", short(old), short(new)


def elements(value: Any) -> list[Any]:
    """The items of a container."""
    return list(value.values() if isinstance(value, MAPPINGS) else value)


# Classes that keep an object's attributes elsewhere than where Python looks for them.
_INDIRECT = (*weakref.ProxyTypes, threading.local)


def attributes(value: Any) -> dict[str, Any] | None:
    """An object's own `__dict__` or None; its class's `__getattr__` is not asked."""
    if issubclass(type(value), _INDIRECT):
        return getattr(value, "__dict__", None)
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None  # a class has none that can be written


def structured(value: Any) -> bool:
    """Whether a value is a Module, whose version counter tells of its changes."""
    return "_structure_version" in (attributes(value) or ())


def counted(guard: Guard) -> bool:
    """Whether a Module's version counter, with what is looked at beside it, tells that the value
    may have changed; not of data of its class, or what is in a list that the user put there."""
    if not structured(guard.holder):
        return False
    if guard.kind == "names" or _held(guard.key):
        return True
    own = attributes(guard.holder) or {}
    found = guard.key in own or any(guard.key in own[held] for held in HELD)
    absent = guard.value is MISSING and not hasattr(type(guard.holder), guard.key)  # no slot
    absent = absent or isinstance(guard.value, types.MethodType)
    return guard.content is None and (found or absent)


def _held(key: Any) -> bool:
    """Whether an attribute of a Module is one of those in which it holds things."""
    return key in HELD or key == "_non_persistent_buffers_set" or _hooks(key)


def _hooks(key: str) -> bool:
    return "_hooks" in key and key.startswith(_HOOKED)


class Guards:
    """The check of all guarded values, as lines of a generated function."""

    def __init__(self, found: list[Guard]) -> None:
        self.found = found
        self.members: dict[int, tuple[Any, list[int]]] = {}  # of Modules: guards by number
        for i, guard in enumerate(found):
            if guard.kind in ("attr", "names") and counted(guard):
                self.members.setdefault(id(guard.holder), (guard.holder, []))[1].append(i)
        self.dicts = {
            key: _dicts(module, {found[i].key for i in members})
            for key, (module, members) in self.members.items()
        }
        self.states = {key: self._state(key) for key in self.members}

    def write(self, script: Script) -> None:
        """Lines that return `miss(number of the guard)` where one fails."""
        versioned = {i for _, members in self.members.values() for i in members}
        script.use(same=same, content=content)
        for i, guard in enumerate(self.found):
            if i not in versioned:
                script.line(f"if {_condition(script, guard)}: return miss({i})  # {guard.label}")
        script.use(settled=self._settled, states=self.states)
        for key, (module, members) in self.members.items():
            # Somebody may write into these dicts themselves, which no counter sees; the counter is
            # bumped in the dict of attributes that is put aside where a Module is given another.
            dicts = [(script.bind("dict", d), d) for d in self.dicts[key]]
            (own, _), held = dicts[0], dicts[1:]
            ids = "".join([f", *map(id, {d}.values())" for d, items in held if items])
            tests = [name for name, items in held if not items]
            for guard in [self.found[i] for i in members]:
                if guard.kind == "attr" and guard.key in module.__dict__ and not _held(guard.key):
                    tests.append(f"{own}[{guard.key!r}] is not {script.bind('value', guard.value)}")
            more = "".join([f" or {test}" for test in tests])
            script.line(
                f"if ([{own}['_structure_version'], len({own}){ids}] != states[{key}]{more}) and "
                f"(at := settled({key})) >= 0: return miss(at)",
            )
            for i in members:
                if self.found[i].value is MISSING:
                    cls = script.bind("class_", type(module))
                    script.line(f"if hasattr({cls}, {self.found[i].key!r}): return miss({i})")

    def _state(self, key: int) -> list[int]:
        """Of a module: its version, the number of its attributes, and what its dicts hold."""
        own, *held = self.dicts[key]
        return [own["_structure_version"], len(own), *[id(v) for d in held for v in d.values()]]

    def _settled(self, key: int) -> int:
        """A module has changed: -1 if nothing that matters did, else the guard that fails."""
        module, members = self.members[key]
        now = _dicts(module, {self.found[i].key for i in members})
        if any(a is not b for a, b in zip(now, self.dicts[key], strict=True)):
            return members[0]
        for i in members:
            if not self.found[i].holds():
                return i
        self.states[key] = self._state(key)
        return -1

    def reason(self, at: int) -> tuple[str, str, str]:
        """Of the guard that failed: its name, the old and the new value."""
        return self.found[at].reason()

    def failing(self) -> int:
        """The guard that cannot be read any more, -1 if there is none."""
        return next((i for i, guard in enumerate(self.found) if not guard.holds()), -1)


def _dicts(module: Any, keys: set[Any]) -> list[dict[str, Any]]:
    """The attributes of a Module, and the dicts in which it holds things; of hooks, those whose
    names are among `keys`."""
    own = module.__dict__
    return [own, *[own[held] for held in (*HELD, *[k for k in own if k in keys and _hooks(k)])]]


def _flat(value: Any) -> bool:
    """Whether equal elements by identity mean an equal container."""
    return isinstance(value, PLAIN) and not any(
        isinstance(e, (*CONTAINERS, *ARRAYS)) and not isinstance(e, Told) for e in elements(value)
    )


def _ids(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [*map(id, value), *map(id, value.values())]
    return [*map(id, value)] if isinstance(value, CONTAINERS) else []


def _condition(script: Script, g: Guard) -> str:
    """When the guard fails."""
    holder = script.bind("holder", g.holder)
    key = repr(g.key) if type(g.key) in (str, int) else script.bind("key", g.key)
    if g.kind == "truth":
        return f"{'not ' if g.value else ''}{holder}[{key}]"
    if g.kind == "item":
        plain = type(g.holder).__getitem__ in (dict.__getitem__, list.__getitem__)
        plain = plain and not hasattr(g.holder, "__missing__")
        now = f"{holder}[{key}]" if plain else f"{holder}.get({key})"
    elif g.kind == "attr":
        plain = g.key.isidentifier() and not keyword.iskeyword(g.key)
        now = f"{holder}.{g.key}" if plain else f"getattr({holder}, {key})"
    elif g.kind == "names":
        names = list(g.value)
        return f"[*{holder}.__dict__] != {names}" if names else f"{holder}.__dict__"
    elif g.kind == "dead":
        return f"({holder}() is None) is not {g.value}"
    elif g.kind == "raw":
        now = f"{holder}.__dict__.get({key})"
    else:
        now = f"{holder}.cell_contents"
    if g.value is MISSING:
        return f"{key} in {holder}" if g.kind == "item" else f"hasattr({holder}, {key})"
    if g.content is not None:
        want = script.bind("content", g.content)
        if not _flat(g.value):
            return f"content({now}) != {want}"
        # Elements that are the same objects need no look inside; they live as long as this test.
        script.bind("elements", elements(g.value))
        own = "*map(id, x), *map(id, x.values())" if isinstance(g.value, dict) else "*map(id, x)"
        ids = script.bind("ids", _ids(g.value))
        return f"[{own}] != {ids} and content(x) != {want}".replace("x)", f"(x := {now}))", 1)
    want = script.bind("value", g.value)
    if type(g.value) in (*ATOMS, tuple, types.MethodType):
        return f"(x := {now}) is not {want} and not same(x, {want})"
    return f"{now} is not {want}"

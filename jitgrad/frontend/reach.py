"""What a recording can reach of what existed before it, and the guards of what it read there.

From known things (`anchored`: the function, its arguments, the values of guards, elements of
containers) a chain of the bytecode leads to values, each of which gets a `Guard`. Where a chain
cannot be followed (it starts at what a call returned, say) the names of its attributes are
`loose`: at the end they are guarded in everything that is anchored.
Entry: `Reach`, the part of `Watch` that knows nothing of frames. Imports: guards.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any
from weakref import ProxyTypes, ReferenceType

import numpy as np

from jitgrad.frontend import caches, skipped, territory
from jitgrad.frontend.argtree import ATOMS
from jitgrad.frontend.guards import (
    ARRAYS,
    CONTAINERS,
    DEEP,
    HELD,
    MISSING,
    Guard,
    attributes,
    content,
    elements,
    structured,
)
from jitgrad.frontend.record import Base

_FORM = frozenset(["shape", "dtype", "ndim", "size", "strides"])  # of an array, not its elements
_CALLABLES = (types.FunctionType, types.MethodType, functools.partial)
_BOUND = (types.BuiltinMethodType, types.MethodWrapperType)
_GETTERS = (operator.attrgetter, operator.methodcaller)
_NUMBERS = (int, float, complex, str, bytes, np.generic)
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_POINTERS = (ctypes._Pointer, ctypes._CFuncPtr)  # type: ignore[attr-defined]  # not in typeshed
_LIBRARY = frozenset(["builtins", "jitgrad", "numpy"])
# How classes written in C have values, of functions, cells and errors, say; and those of them that
# are another object whenever they are read.
_STORED = (types.GetSetDescriptorType, types.MemberDescriptorType)
_FRESH = frozenset(["__dict__", "__class__"])
# Modules whose classes, where they are written in C, have values that do not change.
_FIXED = frozenset(["re", "datetime", "decimal", "functools", "operator", "types", "uuid"])


class Reach:
    """See the module.

    Attributes:
        found: guards by holder, kind and key.
        functions: by code, which closures share.
        unsure: tells why this recording must not be replayed, and the reason.
    """

    def __init__(self, pattern: Any, unsure: Callable[[str], None]) -> None:
        self.found: dict[Any, Guard] = {}
        self.tensors: dict[int, Any] = {}
        self.modules: dict[int, Any] = {}
        self.functions: dict[CodeType, list[types.FunctionType]] = {}
        self.loose: set[str] = set()
        self.computed = False  # whether names of attributes were computed
        self.tagged = False  # whether Tensors were asked for attributes of the user's
        self.drawn = skipped.Drawn()
        self.anchored: dict[int, Any] = {}
        self._inside: dict[int, Any] = {}  # elements of containers -> container
        self._skip = {id(c) for c in pattern.containers}
        self._arguments = pattern.tensors
        self._unsure = unsure

    # ---- guards

    def note(self, holder: Any, kind: str, key: Any, label: str, whole: bool = False) -> Any:
        """Guard one value; returns it."""
        name: tuple[Any, ...] = (id(holder), kind, key)
        if isinstance(key, Base):  # whose == is no comparison
            name = (id(holder), kind, id(key), label)
        guard = self.found.get(name)
        if guard is None:
            guard = Guard(holder, kind, key, None, label)
            guard.value = guard.read()
            self.found[name] = guard
            self.anchor(guard.value, label)
        if whole and guard.content is None and isinstance(guard.value, (*CONTAINERS, *ARRAYS)):
            if not (type(guard.value) is tuple and all(type(v) in ATOMS for v in guard.value)):
                guard.content = content(guard.value)
                self._hold(guard.value, DEEP, label)
        return guard.value

    def changed(self) -> Guard | None:
        """A value that is not what it was when it was first read."""
        for guard in self.found.values():
            if not guard.holds():
                return guard
        return None

    def whole(self, value: Any) -> None:
        """A container that was reached through another guard is read as a whole."""
        for guard in self.found.values():
            if guard.value is value and guard.content is None:
                guard.content = content(value)
                self._hold(value, DEEP, guard.label)

    # ---- chains

    def follow(self, value: Any, path: Any, label: str) -> Any:
        """Guard each step from `value` on; the last value, None where that is nothing to keep."""
        last = len(path) - 1
        for i, (kind, key) in enumerate(path):
            if isinstance(value, Base):
                if kind == "a":
                    self._of_tensor(value, key, label)
                self.spread(path[i + 1 :])
                return None
            if value is MISSING:
                self.spread(path[i:])
                return None
            if id(value) in self._skip:
                self._of_argument(value, kind, key)
                self.spread(path[i + 1 :])
                return None
            if kind == "k":
                label = f"{label}[{key!r}]"
                if not isinstance(value, (dict, list, tuple)):
                    self.whole(value)
                    self._elements(value, label)
                    self.spread(path[i + 1 :])
                    return None
                self.anchor(value)
                if isinstance(value, tuple):
                    value = Guard(value, "item", key, None, "").read()
                    self.anchor(value)
                else:
                    value = self.note(value, "item", key, label, whole=i == last)
                continue
            label = f"{label}.{key}"
            if key == "__class__":
                self._class(value, label)
                value = type(value)
                continue
            if isinstance(value, types.ModuleType):
                value = self._of_module(value, key, label, i == last)
                continue
            if isinstance(value, ARRAYS) and key not in (attributes(value) or ()):
                if key not in _FORM:
                    self.whole(value)
                    self._elements(value, label)
                self.spread(path[i + 1 :])
                return None
            if isinstance(value, CONTAINERS):
                self.whole(value)
                if key not in (attributes(value) or ()) and not own_class(type(value), key):
                    self.spread(path[i + 1 :])  # a method of it: append, items
                    return None
            self._class(value, label)
            if not guarded(value, key):
                self._computed(value, key, label)
                self.spread(path[i + 1 :])
                return None
            value = self.note(value, "attr", key, label, whole=i == last)
        self._used(value, label)
        return value

    def spread(self, path: Any) -> None:
        """The attributes of a chain that cannot be followed."""
        self.loose.update([key for kind, key in path if kind == "a"])

    def _of_tensor(self, t: Any, key: str, label: str) -> None:
        """Guard an attribute of a Tensor if it is the user's."""
        for name in t.__dict__ if key == "__dict__" else [key] if key in t.__dict__ else ():
            self.note(t, "attr", name, f"{label}.{name}", whole=True)
            if self._given(t):
                self._unsure(
                    f"it reads {label}.{name}, an attribute of an argument that is a tensor"
                )
        if key == "__dict__" or not hasattr(type(t), key):
            self.tagged = True

    def _given(self, t: Any) -> bool:
        """Whether a Tensor is an argument, or stands for one."""
        return any(t.__dict__ is x.__dict__ for x in self._arguments)

    def _of_argument(self, value: Any, kind: str, key: Any) -> None:
        """An argument that is compared by its items or fields has other attributes, too."""
        known = getattr(type(value), "__dataclass_fields__", ())
        if kind == "a" and key in (attributes(value) or ()) and key not in known:
            self._unsure(f"it reads .{key} of an argument of class {type(value).__name__}")

    def _class(self, value: Any, label: str) -> None:
        """Guard the class of an object, which decides its methods."""
        cls = type(value)
        if isinstance(value, type) or cls.__module__.partition(".")[0] in _LIBRARY:
            return
        if cls.__flags__ & _HEAP and attributes(value) is not None:
            self.note(value, "attr", "__class__", f"class of {label}")

    def _computed(self, value: Any, key: str, label: str) -> None:
        """Guard what computes an attribute: a property, another descriptor."""
        classes = (*mro(value), *(mro(type(value)) if isinstance(value, type) else ()))
        cls = next((c for c in classes if key in c.__dict__), None)
        if cls is None:
            return
        raw = cls.__dict__[key]
        if key == "__subclasses__":
            self._unsure(f"it calls {label}(), which every class that is made changes")
        if type(raw) in _STORED and cls.__module__ == "builtins" and key not in _FRESH:
            self.note(value, "attr", key, label, whole=True)
        if cls.__module__.partition(".")[0] in _LIBRARY:
            wrapped = getattr(raw, "__wrapped__", None)
            if wrapped is not None:  # a method that is compiled itself
                self.note(type(value), "attr", key, label)
            return
        if cls.__flags__ & _HEAP:
            self.note(cls, "raw", key, label)
        getter = raw.fget if isinstance(raw, property) else getattr(type(raw), "__get__", None)
        if data(raw):  # of the class of a class
            self.note(value, "attr", key, label, whole=True)
        elif isinstance(getter, types.FunctionType):  # it is watched when it runs
            self._function(getter)
        elif isinstance(raw, types.MethodDescriptorType):
            if cls.__module__ not in _FIXED:
                self._unsure(f"it calls {label}(), which may depend on more than Python shows")
        else:
            self.note(value, "attr", key, label, whole=True)

    def _of_module(self, module: Any, key: str, label: str, last: bool) -> Any:
        if territory.foreign(module) and not _plain(module.__dict__.get(key)):
            return getattr(module, key, MISSING)
        return self.note(module.__dict__, "item", key, label, whole=last)

    def _elements(self, value: Any, label: str) -> None:
        if isinstance(value, np.ndarray) and value.dtype.hasobject:
            self._unsure(f"it reads {label}, an array of objects")

    def _used(self, value: Any, label: str) -> None:
        """The end of a chain, which other code than Python's may look into."""
        self._elements(value, label)
        if isinstance(value, _BOUND) and isinstance(value.__self__, (*CONTAINERS, *ARRAYS)):
            self.note(value, "attr", "__self__", f"what {label} is a method of", whole=True)
        elif isinstance(value, _BOUND) and value.__name__ == "__getattribute__":
            self.members(value.__self__, ())
        elif attributes(value) is not None and not isinstance(value, (Base, *_CALLABLES)):
            self._class(value, label)

    # ---- names that may have been read anywhere

    def close(self) -> None:
        """Guard the loose attributes of everything that is anchored."""
        known = -1
        while known < len(self.anchored):  # a value may be an object in turn
            known = len(self.anchored)
            for value in list(self.anchored.values()):
                self._named(value)
                if self.computed and not isinstance(value, (types.ModuleType, type)):
                    self.members(value, (), True)
        for t in [*self.tensors.values(), *self._arguments]:
            given = self._given(t)
            every = self.computed or (self.tagged and given)
            for name in sorted(t.__dict__ if every else self.loose & t.__dict__.keys()):
                self._of_tensor(t, name, "a tensor")
            if (self.computed or self.tagged) and not given:
                self.note(t, "names", None, "attributes of a tensor")

    def _named(self, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            if not territory.foreign(value):
                for name in sorted(self.loose.intersection(value.__dict__)):
                    self.note(value.__dict__, "item", name, f"{value.__name__}.{name}", whole=True)
            return
        dicts: list[Any] = [] if isinstance(value, type) else [attributes(value) or {}]
        if dicts and structured(value):
            dicts += [dicts[0][held] for held in HELD]
        classes = [c for c in mro(value) if c.__module__.partition(".")[0] not in _LIBRARY]
        dicts += [cls.__dict__ for cls in classes]
        what = value.__name__ if isinstance(value, type) else type(value).__name__
        for name in sorted(self.loose):
            holders = [d for d in dicts if name in d]
            if not holders:
                continue
            label = f"{what}.{name}"
            if guarded(value, name):
                self.note(value, "attr", name, label, whole=True)
            else:
                self._computed(value, name, label)
            if len(holders) > 1:  # type(self).name, super().name
                for cls in classes:
                    if name in cls.__dict__ and guarded(cls, name):
                        self.note(cls, "attr", name, f"{cls.__name__}.{name}", whole=True)

    def members(self, value: Any, words: tuple[str, ...], computed: bool = False) -> None:
        """Guard all attributes of an object whose attributes are looked up by names that may be
        `words`, also where it has none such yet, or by any name, being `computed`."""
        if id(value) not in self.anchored or isinstance(value, types.FunctionType):
            return
        if isinstance(value, types.ModuleType):
            if not territory.foreign(value):
                if computed:
                    self.note(value, "names", None, f"names of {value.__name__}")
                for key in [k for k in value.__dict__ if not k.startswith("__")]:
                    self.note(value.__dict__, "item", key, f"{value.__name__}.{key}", whole=True)
            return
        cls = value if isinstance(value, type) else type(value)
        names = [*(attributes(value) or ())]
        for c in cls.__mro__:
            if c.__module__.partition(".")[0] not in _LIBRARY:
                names += [k for k, raw in c.__dict__.items() if data(raw)]
                if computed and c.__flags__ & _HEAP:
                    self.note(c, "names", None, f"attributes of {c.__name__}")
        if attributes(value) is not None:
            names += words
            if computed:
                self.note(value, "names", None, f"attributes of {cls.__name__}")
        for key in dict.fromkeys(names):
            if not key.startswith("__") and key != "_structure_version" and guarded(value, key):
                self.note(value, "attr", key, f"{cls.__name__}.{key}", whole=True)

    # ---- what existed before

    def anchor(self, value: Any, label: str = "an object") -> None:
        """`value` existed before, under a name."""
        if type(value) in ATOMS or value is None:
            return
        if isinstance(value, Base):
            self.tensors[id(value)] = value
            edge = value._track.edge
            for hooks in (getattr(edge, "hooks", None), getattr(edge, "after", None)):
                for hook in hooks.values() if hooks else ():
                    self.anchor(hook)
            return
        if id(value) in self.anchored:
            return
        self.anchored[id(value)] = value
        if isinstance(value, ReferenceType):
            self.note(value, "dead", None, f"whether what {label} refers to is gone")
            self.anchor(value(), label)
        elif _takes(type(value)):
            self._unsure(f"it takes from {label}, an iterator that a replay would not advance")
        elif isinstance(value, _POINTERS):
            self._unsure(f"it reads {label}, a pointer to memory that Python does not show")
        elif isinstance(value, _VIEWS):
            self.note(value, "attr", "mapping", label, whole=True)
        elif isinstance(value, _CALLABLES):
            self._function(value)
        elif isinstance(value, caches.KIND):
            why = caches.impure(value)
            if why:
                self._unsure(why)
        elif isinstance(value, _GETTERS):
            names = [a for a in value.__reduce__()[1] if isinstance(a, str)]
            self.loose.update([part for name in names for part in name.split(".")])
        elif isinstance(value, skipped.GENERATORS):
            self.drawn.look(value)
        elif isinstance(value, _BOUND):
            self.anchor(value.__self__, label)
        elif structured(value):
            self.modules[id(value)] = value
            if hasattr(type(value), "_compiled"):  # one that was compiled
                self.anchor(value._fn)
            for child in value._modules.values():
                self.anchor(child)
            for held in (value._parameters, value._buffers):
                for t in held.values():
                    self.anchor(t)
        elif not isinstance(value, (types.ModuleType, type, *CONTAINERS)):
            self._object(value)

    def _object(self, value: Any) -> None:
        inner = (attributes(value) or {}).get("__wrapped__")
        if isinstance(inner, _CALLABLES):
            self._function(inner)
        elif inner is not None:  # a compiled Module
            self.anchor(inner)
        call = next((c.__dict__["__call__"] for c in mro(value) if "__call__" in c.__dict__), None)
        if isinstance(call, types.FunctionType):
            self._function(call)

    def _hold(self, value: Any, depth: int, label: str) -> None:
        if not isinstance(value, CONTAINERS):
            return
        for element in elements(value):
            self.anchor(element, f"an item of {label}")
            self._inside[id(element)] = value
            if isinstance(element, CONTAINERS):
                if depth > 1:
                    self._hold(element, depth - 1, label)
                elif element:
                    self._unsure(f"{label} is nested more than {DEEP} deep")

    def _function(self, value: Any) -> None:
        if isinstance(value, functools.partial):
            self.anchor(value.func)
            self.note(value, "attr", "keywords", "keywords of a partial function", whole=True)
            self.note(value, "attr", "args", "arguments of a partial function", whole=True)
            for bound in (*value.args, *value.keywords.values()):
                self.anchor(bound, "an argument of a partial function")
            return
        if isinstance(value, types.MethodType):
            self.anchor(value.__self__)
            value = value.__func__
        if not isinstance(value, types.FunctionType):
            return
        known = self.functions.setdefault(value.__code__, [])
        if any(value is fn for fn in known):
            return
        known.append(value)
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:
                continue
            if isinstance(inner, _CALLABLES):
                self._function(inner)
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, _CALLABLES):
            self._function(wrapped)


_HEAP = 1 << 9  # of a class: made by a class statement, so that it can be changed


def _takes(cls: type) -> bool:
    """Whether a class is of iterators written in C."""
    next_ = getattr(cls, "__next__", None)
    return type(next_) is types.WrapperDescriptorType and cls not in ProxyTypes


def _plain(value: Any) -> bool:
    """Whether what a library's module holds is data, which anybody may change, and no code."""
    return value is not sys.modules and isinstance(value, (*_NUMBERS, *CONTAINERS))


def mro(value: Any) -> tuple[type, ...]:
    """The classes in which attributes are looked up, without `object`."""
    return (value if isinstance(value, type) else type(value)).__mro__[:-1]


def own_class(cls: type, key: str) -> bool:
    """Whether a class that the user wrote has `key`."""
    return any(
        key in c.__dict__ for c in cls.__mro__
        if c.__flags__ & _HEAP and c.__module__.partition(".")[0] not in _LIBRARY
    )  # fmt: skip


def data(raw: Any) -> bool:
    """Whether what a class has is a value, or a slot for one."""
    return isinstance(raw, types.MemberDescriptorType) or not hasattr(type(raw), "__get__")


def guarded(value: Any, key: str) -> bool:
    """Whether an attribute is a value that can change, and not computed by a property."""
    mine = attributes(value)
    if mine is not None and not isinstance(value, type):
        if key in mine or (structured(value) and any(key in mine[d] for d in HELD)):
            return True
    for cls in mro(value):
        if key in cls.__dict__:
            raw = cls.__dict__[key]
            if isinstance(raw, types.MemberDescriptorType):
                return True
            if isinstance(raw, types.FunctionType) and structured(value):
                return True  # a Module may be given a method of its own
            if cls.__module__.partition(".")[0] in _LIBRARY:
                return False
            plain = isinstance(raw, (types.FunctionType, classmethod, staticmethod))
            return plain or not hasattr(type(raw), "__get__")
    return mine is not None

"""Which Python values does a recording read?

While a function records, `Watch` sees every function that runs (`sys.setprofile`), follows the
chains of its bytecode from things that existed before, and makes a `Guard` of each value.
Entry: `Watch`. Imports: guards, the scan of bytecode.
"""

from __future__ import annotations

import dis
import functools
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple
from weakref import ReferenceType

from jitgrad.frontend import scan, skipped
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

# Attributes by any name.
_DYNAMIC = frozenset(
    ["getattr", "setattr", "delattr", "vars", "hasattr", "__dict__", "asdict", "astuple"]
)
_MATCH = dis.opmap["MATCH_CLASS"]
_FORM = frozenset(["shape", "dtype", "ndim", "size", "strides"])  # of an array, not its elements
# What tells one float from another unnoticed: `hostscalar.HostFloat` cannot see it.
_TELLING = frozenset([
    "type", "__class__", "isnan", "isinf", "isfinite", "isclose", "copysign", "modf", "frexp",
    "fmod",
])  # fmt: skip
_MANY = 64
_CALLABLES = (types.FunctionType, types.MethodType, functools.partial)


class Code(NamedTuple):
    """What to look for where a code object runs."""

    code: CodeType  # kept, so that its id stays its own
    chains: tuple[scan.Chain, ...]
    what: str  # as `scan.reads`
    arguments: frozenset[str]
    dynamic: bool  # whether names of attributes are computed
    words: tuple[str, ...]  # then: strings that may be such names
    loose: frozenset[str]  # attributes read from what calls return
    skipped: str | None
    tells: bool  # whether it may look at a float in `_TELLING` ways


_seen: dict[int, Code] = {}  # by id: hashing a code object costs more than looking into it


def _look(code: CodeType) -> Code:
    what = scan.reads(code)
    chains = scan.chains(code) if what else ()
    loose = frozenset([c.name for c in chains if c.root == scan.LOOSE]) if what == "all" else ()
    roots = [scan.LOCAL] if what == "self" else [scan.LOCAL, scan.GLOBAL, scan.CELL, scan.MODULE]
    chains = tuple([c for c in chains if c.root in roots])
    count = code.co_argcount + code.co_kwonlyargcount
    dynamic = not _DYNAMIC.isdisjoint(code.co_names) or _MATCH in code.co_code[::2]
    constants = [c for x in code.co_consts for c in (x if type(x) is tuple else (x,))]
    words = tuple([c for c in constants if dynamic and type(c) is str and c.isidentifier()])
    return Code(
        code, chains, what, frozenset(code.co_varnames[:count]), dynamic, words,
        frozenset(loose), skipped.of_function(code),
        what == "all" and not _TELLING.isdisjoint(code.co_names),
    )  # fmt: skip


class Watch:
    """The values that one recording read; `start` and `stop` are called around it."""

    def __init__(self, fn: Any, pattern: Any, refuse: Callable[[str], None]) -> None:
        """`refuse` is told of calls that a replay would skip."""
        self.found: dict[Any, Guard] = {}
        self.tensors: dict[int, Any] = {}
        self.modules: dict[int, Any] = {}
        self.functions: dict[CodeType, list[types.FunctionType]] = {}  # closures share code
        self._anchored: dict[int, Any] = {}
        self._inside: dict[int, Any] = {}  # elements of containers -> container
        self._loose: set[str] = set()
        self.tells = False  # whether a function ran that may tell floats apart unnoticed
        self._skip = {id(c) for c in pattern.containers}
        self._refuse = refuse
        self.drawn = skipped.Drawn()
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
        self._attributes()

    def _attributes(self) -> None:
        """Guard what may have been read from objects that calls returned, by attributes' names."""
        known = -1
        while known < len(self._anchored):  # a value may be an object in turn
            known = len(self._anchored)
            for value in list(self._anchored.values()):
                if isinstance(value, (types.ModuleType, type, *_CALLABLES, *CONTAINERS)):
                    continue
                dicts = [attributes(value) or {}]
                dicts += [cls.__dict__ for cls in type(value).__mro__[:-1]]
                for name in self._loose:
                    if any(name in d for d in dicts) and guarded(value, name):
                        self.note(value, "attr", name, f"{type(value).__name__}.{name}", whole=True)

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
            self._anchor(guard.value)
        if whole and guard.content is None and isinstance(guard.value, (*CONTAINERS, *ARRAYS)):
            if not (type(guard.value) is tuple and all(type(v) in ATOMS for v in guard.value)):
                guard.content = content(guard.value)
                self._hold(guard.value, DEEP)
        return guard.value

    def changed(self) -> Guard | None:
        """A value that is not what it was when it was first read."""
        for guard in self.found.values():
            if not guard.holds():
                return guard
        return None

    # ---- what a frame reads

    def _profile(self, frame: Any, event: str, arg: Any) -> None:
        if event == "c_call":
            if id(arg) in skipped.CALLS or type(arg.__self__) in skipped.OWNERS:
                name = skipped.of_builtin(frame.f_code, arg)
                if name is not None:
                    self._refuse(name)
            return
        if event != "call" and event != "return":
            return
        look = _seen.get(id(frame.f_code))
        if look is None:
            look = _seen[id(frame.f_code)] = _look(frame.f_code)
        called = event == "call"
        if called and look.skipped is not None:
            self._refuse(look.skipped)
        if look.tells:
            self.tells = True
        if not look.chains and not look.loose:
            return
        code, chains, what, arguments, dynamic, words, loose, *_ = look
        if called and what == "all":
            self._loose |= loose
            self._ran(code)
        names = frame.f_locals
        for chain in chains:
            root, name, path, store = chain
            if root == scan.LOCAL:
                if (name in arguments) != called or name not in names:
                    continue
                value = names[name]
                if id(value) in self._anchored or isinstance(value, types.ModuleType):
                    end = self._follow(value, path, name, store)
                    if dynamic:
                        self._object(end, words)
                if path and not called and id(value) in self._inside:
                    for other in elements(self._inside[id(value)]):
                        if type(other) is type(value) and id(other) in self._anchored:
                            self._follow(other, path, name, store)
            elif root == scan.MODULE:
                if not called:  # by then it is loaded
                    self._imported(frame, name, path)
            elif what == "all" and called:
                value = self._root(frame, root, name, path, store)
                if dynamic:
                    self._object(value, words)

    def _ran(self, code: CodeType) -> None:
        """Guard the default arguments of a function that runs, and its code (autoreload)."""
        for fn in self.functions.get(code, ()):
            self.note(fn, "attr", "__code__", f"code of {fn.__qualname__}")
            for name in ("__defaults__", "__kwdefaults__"):
                if getattr(fn, name):
                    self.note(fn, "attr", name, f"defaults of {fn.__qualname__}", whole=True)

    def _root(self, frame: Any, root: str, name: str, path: Any, store: bool) -> Any:
        """Guard a chain from a global or a cell; its value."""
        label = f"{root} {name}"
        if root == scan.GLOBAL:
            if name not in frame.f_globals and not store:
                return None  # a builtin
            value = self.note(frame.f_globals, "item", name, label, whole=not path)
            return self._follow(value, path, label, store)
        value = frame.f_locals.get(name, MISSING)
        cells = self._cells(frame.f_code, name, value)
        if not cells:  # a cell of a function that runs now
            return self._follow(value, path, label, store) if self._known(value) else None
        for cell in cells:
            value = self.note(cell, "cell", None, label, whole=not path)
        return self._follow(value, path, label, store)

    def _imported(self, frame: Any, name: str, path: Any) -> None:
        """Guard what `from module import name` inside a function found."""
        package = frame.f_globals.get("__package__")
        if name.startswith(".") and package:
            name = importlib.util.resolve_name(name, package)
        module = sys.modules.get(name)
        if module is not None:
            self._follow(module, path, name, False)

    def _cells(self, code: CodeType, name: str, value: Any) -> list[Any]:
        """The cells that hold `value` under `name` in functions of `code`: one of them runs."""
        if name not in code.co_freevars:
            return []
        at = code.co_freevars.index(name)
        cells = [fn.__closure__[at] for fn in self.functions.get(code, ()) if fn.__closure__]
        return [c for c in cells if Guard(c, "cell", None, None, "").read() is value]

    def _known(self, value: Any) -> bool:
        return id(value) in self._anchored

    def _object(self, value: Any, words: tuple[str, ...]) -> None:
        """All attributes of an object whose attributes are looked up by computed names, and those
        that are named by `words`: it may not have them yet."""
        own = attributes(value)
        if not self._known(value) or own is None:
            return
        if isinstance(value, (types.ModuleType, type, types.FunctionType)):
            return
        for key in words:
            if guarded(value, key):
                self.note(value, "attr", key, f"{type(value).__name__}.{key}", whole=True)
        for key in list(own) if len(own) <= _MANY else ():
            if not key.startswith("__") and key != "_structure_version":
                self.note(value, "attr", key, f"{type(value).__name__}.{key}", whole=True)

    def _follow(self, value: Any, path: Any, label: str, store: bool) -> Any:
        """Guard each step from `value` on; the last value, None where that is nothing to keep."""
        last = len(path) - 1
        for i, (kind, key) in enumerate(path):
            if isinstance(value, Base):
                if kind == "a" and key in value.__dict__:  # the user's
                    self.note(value, "attr", key, f"{label}.{key}", whole=True)
                return None
            if value is MISSING or id(value) in self._skip:
                return None
            if kind == "k":
                label = f"{label}[{key!r}]"
                if not isinstance(value, (dict, list, tuple)):
                    self._whole(value)
                    return None
                self._anchor(value)
                if isinstance(value, tuple):
                    value = Guard(value, "item", key, None, "").read()
                    self._anchor(value)
                else:
                    value = self.note(value, "item", key, label, whole=i == last)
                continue
            label = f"{label}.{key}"
            if key == "__class__":
                value = type(value)
                continue
            if isinstance(value, types.ModuleType):
                value = self._of_module(value, key, label, i == last)
                continue
            if isinstance(value, CONTAINERS):  # a method of it: append, items
                self._whole(value)
                return None
            if isinstance(value, ARRAYS):
                if key not in _FORM:
                    self._whole(value)
                return None
            if not guarded(value, key):
                wrapped = getattr(getattr(type(value), key, None), "__wrapped__", None)
                if wrapped is not None:  # a method that is compiled itself
                    self.note(type(value), "attr", key, label)
                return None
            value = self.note(value, "attr", key, label, whole=i == last)
        return value

    def _of_module(self, module: Any, key: str, label: str, last: bool) -> Any:
        if scan.foreign(module):
            value = getattr(module, key, MISSING)
            if value is os.environ or value is os.getenv:
                self._anchor(value)
            return value
        return self.note(module.__dict__, "item", key, label, whole=last)

    def _whole(self, value: Any) -> None:
        """A container that was reached through another guard is read as a whole."""
        for guard in self.found.values():
            if guard.value is value and guard.content is None:
                guard.content = content(value)
                self._hold(value, DEEP)

    # ---- what existed before

    def _anchor(self, value: Any) -> None:
        if type(value) in ATOMS or value is None:
            return
        if isinstance(value, Base):
            self.tensors[id(value)] = value
            edge = value._track.edge
            for hooks in (getattr(edge, "hooks", None), getattr(edge, "after", None)):
                for hook in hooks.values() if hooks else ():
                    self._anchor(hook)
            return
        if id(value) in self._anchored:
            return
        self._anchored[id(value)] = value
        if value is os.environ or value is os.getenv:
            self.note(os.__dict__, "item", "environ", "os.environ", whole=True)
        elif isinstance(value, ReferenceType):
            self._anchor(value())
        elif isinstance(value, _CALLABLES):
            self._function(value)
        elif isinstance(value, skipped.GENERATORS):
            self.drawn.look(value)
        elif isinstance(value, types.BuiltinMethodType):
            self._anchor(value.__self__)
        elif structured(value):
            self.modules[id(value)] = value
            self._anchor(getattr(value, "_fn", None))  # of one that is compiled
            for child in value._modules.values():
                self._anchor(child)
            for held in (value._parameters, value._buffers):
                for t in held.values():
                    self._anchor(t)
        elif not isinstance(value, (types.ModuleType, type, *CONTAINERS)):
            inner = (attributes(value) or {}).get("__wrapped__")
            if isinstance(inner, _CALLABLES):
                self._function(inner)
            call = next(
                (c.__dict__["__call__"] for c in type(value).__mro__ if "__call__" in c.__dict__),
                None,
            )
            if isinstance(call, types.FunctionType):
                self._function(call)

    def _hold(self, value: Any, depth: int) -> None:
        for element in elements(value):
            self._anchor(element)
            self._inside[id(element)] = value
            if depth and isinstance(element, CONTAINERS):
                self._hold(element, depth - 1)

    def _function(self, value: Any) -> None:
        if isinstance(value, functools.partial):
            self._anchor(value.func)
            self.note(value, "attr", "keywords", "keywords of a partial function", whole=True)
            for bound in (*value.args, *value.keywords.values()):
                self._anchor(bound)
            return
        if isinstance(value, types.MethodType):
            self._anchor(value.__self__)
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


def guarded(value: Any, key: str) -> bool:
    """Whether an attribute is a value that can change, and not computed by a property."""
    own = attributes(value)
    if own is not None and not isinstance(value, type):
        if key in own or (structured(value) and any(key in own[d] for d in HELD)):
            return True
    for cls in value.__mro__ if isinstance(value, type) else type(value).__mro__:
        if key in cls.__dict__:
            raw = cls.__dict__[key]
            if isinstance(raw, types.MemberDescriptorType):
                return True
            if isinstance(raw, types.FunctionType) and structured(value):
                return True  # a Module may be given a method of its own
            if cls.__module__.partition(".")[0] in ("builtins", "jitgrad", "numpy"):
                return False
            plain = isinstance(raw, (types.FunctionType, classmethod, staticmethod))
            return plain or not hasattr(type(raw), "__get__")
    return own is not None

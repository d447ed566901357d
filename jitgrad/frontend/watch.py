"""Which Python values does a recording read?

While a function records, `Watch` sees every function that runs (`sys.setprofile`) and follows the
chains of its bytecode from things that existed before: see `reach`.
Entry: `Watch`. Imports: guards, the scan of bytecode.
"""

from __future__ import annotations

import dis
import gc
import importlib.util
import operator
import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from jitgrad.frontend import environment, handed, scan, skipped, territory
from jitgrad.frontend.argtree import ATOMS
from jitgrad.frontend.guards import MISSING, Guard, elements, structured
from jitgrad.frontend.reach import Reach, mro
from jitgrad.frontend.record import Base

# Attributes by any name.
_DYNAMIC = frozenset([
    "getattr", "setattr", "delattr", "vars", "dir", "hasattr", "__dict__", "asdict", "astuple",
    "attrgetter", "methodcaller", "__getattribute__", "getmembers",
])  # fmt: skip
_INNER = frozenset(["__dict__", "__getattribute__"])
_FORMATS = frozenset(["format", "format_map"])  # "{0.name}"
_BUILTINS = (getattr, vars, hasattr, operator.attrgetter, operator.methodcaller)  # renamed
_MATCH = dis.opmap["MATCH_CLASS"]
# What C code of SimpleNamespace answers from all of its attributes: functions and operators.
_SHOWING = frozenset(["repr", "str", "hash"])
_OPERATORS = frozenset([
    dis.opmap[n] for n in ("COMPARE_OP", "FORMAT_VALUE", "FORMAT_SIMPLE", "CONVERT_VALUE")
    if n in dis.opmap
])  # fmt: skip
_UNKNOWN = scan.unknown(frozenset(dis.opmap))


class Code(NamedTuple):
    """What to look for where a code object runs."""

    code: CodeType  # kept, so that its id stays its own
    chains: tuple[scan.Chain, ...]
    what: str  # as `territory.reads`
    arguments: frozenset[str]
    dynamic: bool  # whether names of attributes are computed
    words: tuple[str, ...]  # strings that may be such names
    loose: frozenset[str]  # attributes of which the name alone is known
    skipped: str | None
    tells: bool  # whether it may look at a float in ways of `handed.TELLING`
    environment: bool  # whether it reads or writes variables of the environment
    hands: bool  # whether C code may look at its variables
    shows: bool  # whether it has some of `_OPERATORS` or `_SHOWING`
    computed: bool  # whether such names are no constants of it
    lookups: scan.Lookups
    mocks: bool  # whether it runs where a mock is called


_seen: dict[int, Code] = {}  # by id: hashing a code object costs more than looking into it


def _look(code: CodeType) -> Code:
    what = territory.reads(code)
    chains = scan.chains(code) if what else ()
    loose = frozenset([c.name for c in chains if c.root == scan.LOOSE]) if what == "all" else ()
    if what == "self":  # which a generator inside may need, too
        chains = tuple([c._replace(root=scan.LOCAL) if c.name == "self" else c for c in chains])
    roots = [scan.LOCAL] if what == "self" else [scan.LOCAL, scan.GLOBAL, scan.CELL, scan.MODULE]
    chains = tuple([c for c in chains if c.root in roots])
    count = code.co_argcount + code.co_kwonlyargcount
    starred = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    operators = set(code.co_code[::2])
    by_name = not _DYNAMIC.isdisjoint(code.co_names)
    dynamic = by_name or _MATCH in operators or not _FORMATS.isdisjoint(code.co_names)
    lookups = scan.lookups(code) if by_name else scan.Lookups(frozenset(), frozenset())
    constants = [c for x in code.co_consts for c in (x if type(x) is tuple else (x,))]
    texts = [c for c in constants if type(c) is str]
    words = tuple([w for c in texts for w in c.split(".") if w.isidentifier()])
    return Code(
        code, chains, what, frozenset(code.co_varnames[: count + starred]), dynamic, words,
        frozenset(loose), skipped.of_function(code),
        what == "all" and not handed.TELLING.isdisjoint(code.co_names),
        code in environment.KINDS,
        not territory.own(code) and handed.hands(code),
        not (_OPERATORS.isdisjoint(operators) and _SHOWING.isdisjoint(code.co_names)),
        "" in lookups.computed or (not words and not _INNER.isdisjoint(code.co_names)),
        lookups,
        code.co_name == "_mock_call" and territory.library(code.co_filename),
    )  # fmt: skip


def _told(what: str) -> None:
    """The recording has ended."""


class Watch(Reach):
    """The values that one recording read; `start` and `stop` are called around it."""

    def __init__(
        self, fn: Any, pattern: Any, refuse: Callable[[str], None], unsure: Callable[[str], None]
    ) -> None:
        """`refuse` is told of calls that a replay would skip, `unsure` why there is to be none."""
        super().__init__(pattern, unsure)
        self.tells = False  # whether a function ran that may tell floats apart unnoticed
        self.numbered = False  # whether float arguments may have any value
        self._refuse = refuse
        self._before: Any = None
        self._sought: set[CodeType] = set()  # of functions that were looked for
        self._outer: dict[CodeType, CodeType] = {}  # of functions made inside: where
        if _UNKNOWN:
            unsure(f"this Python has instructions that are not known: {', '.join(_UNKNOWN)}")
        self.anchor(fn)
        for value in pattern.objects:
            self.anchor(value)

    def start(self) -> None:
        """Begin to watch this thread."""
        self._before = sys.getprofile()
        sys.setprofile(self._profile)

    def stop(self) -> None:
        """End it."""
        sys.setprofile(self._before)
        self.close()
        self._refuse = self._unsure = _told  # they lead back here

    # ---- what a frame reads

    def _profile(self, frame: Any, event: str, arg: Any) -> None:
        if event == "c_call":
            name = skipped.of_builtin(frame, arg)
            if name is not None:
                self._refuse(name)
            if self.numbered and not territory.own(frame.f_code):
                handed.passed(frame, arg)
            return
        if event != "call" and event != "return":
            return
        look = _seen.get(id(frame.f_code))
        if look is None:
            look = _seen[id(frame.f_code)] = _look(frame.f_code)
        called = event == "call"
        if called and look.environment:
            environment.note(self, frame)
        if called and look.skipped is not None:
            self._refuse(look.skipped)
        if called and look.mocks:
            self._unsure("it calls a mock, which notes its calls")
        if look.tells:
            self.tells = True
        if look.what == "all" and called:
            self._runs(frame, look)
        if not called and isinstance(arg, types.ModuleType):
            self.anchor(arg)  # importlib.import_module
        names = frame.f_locals if look.chains else {}
        for chain in look.chains:
            if chain.root == scan.LOCAL:
                self._local(names, chain, look, called)
            elif chain.root == scan.MODULE:
                if not called:  # by then it is loaded
                    self._imported(frame, chain.name, chain.path)
            elif called:
                value = self._root(frame, chain)
                self._looked(value, look, chain.name)
        if called and look.hands and self.numbered:
            handed.given_up(frame)  # last: to ask for the variables again would restore them

    def _local(self, names: Any, chain: scan.Chain, look: Code, called: bool) -> None:
        _, name, path, _ = chain
        if (name in look.arguments) != called:
            return
        value = names.get(name, MISSING)
        if id(value) in self.anchored or isinstance(value, types.ModuleType):
            self._looked(self.follow(value, path, name), look, name)
        elif isinstance(value, Base):
            self._looked(self.follow(value, path, name), look, name)
        elif type(value) not in ATOMS and look.what == "all":
            self.spread(path)  # made inside, it may hold what was not
            self._looked(None, look, name)
        if path and not called and id(value) in self._inside:
            for other in elements(self._inside[id(value)]):
                if type(other) is type(value) and id(other) in self.anchored:
                    self.follow(other, path, name)

    def _looked(self, value: Any, look: Code, name: str) -> None:
        """The end of a chain from `name`, where attributes may be looked up by computed names."""
        asked = name in look.lookups.asked
        computed = name in look.lookups.computed
        if look.what != "all":
            if (computed or name == "self" and "" in look.lookups.computed) and structured(value):
                self.members(value, (), True)
        elif value is None or isinstance(value, Base):  # None: the chain could not be followed
            self.tagged = self.tagged or asked
            self.computed = self.computed or computed
        elif id(value) in self.anchored:
            if any(value is b for b in _BUILTINS):
                self.computed = self.tagged = True
                self.loose.update(look.words)
            if look.dynamic or (look.shows and isinstance(value, types.SimpleNamespace)):
                self.members(value, look.words, computed or look.computed)

    # ---- functions

    def _runs(self, frame: Any, look: Code) -> None:
        """A function of the user's runs: guard its code (autoreload), defaults and where it was
        found."""
        code = frame.f_code
        self.loose |= look.loose
        if look.dynamic:
            self.loose.update(look.words)
            self.computed = self.computed or look.computed
            self.tagged = self.tagged or "" in look.lookups.asked
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self._outer[inner] = code
        if code not in self._sought:
            self._sought.add(code)
            self._seek(frame, code)
        for fn in self.functions.get(code, ()):
            self.note(fn, "attr", "__code__", f"code of {fn.__qualname__}")
            for name in ("__defaults__", "__kwdefaults__"):
                if getattr(fn, name):
                    self.note(fn, "attr", name, f"defaults of {fn.__qualname__}", whole=True)

    def _seek(self, frame: Any, code: CodeType) -> None:
        """Find the functions of a code that runs: as a method, or wherever they are."""
        if not code.co_flags & 2:  # a module or class body
            return
        if code.co_argcount:
            first = frame.f_locals.get(code.co_varnames[0], MISSING)
            for name, found in [(n, f) for c in mro(first) for n, f in c.__dict__.items()]:
                found = getattr(found, "fget" if isinstance(found, property) else "__func__", found)
                if getattr(found, "__code__", None) is code:
                    holder = first if isinstance(first, type) else type(first)
                    self.note(holder, "attr", name, f"{holder.__name__}.{name}")
                    self._function(found)
                    return
        if code in self.functions or code in self._outer:
            return
        for fn in gc.get_referrers(code):
            if isinstance(fn, types.FunctionType):
                self._function(fn)

    def _cells(self, code: CodeType, name: str, value: Any) -> list[Any]:
        """The cells that hold `value`, if it can be seen, under `name` in functions of `code`: one
        of them runs."""
        at = code.co_freevars.index(name) if name in code.co_freevars else -1
        if at < 0:
            return []
        if code not in self.functions and code in self._outer:  # it has them of where it was made
            return self._cells(self._outer[code], name, value)
        cells = [fn.__closure__[at] for fn in self.functions.get(code, ()) if fn.__closure__]
        if value is MISSING:  # in the body of a class, whose locals are its names alone
            return cells
        return [c for c in cells if Guard(c, "cell", None, None, "").read() is value]

    # ---- where chains begin

    def _root(self, frame: Any, chain: scan.Chain) -> Any:
        """Guard a chain from a global or a cell; its value."""
        root, name, path, store = chain
        label = f"{root} {name}"
        if root == scan.GLOBAL:
            if name not in frame.f_globals and not store:
                self.note(frame.f_globals, "item", name, label)  # of a builtin: none hides it
                return None
            value = self.note(frame.f_globals, "item", name, label, whole=not path)
            return self.follow(value, path, label)
        value = frame.f_locals.get(name, MISSING)
        cells = self._cells(frame.f_code, name, value)
        if not cells:  # a cell of a function that runs now
            if id(value) in self.anchored:
                return self.follow(value, path, label)
            self.spread(path)
            return None
        for cell in cells:
            value = self.note(cell, "cell", None, label, whole=not path)
        return self.follow(value, path, label)

    def _imported(self, frame: Any, name: str, path: Any) -> None:
        """Guard what `from module import name` inside a function found."""
        package = frame.f_globals.get("__package__")
        if name.startswith(".") and package:
            name = importlib.util.resolve_name(name, package)
        module = sys.modules.get(name)
        if module is not None:
            self.follow(module, path, name)

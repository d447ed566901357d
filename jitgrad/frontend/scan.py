"""Which Python values can a code object read, and where does it write? From its bytecode.

Entry: `chains(code)`: a global, closure cell or local, followed by attributes and constant
subscripts; `lookups(code)`: attributes asked for by way of `getattr` and its like.
Imports nothing of jitgrad.
"""

from __future__ import annotations

import dis
from collections import Counter
from types import CodeType
from typing import NamedTuple

GLOBAL, CELL, LOCAL = "global", "closure", "local"
MODULE = "module"  # named in full, dots of a relative import included
LOOSE = "result"  # an attribute of what a call returned, say: its name alone is known


class Chain(NamedTuple):
    """A root and the steps from it: ("a", attribute) or ("k", constant); `store`: written to."""

    root: str
    name: str
    path: tuple[tuple[str, object], ...]
    store: bool


_ROOTS = {
    "LOAD_GLOBAL": GLOBAL, "LOAD_NAME": GLOBAL, "LOAD_FROM_DICT_OR_GLOBALS": GLOBAL,
    "LOAD_DEREF": CELL, "LOAD_CLASSDEREF": CELL, "LOAD_FROM_DICT_OR_DEREF": CELL,
}  # fmt: skip
_LOCALS = frozenset([
    "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW",
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
])  # fmt: skip
_STORES = {
    "STORE_GLOBAL": GLOBAL, "DELETE_GLOBAL": GLOBAL, "STORE_DEREF": CELL, "DELETE_DEREF": CELL,
}  # fmt: skip
_SILENT = frozenset(["CACHE", "PRECALL", "RESUME", "NOP", "PUSH_NULL", "EXTENDED_ARG", "COPY"])
# Others that load or store, none of which begins or goes on with a chain.
_ENDS = frozenset([
    "DELETE_FAST", "DELETE_NAME", "DELETE_SUBSCR", "IMPORT_STAR", "LOAD_ASSERTION_ERROR",
    "LOAD_BUILD_CLASS", "LOAD_CLOSURE", "LOAD_COMMON_CONSTANT", "LOAD_FAST_AND_CLEAR",
    "LOAD_LOCALS", "LOAD_SPECIAL", "STORE_FAST", "STORE_FAST_MAYBE_NULL", "STORE_FAST_STORE_FAST",
    "STORE_NAME", "STORE_SLICE", "STORE_SUBSCR",
])  # fmt: skip
_READ = frozenset([
    "DELETE_ATTR", "IMPORT_FROM", "IMPORT_NAME", "LOAD_ATTR", "LOAD_CONST", "LOAD_METHOD",
    "LOAD_SMALL_INT", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD", "LOAD_ZERO_SUPER_ATTR",
    "LOAD_ZERO_SUPER_METHOD", "STORE_ATTR", "STORE_FAST_LOAD_FAST",
])  # fmt: skip


def unknown(names: frozenset[str]) -> list[str]:
    """Those of the opcodes `names` which may read or write values in a way that is not known here:
    a later Python's.

    >>> unknown(frozenset(dis.opmap))
    []
    """
    known = _ENDS | _READ | _SILENT | _LOCALS | _ROOTS.keys() | _STORES.keys()
    kinds = ("LOAD_", "STORE_", "DELETE_", "IMPORT_")
    return sorted(name for name in names - known if name.startswith(kinds))


def chains(code: CodeType) -> tuple[Chain, ...]:
    """All chains in `code`, each once."""
    out: dict[Chain, None] = {}
    found: list[tuple[str, str, tuple[tuple[str, object], ...]]] = []  # the chain being read
    instructions = list(dis.get_instructions(code))
    passing = _passing(code, instructions)

    def end() -> None:
        for root, name, path in found:
            out[Chain(root, name, path, False)] = None
            if name in passing and root in (LOCAL, CELL):
                loose(*[str(key) for kind, key in path if kind == "a"])
        found.clear()

    def loose(*names: str) -> None:
        for name in names:
            out[Chain(LOOSE, name, (), False)] = None

    def start(root: str, names: object) -> None:
        end()
        for name in names if isinstance(names, tuple) else (names,):
            found.append((root, str(name), ()))

    def step(kind: str, key: object) -> None:
        if found:
            root, name, path = found[-1]
            found[-1] = (root, name, (*path, (kind, key)))

    constant: list[object] = []
    module = ""
    joined = False  # what the chain goes on from may also come from elsewhere: `(a or b).c`
    for x in instructions:
        op = x.opname
        joined = joined or x.is_jump_target
        if op in _SILENT:
            continue
        if op in _ROOTS or op in _LOCALS or op == "STORE_FAST_LOAD_FAST":
            name = x.argval[1] if op == "STORE_FAST_LOAD_FAST" else x.argval
            start(_ROOTS.get(op, LOCAL), name)
            joined = False
        elif op in ("LOAD_ATTR", "LOAD_METHOD") or "_SUPER_" in op:
            if constant or "_SUPER_" in op:  # "".join, say
                end()
            if joined or not (found or constant):
                loose(x.argval)
            step("a", x.argval)
        elif op in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constant.append(x.argval)
            continue
        elif op == "BINARY_SUBSCR" or (op == "BINARY_OP" and x.argrepr == "[]"):
            if constant:
                step("k", constant[-1])
            else:
                end()
        elif op in ("STORE_ATTR", "DELETE_ATTR"):
            if found:
                root, name, path = found.pop()
                out[Chain(root, name, (*path, ("a", x.argval)), True)] = None
            end()
        elif op == "IMPORT_NAME":
            end()
            level = constant[-2] if len(constant) > 1 else 0
            module = "." * (level if isinstance(level, int) else 0) + str(x.argval)
        elif op == "IMPORT_FROM":
            out[Chain(MODULE, module, (("a", x.argval),), False)] = None
        elif op in _STORES:
            end()
            out[Chain(_STORES[op], str(x.argval), (), True)] = None
        else:
            end()
        constant.clear()
    end()
    return tuple(out)


def _passing(code: CodeType, instructions: list[dis.Instruction]) -> set[str]:
    """Variables of a function that may hold other values than at its call, if they are arguments,
    or at its return: those stored twice or in a loop, deleted, or cleared by a comprehension."""
    loops = [
        (int(x.argval), x.offset) for x in instructions if x.opname.startswith("JUMP_BACKWARD")
    ]
    stores: Counter[str] = Counter(code.co_varnames[: _arguments(code)])
    out = set(code.co_cellvars)
    for x in instructions:
        op = x.opname
        if op in ("DELETE_FAST", "LOAD_FAST_AND_CLEAR"):
            out.add(x.argval)
        if not op.startswith("STORE_FAST"):
            continue
        names = x.argval if isinstance(x.argval, tuple) else (x.argval,)
        for name in names[:1] if op == "STORE_FAST_LOAD_FAST" else names:
            stores[name] += 1
            if any(first <= x.offset <= last for first, last in loops):
                out.add(name)
    return out | {name for name, count in stores.items() if count > 1}


def _arguments(code: CodeType) -> int:
    starred = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return code.co_argcount + code.co_kwonlyargcount + starred


# Functions that look up attributes: where they have the object, and where its name.
_ASKING: dict[str, tuple[int | None, int | None]] = {
    **dict.fromkeys(["getattr", "hasattr", "setattr", "delattr"], (0, 1)),
    **dict.fromkeys(["vars", "dir", "getmembers", "asdict", "astuple"], (0, None)),
    **dict.fromkeys(["attrgetter", "methodcaller"], (None, 0)),
}
_CALLS = frozenset(["CALL", "CALL_FUNCTION", "CALL_METHOD"])


class Lookups(NamedTuple):
    """Variables where a function looks up attributes, of them or of what follows in a chain, by
    way of `getattr`; "" where it is not known of what."""

    asked: frozenset[str]
    computed: frozenset[str]  # those where the name is no constant


def lookups(code: CodeType) -> Lookups:
    """All in `code`.

    >>> def f(a, b, c): return getattr(a.x, "y"), getattr(b, c), hasattr(a(), "z")
    >>> [sorted(x) for x in lookups(f.__code__)]
    [['', 'a', 'b'], ['b']]
    """
    instructions = list(dis.get_instructions(code))
    passing = _passing(code, instructions)
    asked, computed, calls = set(), set(), 0
    for i, x in enumerate(instructions):
        spans = _spans(instructions, i) if x.opname in _CALLS else []
        called = spans[0][-1] if spans else x
        if called is x or called.argval not in _ASKING or len(spans) < 2:
            continue
        calls += 1
        at, named = _ASKING[called.argval]
        name = "" if at is None else _root(spans[1 + at])
        variable = "" if name in passing else name
        asked.add(variable)
        if named is None or len(spans) < 2 + named or not _text(spans[1 + named]):
            computed.add(variable)
    if calls < sum(x.argval in _ASKING for x in instructions if x.opname.startswith("LOAD_")):
        asked.add("")  # a function as a value, say
        computed.add("")
    return Lookups(frozenset(asked), frozenset(computed))


def _root(span: list[dis.Instruction]) -> str:
    """The variable that a span of instructions loads, or attributes of; "" if it does more."""
    first = span[0]
    plain = (first.opname in _LOCALS or first.opname in _ROOTS) and type(first.argval) is str
    return first.argval if plain and all(x.opname == "LOAD_ATTR" for x in span[1:]) else ""


def _text(span: list[dis.Instruction]) -> bool:
    return len(span) == 1 and span[0].opname == "LOAD_CONST" and type(span[0].argval) is str


def _spans(instructions: list[dis.Instruction], at: int) -> list[list[dis.Instruction]]:
    """What a call in straight lines calls, up to the instruction that names it, and its arguments;
    [] if it is not clear."""
    out: list[list[dis.Instruction]] = []
    before = instructions[:at]
    while before and before[-1].opname in ("PRECALL", "CACHE"):
        before.pop()
    while len(out) < (instructions[at].arg or 0):
        depth, span = 0, []
        while depth < 1:
            if not before or before[-1].is_jump_target or "JUMP" in before[-1].opname:
                return []
            x = before.pop()
            depth += dis.stack_effect(x.opcode, x.arg, jump=False)
            span.insert(0, x)
        out.insert(0, span)
    while before and before[-1].opname == "PUSH_NULL":
        before.pop()
    return [[before[-1]], *out] if before else []

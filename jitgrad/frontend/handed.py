"""Float arguments that may have any value, where code other than jitgrad's looks at them unnoticed.

A `HostFloat` is a float, and C code reads a float without asking: `math.sqrt(t) > 3`, `"%g" % t`.
Entry: `given_up(frame)`, `passed(frame)`. Imports host numbers.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any

from jitgrad.frontend.hostscalar import HostFloat

# What tells one float from another, or hands it to C code that does, without a call that is seen.
TELLING = frozenset([
    "type", "__class__", "isnan", "isinf", "isfinite", "isclose", "copysign", "modf", "frexp",
    "fmod",
])  # fmt: skip
_HANDING = frozenset([
    "map", "filter", "reduce", "starmap", "accumulate", "complex", "Decimal", "timedelta",
    "c_double", "c_float",
])  # fmt: skip
# Functions in C that ask the number itself, or look at none.
_SAFE = frozenset([
    "abs", "all", "any", "append", "callable", "copy", "delattr", "divmod", "extend", "format",
    "get", "getattr", "hasattr", "hash", "id", "insert", "isinstance", "issubclass", "items",
    "iter", "keys", "len", "max", "min", "next", "pop", "popitem", "pow", "repr", "round",
    "setattr", "setdefault", "sorted", "sum", "update", "values", "vars",
])  # fmt: skip
_codes: dict[int, tuple[CodeType, dict[int, frozenset[str] | None]]] = {}  # by id


def hands(code: CodeType) -> bool:
    """Whether a function may hand its variables to C code in ways that are no calls of it."""
    if not _HANDING.isdisjoint(code.co_names) or not TELLING.isdisjoint(code.co_names):
        return True
    texts = any(type(c) is str and "%" in c for c in code.co_consts)
    return texts and any(x.argrepr in ("%", "%=") for x in dis.get_instructions(code))


def given_up(frame: Any) -> None:
    """A function begins that may look at its arguments: it gets plain floats, so that it finds what
    it would find."""
    names = frame.f_locals
    for name, value in list(names.items()):
        plain = _plain(value)
        if plain is not value:
            names[name] = plain  # Python itself writes it back to the frame


def passed(frame: Any, fn: Any) -> None:
    """The function `fn`, in C, is called: it looks at the numbers that its arguments name."""
    if fn.__name__ in _SAFE:
        return
    names = _names(frame.f_code, frame.f_lasti)
    for name, value in frame.f_locals.items():
        if names is None or name in names:
            _plain(value)


def _plain(value: Any) -> Any:
    """A value with plain floats, which have been looked at then."""
    kind = type(value)
    if kind is HostFloat:
        value.event.looked = True
        return float.__float__(value)
    if kind in (tuple, list):
        items = [_plain(v) for v in value]
        return value if all(map(_is, items, value)) else kind(items)
    if kind is dict:
        items = [_plain(v) for v in value.values()]
        return (
            value if all(map(_is, items, value.values())) else dict(zip(value, items, strict=True))
        )
    return value


def _is(a: Any, b: Any) -> bool:
    return a is b


def _names(code: CodeType, at: int) -> frozenset[str] | None:
    """The variables that the call at an offset loads for its callable and arguments; None if it is
    not clear which those are."""
    entry = _codes.get(id(code))
    if entry is None:
        entry = _codes[id(code)] = (code, {})
    if at not in entry[1]:
        entry[1][at] = _loaded(code, at)
    return entry[1][at]


def _loaded(code: CodeType, at: int) -> frozenset[str] | None:
    before = [x for x in dis.get_instructions(code) if x.offset <= at]
    names: set[str] = set()
    depth = 0
    while before and depth < 1:  # what leaves one value behind
        x = before.pop()
        if "JUMP" in x.opname or x.is_jump_target:
            return None
        depth += dis.stack_effect(x.opcode, x.arg, jump=False)
        if x.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "STORE_FAST")):
            names.update(x.argval if isinstance(x.argval, tuple) else (x.argval,))
    return frozenset(names)

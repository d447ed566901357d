"""Functions whose results `functools` keeps: a replay cannot see whether they were thrown away.

Entry: `impure(cached)`. Imports the scan.
"""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Iterator
from types import CodeType
from typing import Any

from jitgrad.frontend import scan, territory

KIND = type(functools.lru_cache(lambda: None))


def impure(cached: Any) -> str:
    """Why results of a cached function may be others than those of its arguments; else ""."""
    fn = cached.__wrapped__
    code = getattr(fn, "__code__", None)
    name = getattr(fn, "__qualname__", type(fn).__name__)
    open_ = [""] if code is None else [c.name for c in _chains(code) if _open(fn, c)]
    if not open_:
        return ""
    what = f" and reads {open_[0]}" if open_[0] else ""
    return (
        f"it uses {name}(), whose results functools.lru_cache keeps{what}: a replay could not see "
        f"that they were cleared; call {name}.__wrapped__() or pass the result as an argument"
    )


def _chains(code: CodeType) -> Iterator[scan.Chain]:
    """Those of a code and of the functions that it makes."""
    yield from scan.chains(code)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _chains(inner)


def _open(fn: Any, chain: scan.Chain) -> bool:
    """Whether a chain leads to what may change while the arguments stay the same."""
    code = fn.__code__
    if chain.root == scan.MODULE or chain.name in code.co_freevars:
        return True
    if chain.root == scan.GLOBAL:
        value = fn.__globals__.get(chain.name, chain)
        if value is chain:
            return not hasattr(builtins, chain.name)
        return not (isinstance(value, types.ModuleType) and territory.foreign(value))
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return chain.root != scan.LOOSE and bool(chain.path) and chain.name in arguments

"""What differs between two calls whose patterns differ, in words.

Entry: `changed(old, new, names)`. Imports: patterns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.frontend.argtree import Facts

_MODES = (
    "gradient mode", "inference mode", "eager mode", "default dtype", "JITGRAD_JIT", "JITGRAD_FUSE",
)  # fmt: skip
_HISTORY = ("no gradient", "a leaf that requires grad", "a history")
Change = tuple[str, str, str]  # what, what it was, what it is


def changed(old: tuple[Any, ...], new: tuple[Any, ...], names: list[str]) -> Change:
    """The first difference of two keys: the modes, then the `Pattern.key`. `names` has the
    parameters that take arguments by position."""
    for name, a, b in zip(_MODES, old, new, strict=False):
        if a != b:
            return name, str(a), str(b)
    (old_args, old_kwargs, _), (new_args, new_kwargs, _) = old[-1], new[-1]
    if len(old_args) != len(new_args) or len(old_kwargs) != len(new_kwargs):
        was, now = (f"{len(a)} and {len(k)} by name" for a, k in (old[-1][:2], new[-1][:2]))
        return "number of arguments", was, now
    for i, (a, b) in enumerate(zip(old_args, new_args, strict=True)):
        if a != b:
            return _part(f"argument {names[i] if i < len(names) else i}", a, b)
    for (was, a), (name, b) in zip(old_kwargs, new_kwargs, strict=True):
        if was != name:
            return "names of arguments", was, name
        if a != b:
            return _part(f"argument {name}", a, b)
    (memory, own), (new_memory, new_own) = old[-1][2], new[-1][2]
    if memory != new_memory:
        return "which arguments share memory", str(memory), str(new_memory)
    return "which lists or dicts are one", str(own), str(new_own)


def _part(path: str, a: Any, b: Any) -> Change:
    """Where two parts of a key differ."""
    if isinstance(a, Facts) and isinstance(b, Facts):
        for field, x, y in zip(("class", "shape", "dtype"), a, b, strict=False):
            if x != y:
                return f"{field} of {path}", _short(x), _short(y)
        if a.history != b.history:
            return f"history of {path}", _HISTORY[a.history], _HISTORY[b.history]
        return f"layout of {path}", _short(a.place), _short(b.place)
    if isinstance(a, Facts) or isinstance(b, Facts) or a[0] is not b[0]:
        return f"class of {path}", _kind(a), _kind(b)
    if a[0] is float and len(a) != len(b):
        was, now = (_short(x[1]) if len(x) > 1 else "any number" for x in (a, b))
        return path, was, now
    if len(a) != len(b):
        return f"length of {path}", str(len(a) - 1), str(len(b) - 1)
    if a[0] == "object":
        return path, "another object", f"<{a[1].__name__}>"
    if issubclass(a[0], np.ndarray):
        return path, "an array", "another array"
    for i, (x, y) in enumerate(zip(a[1:], b[1:], strict=True)):
        if x != y:
            if issubclass(a[0], (list, tuple)):
                return _part(f"{path}[{i}]", x, y)
            if issubclass(a[0], dict):
                (key, x), (other, y) = x, y
                same = key == other
                return (
                    _part(f"{path}[{key[1]!r}]", x, y) if same else _part(f"a key of {path}", x, y)
                )
            if isinstance(x, tuple) and isinstance(x[0], str):  # a field of a dataclass
                return _part(f"{path}.{x[0]}", x[1], y[1])
            return path, _short(x), _short(y)
    raise AssertionError("two equal parts")


def _kind(part: Any) -> str:
    if isinstance(part, Facts):
        return _short(part.cls)
    return str(part[1].__name__) if part[0] == "object" else _short(part[0])


def _short(value: Any) -> str:
    text = value.__qualname__ if isinstance(value, type) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."

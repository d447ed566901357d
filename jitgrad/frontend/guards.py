"""Python values that a recording depended on: are they still the same?

A value is a holder (namespace, object, cell, container) with a key. `Guards` reads all of them
again before a replay, by one generated function. Entry: `Guard`, `Guards`. Imports: the Tensor.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.frontend.argtree import ATOMS
from jitgrad.frontend.record import Base
from jitgrad.frontend.state import rebound

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()
CONTAINERS = (list, tuple, dict, set, frozenset, deque)
HELD = ("_parameters", "_buffers", "_modules")  # where a Module keeps attributes
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


def elements(value: Any) -> list[Any]:
    """The items of a container."""
    return list(value.values() if isinstance(value, dict) else value)


def versioned(guard: Guard) -> bool:
    """Whether a Module's version counter tells that the value may have changed."""
    if not hasattr(guard.holder, "_structure_version"):
        return False
    # Its own dicts count their changes; a list that the user put there does not.
    return guard.content is None or guard.key in HELD or "_hooks" in guard.key


class Guards:
    """The check before a replay, as one generated function over the guarded values."""

    def __init__(
        self, found: list[Guard], extra: list[tuple[str, dict[str, Any], tuple[str, str, str]]]
    ) -> None:
        """`extra` has further conditions of failure: (expression, its names, what to say).

        Those on a Tensor `t` are looked at only when some Tensor was bound anew.
        """
        self.found = found
        self.said = [said for *_, said in extra]
        names: dict[str, Any] = {
            "same": same, "content": content, "settled": self._settled, "versions": [],
        }  # fmt: skip
        lines = ["def check():", "    try:", "        pass"]
        modules: dict[int, tuple[Any, list[int]]] = {}
        for i, g in enumerate(found):
            if g.kind == "attr" and versioned(g):
                modules.setdefault(id(g.holder), (g.holder, []))[1].append(i)
                continue
            names[f"h{i}"], names[f"v{i}"], names[f"k{i}"] = g.holder, g.value, g.key
            if g.content is not None:
                names[f"v{i}"], names[f"i{i}"] = g.content, _ids(g.value)
                names[f"e{i}"] = elements(g.value) if _flat(g.value) else None  # ids stay theirs
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
        rare = ["def tensors():"]
        for i, (text, more, _) in enumerate(extra, len(found)):
            renamed = text
            for name, value in more.items():
                names[f"{name}_{i}"] = value
                renamed = renamed.replace("{" + name + "}", f"{name}_{i}")
            if "_track" in text and "t" in more:
                rare.append(f"    if {renamed}: return {i}")
            else:
                lines.append(f"        if {renamed}: return {i}")
        names["rebound"], names["last"] = rebound, [rebound[0]]
        lines += [
            "        if rebound[0] != last[0] and (at := tensors()) >= 0: return at",
            "    except (KeyError, IndexError, AttributeError, TypeError, ValueError):",
            "        return -2",
            "    return -1",
            *rare,
            "    last[0] = rebound[0]",
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
        return self.said[at - len(self.found)] if at >= 0 else ("a tensor", "there", "elsewhere")


def _flat(value: Any) -> bool:
    """Whether equal elements by identity mean an equal container."""
    return isinstance(value, CONTAINERS) and not any(
        isinstance(e, (*CONTAINERS, np.ndarray)) for e in elements(value)
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

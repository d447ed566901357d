"""The arguments of a compiled call as a hashable pattern and a flat list of Tensors.

Entry: `Pattern(args, kwargs)`. Plain values stand in the pattern with their value, containers with
their structure, anything else with its identity; Tensors with shape, dtype, strides and history.
Imports: the recorder.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NamedTuple

import numpy as np

from jitgrad.frontend.record import Base
from jitgrad.frontend.tape import Leaf
from jitgrad.ir.dtype import DType

_ARRAY_BYTES = 1 << 12  # of an array that is compared itself
PLAIN, LEAF, HISTORY = 0, 1, 2
ATOMS = frozenset([int, float, bool, str, bytes, complex, type(None), type(Ellipsis), DType])


class Facts(NamedTuple):
    """What a recording may depend on in a Tensor argument, besides its values."""

    cls: Any
    shape: Any
    dtype: Any
    place: Any  # None: the whole of its storage
    history: int


class Pattern:
    """One call's arguments: `key` (hashable), `tensors` in order, and what the key refers to.

    `batches` are the positions in `tensors` of views that are recorded as memory of their own;
    they are arguments themselves, not items of one. One view may be several arguments. `floats`
    are the arguments of that class, by position or name; the values of those in `slots` are no part
    of the pattern.
    """

    __slots__ = ("batches", "containers", "floats", "key", "objects", "slots", "tensors")

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        slots: frozenset[int | str] = frozenset(),
    ) -> None:
        self.slots = slots
        self.floats: dict[int | str, float] = {}
        self.tensors: list[Any] = []
        self.objects: list[Any] = []  # kept alive by whoever keeps the key
        self.containers: list[Any] = []
        self.batches: list[int] = []
        top = self._top
        self.key: Any = (
            tuple([top(i, a) for i, a in enumerate(args)]),
            tuple([(k, top(k, v)) for k, v in kwargs.items()]),
            (
                self._aliases() if len(self.tensors) > 1 else None,
                self._shared() if len(self.containers) > 1 else None,
            ),
        )

    def _top(self, name: int | str, value: Any) -> Any:
        if type(value) is float:
            self.floats[name] = value
            return (float,) if name in self.slots else self._take(value)
        if not isinstance(value, Base):
            return self._take(value)
        tensors, batches = self.tensors, self.batches
        nested = any(t is value and i not in batches for i, t in enumerate(tensors))
        if replaceable(value) and not nested:
            batches.append(len(tensors))
            tensors.append(value)
            place = "batch", value._place()[0]
            return Facts(type(value), value._shape, value._dtype, place, PLAIN)
        tensors.append(value)
        return facts(value)

    def _take(self, value: Any) -> Any:
        if isinstance(value, Base):
            self.tensors.append(value)
            return facts(value)
        kind = type(value)
        if kind in ATOMS:
            if kind is float and (value == 0 or value != value):
                return (kind, repr(value))  # -0.0 is not 0.0; nan is itself
            return (kind, value)
        if isinstance(value, (tuple, list)):
            self.containers.append(value)
            return (kind, *[self._take(v) for v in value])
        if isinstance(value, dict):
            self.containers.append(value)
            return (kind, *[(self._take(k), self._take(v)) for k, v in value.items()])
        if isinstance(value, (np.ndarray, np.generic)):
            return array_key(value)
        if kind is slice:
            return (kind, self._take((value.start, value.stop, value.step)))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            self.containers.append(value)
            names = [f.name for f in dataclasses.fields(value)]
            return (kind, *[(k, self._take(getattr(value, k, None))) for k in names])
        self.objects.append(value)
        return ("object", kind, id(value))

    def _shared(self) -> Any:
        """Which lists, dicts and dataclasses are one: the first position of each."""
        first: dict[int, int] = {}
        out = [first.setdefault(id(c), i) for i, c in enumerate(self.containers)
               if not isinstance(c, tuple)]  # fmt: skip
        return None if len(first) == len(out) else tuple(out)

    def _aliases(self) -> Any:
        """Which Tensors share a storage or are one: the first position of each one's storage."""
        first: dict[int, int] = {}
        tensors = self.tensors
        out = [first.setdefault(id(t._storage), i) for i, t in enumerate(tensors)]
        if len(first) == len(out):
            return None
        return tuple([(i, tensors[i] is t) for i, t in zip(out, tensors, strict=True)])


def array_key(value: Any) -> Any:
    """An array or number of NumPy as a value; the elements of a large one as a digest."""
    data = value.tobytes()
    if len(data) > _ARRAY_BYTES:
        data = hashlib.blake2b(data, digest_size=16).digest()
    return (type(value), value.dtype.str, value.shape, data)


def swapped(args: Any, kwargs: Any, old: list[Any], new: list[Any]) -> tuple[Any, Any]:
    """The arguments with some Tensors replaced."""
    table = {id(a): b for a, b in zip(old, new, strict=True)}
    args = tuple([table.get(id(a), a) for a in args])
    return args, {k: table.get(id(v), v) for k, v in kwargs.items()}


def numbered(args: Any, kwargs: Any, numbers: dict[int | str, Any]) -> tuple[Any, Any]:
    """The arguments with some numbers, by position or name, in the place of others."""
    args = tuple([numbers.get(i, a) for i, a in enumerate(args)])
    return args, {k: numbers.get(k, v) for k, v in kwargs.items()}


def remake(kind: Any, items: list[Any]) -> Any:
    """A list, tuple or named tuple of class `kind`."""
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def facts(t: Any) -> Facts:
    """The Facts of a Tensor."""
    view, edge = t._view, t._track.edge
    history = PLAIN if edge is None else LEAF if type(edge) is Leaf else HISTORY
    place: Any = None
    if view is not None:  # of memory that NumPy holds, or of a storage's own
        place = "view", view.chain, t._storage.shape, t._storage.node is None
    elif t._storage.node is None:
        place = "numpy", t._storage.external.strides
    return Facts(type(t), t._shape, t._dtype, place, history)


def replaceable(t: Any) -> bool:
    """Whether `t` is a view without history, such as a batch cut from a data set."""
    return t._view is not None and t._track.edge is None and t._storage.node is not None

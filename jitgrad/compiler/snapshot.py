"""The structural key: everything generated code may depend on, and nothing else.

Entry: `take(roots)`. Extents, scalars, slice starts, seeds, draw numbers and leaf memory are left
out: they are read again from the live nodes at every run. Sizes 0 and 1 are kept, as they change
what broadcasts. Which axes agree follows from the ops, so it needs no place in the key.
Imports: ir, compiler.layout.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any

from jitgrad.compiler.layout import move_key, numeric_tags
from jitgrad.ir.node import Node, walk
from jitgrad.ir.references import ASKING

# Attributes that are run-time slots or that other parts of the key imply.
_SLOTS: dict[str, tuple[str, ...]] = {
    "iota": ("shape",),
    "uniform": ("shape", "dtype", "seed", "draw"),
    "normal": ("shape", "dtype", "seed", "draw"),
    "random_bits": ("shape", "dtype", "seed", "draw"),
    "cast": ("dtype",),
    "check_index": ("what", "wrapped"),
}


@dataclass(slots=True)
class Snapshot:
    """The pending graph in canonical order: live nodes, their key, and which are wanted."""

    nodes: list[Node]
    inputs: list[tuple[int, ...]]
    statics: list[Any]
    outputs: list[int]
    key: tuple[Any, ...]
    donated: frozenset[int]  # bases that a write may overwrite in place: nobody else holds them


def _number(value: Any) -> Any:
    """A constant as a key: bits, so that -0.0 and nan are themselves."""
    return struct.pack("d", value) if isinstance(value, float) else (type(value).__name__, value)


def static_key(node: Node) -> Any:
    """What code depends on in one node, besides op, dtype and inputs."""
    op = node.op
    name = op.name
    shape = node.shape
    if name == "buffer":
        if node.strides is None:
            return (len(shape), _units(shape))
        return (len(shape), _units(shape), numeric_tags(shape, node.strides))
    if op.kind == "movement":
        return move_key(name, node.attrs, node.inputs[0].shape, shape)
    if name == "const":
        return _number(node.attrs[0])
    if name == "write":
        return chain_key(node.attrs[0], shape)
    if name == "cat":  # parts of no elements may leave one element along the axis
        return (*node.attrs, shape[node.attrs[0]] == 1)
    slots = _SLOTS.get(name)
    if slots is None:
        return node.attrs or None
    kept = tuple(v for k, v in zip(op.attr_names, node.attrs, strict=True) if k not in slots)
    return (kept, len(shape), _units(shape)) if op.kind == "source" else (kept or None)


def chain_key(chain: Any, shape: tuple[int, ...]) -> Any:
    """The key of a view given as ((op name, attrs), ...) over `shape`."""
    out = []
    for name, attrs in chain:
        after = shape_after(name, attrs, shape)
        out.append((name, move_key(name, attrs, shape, after)))
        shape = after
    return tuple(out)


def shape_after(name: str, attrs: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape a view step leads to."""
    if name == "permute":
        return tuple(shape[i] for i in attrs[0])
    return attrs[2] if name == "slice" else attrs[0]


def _units(shape: tuple[int, ...]) -> Any:
    """Positions of sizes 0 and 1, or None when there are none."""
    return tuple((i, n) for i, n in enumerate(shape) if n < 2) or None


def take(
    roots: list[Node], order: list[Node] | None = None, donate: bool | set[int] = False
) -> Snapshot:
    """Key the pending graph below `roots`; `order` is its walk, where that is known.

    With `donate`, a write whose base is held by nothing but the write itself may happen in place;
    it may be a set of the ids of those, from before others held the nodes.
    """
    nodes = walk(roots) if order is None else order
    index = {id(n): i for i, n in enumerate(nodes)}
    outputs = [index[id(r)] for r in roots]
    inputs = []
    statics = []
    parts: list[Any] = []
    donated: list[int] = []
    for node in nodes:
        ins = tuple([index[id(x)] for x in node.inputs])
        static = static_key(node)
        inputs.append(ins)
        statics.append(static)
        parts.append((node.op.name, node.dtype.suffix, ins, static))
        if donate and node.op.name == "write":
            if exclusive(node) if donate is True else id(node) in donate:
                donated.append(ins[0])
    key = (tuple(parts), tuple(outputs), tuple(donated))
    return Snapshot(nodes, inputs, statics, outputs, key, frozenset(donated))


def exclusive(write: Node) -> bool:
    """Whether only `write` (and the walk that lists it) holds its base: a realised one, or an
    earlier write, which would find the later elements in its memory if it were computed again."""
    base = write.inputs[0]
    if sys.getrefcount(base) != 2 + ASKING:  # the walk's list, write.inputs
        return False
    if not base.realised:
        return base.op.name == "write"
    if base.strides is not None or base.offset or base.data.external:
        return False
    return sys.getrefcount(base.data) == 2  # base.data, the argument

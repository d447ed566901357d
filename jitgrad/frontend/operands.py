"""The operands of elementwise ops: numbers become Nodes, dtypes are promoted, shapes broadcast.

What was worked out is remembered, for recording to be cheap.
Entry: `number`, `conform`, `broadcast`. Imports: ir.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.state import State
from jitgrad.frontend.types import IntSlot, Slot
from jitgrad.ir import apply
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import OPS, Op


def number(value: Any, dtype: DType, state: State, where: Any, wraps: bool = False) -> Node:
    """A number as a Node: the user's is a run-time slot, a rule's a Const.

    In rules and composed functions only numbers of Python's own classes are theirs. One that the
    dtype cannot hold wraps as an operand of arithmetic; else only -1 and its like do, as unsigned.
    """
    kind = type(value)
    if dtype.kind in "iu":
        value = int(value)
        if not _LOWEST[dtype] <= value <= _HIGHEST[dtype]:
            value = _wrapped(value, dtype, wraps)
    if state.rule and kind in _OWN:
        return Node(OPS["const"], (), (value,), (), dtype, "cpu", where, value)
    if kind is Slot or (dtype.kind == "f" and isinstance(value, int)):
        value = float(value)  # here, where it is an error if there is none so large
    return Node(OPS["scalar"], (), (), (), dtype, "cpu", where, value)


def _wrapped(value: int, dtype: DType, wraps: bool) -> int:
    low, high = _LOWEST[dtype], _HIGHEST[dtype]
    fits = -(1 << 63) <= value < 1 << 63 if wraps else low == 0 and value >= -high
    if not fits:
        raise RuntimeError(f"value {value} cannot be converted to {dtype} without overflow")
    return (value - low) % (high - low + 1) + low


_INTEGERS = [d for d in dt.ALL if d.kind in "iu"]
_LOWEST = {d: int(np.iinfo(d.np).min) for d in _INTEGERS}
_HIGHEST = {d: int(np.iinfo(d.np).max) for d in _INTEGERS}
_OWN = frozenset([int, float, bool])
_NUMBERS = frozenset([int, float, bool, Slot, IntSlot, HostFloat])
# (op, dtype of all operands [, class of a number among them]) -> dtypes of computing and result
DTYPES_OF: dict[Any, tuple[DType, DType]] = {}


def forget_dtypes() -> None:
    """Drop remembered promotions: the default dtype has changed."""
    DTYPES_OF.clear()


def dtypes_of(op: Op, dtype: DType) -> tuple[DType, DType]:
    common = apply.compute_dtype(op, [dtype], [], [])
    found = DTYPES_OF[op, dtype] = (common, apply.out_dtype(op, common))
    return found


def dtypes_with_number(op: Op, dtype: DType, value: Any) -> tuple[DType, DType]:
    plain = [dt.number_dtype(value, apply.default_float())]
    common = apply.compute_dtype(op, [dtype], [], plain)
    found = DTYPES_OF[op, dtype, type(value)] = (common, apply.out_dtype(op, common))
    return found


OWN_DTYPES = frozenset(["cast", "where"])  # whose operands are not all of one dtype
_shapes: dict[Any, Shape] = {}  # broadcast shapes by operand shapes


def broadcast(op: Op, nodes: list[Any], where: Any) -> Shape:
    """Bring all operands to their common shape, in place."""
    key = tuple([node.shape for node in nodes])
    shape = _shapes.get(key)
    if shape is None:
        if len(_shapes) > 4096:
            _shapes.clear()
        shape = _shapes[key] = apply.broadcast_shapes(op.name, *key)
    for i, node in enumerate(nodes):
        if node.shape != shape:
            nodes[i] = expand_node(node, shape, where)
    return shape


def conform(
    op: Op, nodes: list[Any], attrs: tuple[Any, ...], state: State, where: Any
) -> tuple[Shape, DType, int]:
    """Promote, cast and broadcast the operands in place; the bits of those that are numbers."""
    if op.name == "cast":
        return nodes[0].shape, attrs[0], 0
    if len(nodes) == 2:  # a tensor and a number, most of the time
        at = 1 if isinstance(nodes[0], Node) else 0
        x, value = nodes[1 - at], nodes[at]
        if type(value) in _NUMBERS and isinstance(x, Node):
            found = DTYPES_OF.get((op, x.dtype, type(value)))
            common, out = found or dtypes_with_number(op, x.dtype, value)
            if x.dtype is not common:
                nodes[1 - at] = cast_node(x, common, where)
            node = number(value, common, state, where, wraps=True)
            nodes[at] = expand_node(node, x.shape, where) if x.shape else node
            return x.shape, out, 2 << at
    first = 1 if op.name == "where" else 0  # the condition takes no part in promotion
    dims, zeros, plain = [], [], []
    numbers = 0
    for i, a in enumerate(nodes):
        if not isinstance(a, Node):
            if type(a) not in _NUMBERS:
                nodes[i] = a = _python_number(op, a)
            numbers |= 2 << i
            plain.append(dt.number_dtype(a, apply.default_float()))
        elif i >= first:
            (dims if a.shape else zeros).append(a.dtype)
    common = apply.compute_dtype(op, dims, zeros, plain)
    shapes = [a.shape for a in nodes if isinstance(a, Node)]
    if not shapes:
        raise TypeError(f"{op.name}: none of its operands is a Tensor; tensor() makes one")
    shape = apply.broadcast_shapes(op.name, *shapes)
    for i, a in enumerate(nodes):
        want = dt.bool_ if i < first else common
        if not isinstance(a, Node):
            a = number(a, want, state, where, wraps=first == 0)
        elif a.dtype is not want:
            a = cast_node(a, want, where)
        nodes[i] = a if a.shape == shape else expand_node(a, shape, where)
    return shape, apply.out_dtype(op, common), numbers


def _python_number(op: Op, value: Any) -> Any:
    if isinstance(value, np.generic) and value.dtype.kind in "fiub":
        return value.item()
    if isinstance(value, (int, float)):
        return value
    raise TypeError(
        f"{op.name}: operand must be a Tensor or a number, not {type(value).__name__}; "
        "jitgrad.tensor(x) makes a Tensor"
    )


def cast_node(node: Node, dtype: DType, where: Any) -> Node:
    return Node(OPS["cast"], (node,), (dtype,), node.shape, dtype, node.device, where)


def expand_node(node: Node, shape: Shape, where: Any) -> Node:
    lead = len(shape) - len(node.shape)
    if lead:
        full = (1,) * lead + node.shape
        node = Node(OPS["reshape"], (node,), (full,), full, node.dtype, node.device, where)
        if full == shape:
            return node
    return Node(OPS["expand"], (node,), (shape,), shape, node.dtype, node.device, where)

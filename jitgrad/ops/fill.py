"""Values that rules and composed functions start from: zeros, ones, counters, cut gradients.

Each takes `like`, an operand whose class (Node or Tensor) the result has. Imports: ir, movement.
"""

from __future__ import annotations

from typing import Any

from jitgrad.ir.apply import const, make_source
from jitgrad.ir.node import Node
from jitgrad.ops.movement import expand, reshape


def lift(node: Node, like: Any) -> Any:
    """`node` as what `like` is: a Node, or a Tensor without history."""
    convert = getattr(type(like), "_from_node", None)
    return node if convert is None else convert(node)


def filled(value: Any, shape: Any, dtype: Any, like: Any) -> Any:
    """A Const of `shape` and `dtype` on the device of `like`."""
    shape = tuple(shape)
    one = lift(const(value, dtype, str(like.device)), like)
    return expand(reshape(one, shape=(1,) * len(shape)), shape=shape) if shape else one


def full_of(value: Any, x: Any, like: Any = None) -> Any:
    """A Const with the shape and dtype of `x`."""
    return filled(value, x.shape, x.dtype, x if like is None else like)


def zeros_of(x: Any, like: Any = None) -> Any:
    """Zeros of the shape and dtype of `x`, as a Node or a Tensor as `like` is."""
    return full_of(0, x, like)


def iota_of(shape: Any, axis: int, like: Any) -> Any:
    """The int64 index along `axis` at every position of `shape`."""
    return lift(make_source("iota", str(like.device), shape=tuple(shape), axis=axis), like)


def detached(x: Any) -> Any:
    """`x` without its history (a Node has none)."""
    return x.detach() if hasattr(type(x), "_from_node") else x


def no_gradient(g: Any, _: Any, *operands: Any) -> Any:
    """The rule of ops that are constant almost everywhere: zeros, as in PyTorch."""
    zeros = tuple(zeros_of(x, g) for x in operands)
    return zeros if len(zeros) > 1 else zeros[0]

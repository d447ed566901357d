"""Matrix products of every form: vectors, batches, broadcast batches, all by one `matmul`.

Imports: ir, the entries.
"""

from __future__ import annotations

import math
from typing import Any

from jitgrad.ir.apply import broadcast_shapes
from jitgrad.ops.library import matmul as matrices
from jitgrad.ops.movement import expand, reshape

__all__ = ["addmm", "bmm", "dot", "matmul", "mm", "mv", "outer"]

Value = Any


def matmul(x: Value, y: Value) -> Value:
    """x @ y: vectors are rows on the left and columns on the right; batch axes broadcast."""
    a, b = tuple(x.shape), tuple(y.shape)
    if not a or not b:
        raise RuntimeError(f"matmul: both operands need at least 1 axis, got {a} @ {b}")
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise RuntimeError(f"matmul: inner sizes differ: {a} @ {b}, {a[-1]} != {inner}")
    if len(a) == 1:
        x = reshape(x, shape=(1, *a))
    if len(b) == 1:
        y = reshape(y, shape=(*b, 1))
    try:
        batch = broadcast_shapes("matmul", tuple(x.shape)[:-2], tuple(y.shape)[:-2])
    except RuntimeError:
        raise RuntimeError(
            f"matmul: the axes before the last two do not broadcast: {a} @ {b}"
        ) from None
    out = _stacks(x, y, batch)
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    want = (*batch, *rows, *columns)
    return out if tuple(out.shape) == want else reshape(out, shape=want)


def _stacks(x: Value, y: Value, batch: tuple[int, ...]) -> Value:
    """Operands of at least 2 axes; one matrix on the right makes the left one tall matrix."""
    a, b = tuple(x.shape), tuple(y.shape)
    if len(b) == 2 or math.prod(b[:-2]) == 1:
        tall = reshape(x, shape=(math.prod(a[:-1]), a[-1])) if len(a) != 2 else x
        right = reshape(y, shape=b[-2:]) if len(b) != 2 else y
        return reshape(matrices(tall, right), shape=(*batch, a[-2], b[-1]))
    return matrices(_batched(x, batch), _batched(y, batch))


def _batched(x: Value, batch: tuple[int, ...]) -> Value:
    shape = (*batch, *tuple(x.shape)[-2:])
    full = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
    if full != tuple(x.shape):
        x = reshape(x, shape=full)
    return x if full == shape else expand(x, shape=shape)


def _ranks(name: str, *wanted: tuple[Value, int]) -> None:
    if any(len(x.shape) != rank for x, rank in wanted):
        shapes = " and ".join(str(tuple(x.shape)) for x, _ in wanted)
        ranks = " and ".join(str(rank) for _, rank in wanted)
        raise RuntimeError(f"{name}: needs operands of {ranks} axes, got shapes {shapes}")


def mm(x: Value, y: Value) -> Value:
    """Product of two matrices."""
    _ranks("mm", (x, 2), (y, 2))
    return matrices(x, y)


def bmm(x: Value, y: Value) -> Value:
    """Products of two stacks of matrices."""
    _ranks("bmm", (x, 3), (y, 3))
    return matrices(x, y)


def mv(x: Value, y: Value) -> Value:
    """Product of a matrix and a vector."""
    _ranks("mv", (x, 2), (y, 1))
    return matmul(x, y)


def dot(x: Value, y: Value) -> Value:
    """Inner product of two vectors."""
    _ranks("dot", (x, 1), (y, 1))
    return matmul(x, y)


def outer(x: Value, y: Value) -> Value:
    """All products of the elements of two vectors."""
    _ranks("outer", (x, 1), (y, 1))
    return reshape(x, shape=(*x.shape, 1)) * reshape(y, shape=(1, *y.shape))


def addmm(x: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta * x + alpha * (a @ b); beta = 0 ignores x."""
    _ranks("addmm", (a, 2), (b, 2))
    product = matrices(a, b)
    product = product if alpha == 1 else alpha * product
    if beta == 0:
        return product
    return (x if beta == 1 else beta * x) + product

"""Arrangements composed of movement ops, writes and counters: pad, roll, triangles, diagonals.

Axes are counted from the front. Imports: ir, the entries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jitgrad.ir import dtype as dt
from jitgrad.ops.compare import check_index, eq, ge, where
from jitgrad.ops.elementwise import cast
from jitgrad.ops.fill import filled, iota_of
from jitgrad.ops.library import cat, put_rows, write
from jitgrad.ops.movement import apply_chain, expand, reshape, slice_
from jitgrad.ops.scan import flip

__all__ = [
    "diag", "diag_embed", "diagonal", "flip", "one_hot", "pad", "repeat", "roll", "scatter",
    "stack", "tril", "triu",
]  # fmt: skip

Value = Any
Chain = tuple[tuple[str, tuple[Any, ...]], ...]


def _part(x: Value, axis: int, start: int, size: int) -> Value:
    """`size` elements from `start` along one axis."""
    shape = tuple(x.shape)
    starts = tuple(start if i == axis else 0 for i in range(len(shape)))
    sizes = tuple(size if i == axis else n for i, n in enumerate(shape))
    return slice_(x, starts=starts, steps=(1,) * len(shape), sizes=sizes)


def pad(x: Value, widths: Sequence[tuple[int, int]], value: Any = 0) -> Value:
    """`x` with (before, after) elements of `value` added on each axis; negative widths crop."""
    rank = len(x.shape)
    if len(widths) != rank:
        raise RuntimeError(f"pad: {len(widths)} pairs of widths for shape {tuple(x.shape)}")
    kept = tuple(n + min(a, 0) + min(b, 0) for n, (a, b) in zip(x.shape, widths, strict=True))
    if any(n < 0 for n in kept):
        raise RuntimeError(f"pad: widths {list(widths)} crop more than shape {tuple(x.shape)} has")
    if kept != tuple(x.shape):
        cut = tuple(max(-a, 0) for a, _ in widths)
        x = slice_(x, starts=cut, steps=(1,) * rank, sizes=kept)
    shape = tuple(n + max(a, 0) + max(b, 0) for n, (a, b) in zip(kept, widths, strict=True))
    if shape == kept:
        return x
    at = tuple(max(a, 0) for a, _ in widths)
    return write(filled(value, shape, x.dtype, x), x, chain=(("slice", (at, (1,) * rank, kept)),))


def roll(x: Value, shifts: Sequence[int], axes: Sequence[int]) -> Value:
    """Elements moved by `shifts` along `axes`; what leaves at one end enters at the other."""
    for shift, axis in zip(shifts, axes, strict=True):
        n = x.shape[axis]
        k = shift % n if n else 0
        if k:
            x = cat(_part(x, axis, n - k, k), _part(x, axis, 0, n - k), axis=axis)
    return x


def stack(parts: Sequence[Value], *, axis: int) -> Value:
    """Parts of one shape joined along a new axis."""
    first = tuple(parts[0].shape)
    for part in parts[1:]:
        if tuple(part.shape) != first:
            raise RuntimeError(f"stack: shapes differ: {first} and {tuple(part.shape)}")
    shape = (*first[:axis], 1, *first[axis:])
    return cat(*[reshape(p, shape=shape) for p in parts], axis=axis)


def repeat(x: Value, counts: Sequence[int]) -> Value:
    """`x` laid counts[i] times along axis i; extra leading counts make new axes."""
    shape = (1,) * (len(counts) - len(x.shape)) + tuple(x.shape)
    if len(counts) < len(shape):
        raise RuntimeError(f"repeat: {len(counts)} counts for shape {shape}")
    thin = tuple(v for n in shape for v in (1, n))
    wide = tuple(v for c, n in zip(counts, shape, strict=True) for v in (c, n))
    out = tuple(c * n for c, n in zip(counts, shape, strict=True))
    return reshape(expand(reshape(x, shape=thin), shape=wide), shape=out)


def _triangle(x: Value, lower: bool, diagonal: int) -> Value:
    if len(x.shape) < 2:
        name = "tril" if lower else "triu"
        raise RuntimeError(f"{name}: needs at least 2 axes, got shape {tuple(x.shape)}")
    shape = tuple(x.shape[-2:])
    row, column = iota_of(shape, 0, x), iota_of(shape, 1, x)
    inside = ge(row + diagonal, column) if lower else ge(column, row + diagonal)
    return where(inside, x, False if x.dtype is dt.bool_ else 0)


def tril(x: Value, diagonal: int = 0) -> Value:
    """The elements on and below a diagonal of the last two axes, zeros above."""
    return _triangle(x, True, diagonal)


def triu(x: Value, diagonal: int = 0) -> Value:
    """The elements on and above a diagonal of the last two axes, zeros below."""
    return _triangle(x, False, diagonal)


def diagonal_chain(shape: Sequence[int], offset: int, axis1: int, axis2: int) -> Chain:
    """The view that selects a diagonal: movement steps for `apply_chain` or a write."""
    rank = len(shape)
    order = (*[i for i in range(rank) if i not in (axis1, axis2)], axis1, axis2)
    kept = tuple(shape[i] for i in order[:-2])
    rows, columns = shape[axis1], shape[axis2]
    start = offset if offset >= 0 else -offset * columns
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    zeros, ones = (0,) * len(kept), (1,) * len(kept)
    steps = (
        ("permute", (order,)),
        ("reshape", ((*kept, rows * columns),)),
        ("slice", ((*zeros, start if length else 0), (*ones, columns + 1), (*kept, length))),
    )
    return steps[1:] if order == tuple(range(rank)) else steps


def diagonal(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """The diagonal of two axes, as the last axis: a view."""
    if axis1 == axis2:
        raise RuntimeError(f"diagonal: the two axes are the same: {axis1}")
    return apply_chain(x, diagonal_chain(tuple(x.shape), offset, axis1, axis2))


def diag_embed(x: Value, offset: int = 0) -> Value:
    """Matrices (two last axes) with `x` on a diagonal and zeros elsewhere."""
    n = x.shape[-1] + abs(offset)
    shape = (*x.shape[:-1], n, n)
    chain = diagonal_chain(shape, offset, len(shape) - 2, len(shape) - 1)
    return write(filled(0, shape, x.dtype, x), x, chain=chain)


def diag(x: Value, diagonal_: int = 0) -> Value:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if len(x.shape) == 1:
        return diag_embed(x, diagonal_)
    if len(x.shape) == 2:
        return diagonal(x, diagonal_)
    raise RuntimeError(f"diag: needs 1 or 2 axes, got shape {tuple(x.shape)}")


def one_hot(index: Value, num_classes: int) -> Value:
    """int64 rows with a 1 at each index; indices outside [0, num_classes) raise IndexError."""
    if index.dtype is not dt.int64:
        raise RuntimeError(f"one_hot: the index must be int64, not {index.dtype}")
    shape = tuple(index.shape)
    inside = check_index(index, num_classes, what="one_hot", wrapped=False)
    classes = iota_of((*(1 for _ in shape), num_classes), len(shape), index)
    return cast(eq(reshape(inside, shape=(*shape, 1)), classes), dtype=dt.int64)


def scatter(x: Value, index: Value, src: Value, *, axis: int) -> Value:
    """`x` with src written at `index` along `axis`; the last one in row-major order wins."""
    shape, part = tuple(x.shape), tuple(index.shape)
    if (
        len(part) != len(shape)
        or len(tuple(src.shape)) != len(shape)
        or any(
            i != axis and m > n or m > s
            for i, (m, n, s) in enumerate(zip(part, shape, src.shape, strict=True))
        )
    ):
        raise RuntimeError(
            f"scatter: index {part} does not fit into {shape} and src {tuple(src.shape)}"
        )
    if tuple(src.shape) != part:
        src = slice_(src, starts=(0,) * len(part), steps=(1,) * len(part), sizes=part)
    inside = check_index(index, shape[axis], what="scatter", wrapped=False)
    flat = inside * math.prod(shape[axis + 1 :])
    for i in range(len(shape)):
        if i != axis:
            flat = flat + iota_of(part, i, index) * math.prod(shape[i + 1 :])
    out = put_rows(
        reshape(x, shape=(math.prod(shape),)),
        reshape(flat, shape=(math.prod(part),)),
        reshape(src, shape=(math.prod(part),)),
    )
    return reshape(out, shape=shape)

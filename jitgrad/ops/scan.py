"""Running sums, products and linear recurrences along an axis, in order.

The recurrence h[t] = a[t] * h[t-1] + b[t] is its own gradient's shape, so products of any order
are differentiated without a division: zeros need no special case. Imports: ir, movement, fill.
"""

from __future__ import annotations

import math

import numpy as np

from jitgrad.ir.op import library
from jitgrad.ops.fill import filled
from jitgrad.ops.library import cat
from jitgrad.ops.movement import permute, reshape, slice_


def _same(x, axis):
    return x


@library(numpy=lambda x, axis: np.cumsum(x, axis, dtype=_wide(x)), shape=_same)
def cumsum(x, *, axis):
    """Running sum along `axis`, in order; integers wrap."""


@cumsum.gradient
def _(g, y, x, axis):
    return flip(cumsum(flip(g, (axis,)), axis=axis), (axis,))


@library(numpy=lambda x, axis: np.cumprod(x, axis, dtype=_wide(x)), shape=_same)
def cumprod(x, *, axis):
    """Running product along `axis`, in order; integers wrap."""


@cumprod.gradient
def _(g, y, x, axis):
    return _carried(x, g, axis) * _later(y, axis, 1)


def _wide(x):
    """The dtype the oracle accumulates in."""
    return np.float64 if x.dtype.kind == "f" else x.dtype


def _linear_numpy(a, b, axis):
    h = np.zeros_like(b, dtype=_wide(b))
    a, b, out = (np.moveaxis(v, axis, 0) for v in (a, b, h))
    for t in range(len(b)):
        out[t] = (a[t] * out[t - 1] if t else 0) + b[t]
    return h


def _linear_shape(a, b, axis):
    if a != b:
        raise RuntimeError(f"linear_scan: shapes differ: {tuple(a)} and {tuple(b)}")
    return b


@library(numpy=_linear_numpy, shape=_linear_shape)
def linear_scan(a, b, *, axis):
    """h[t] = a[t] * h[t-1] + b[t] along `axis`, from h = 0; a[0] is not used."""


@linear_scan.gradient
def _(g, h, a, b, axis):
    carried = _carried(a, g, axis)
    return carried * _later(h, axis, 0), carried


def _carried(a, g, axis):
    """The gradient that reaches position t: s[t] = g[t] + a[t+1] * s[t+1]."""
    back = _later(flip(a, (axis,)), axis, 0)
    return flip(linear_scan(back, flip(g, (axis,)), axis=axis), (axis,))


def _later(x, axis, first):
    """`x` one position later along `axis`, beginning with the number `first`."""
    shape = tuple(x.shape)
    if shape[axis] == 0:
        return x
    one = tuple(1 if i == axis else n for i, n in enumerate(shape))
    rest = tuple(n - 1 if i == axis else n for i, n in enumerate(shape))
    kept = slice_(x, starts=(0,) * len(shape), steps=(1,) * len(shape), sizes=rest)
    return cat(filled(first, one, x.dtype, x), kept, axis=axis)


def flip(x, axes):
    """`x` reversed along `axes`: a view."""
    shape = tuple(x.shape)
    starts = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(shape))
    steps = tuple(-1 if i in axes else 1 for i in range(len(shape)))
    return slice_(x, starts=starts, steps=steps, sizes=shape)


def product_of_others(x, axes):
    """At each element the product of all others over `axes`: products from both sides."""
    shape, rank = tuple(x.shape), len(x.shape)
    order = tuple(i for i in range(rank) if i not in axes) + tuple(axes)
    moved = tuple(shape[i] for i in order)
    kept = moved[: rank - len(axes)]
    row = reshape(permute(x, order=order), shape=(*kept, math.prod(moved[len(kept) :])))
    last = (len(kept),)
    before = _later(cumprod(row, axis=last[0]), last[0], 1)
    after = flip(_later(cumprod(flip(row, last), axis=last[0]), last[0], 1), last)
    inverse = tuple(order.index(i) for i in range(rank))
    return permute(reshape(before * after, shape=moved), order=inverse)

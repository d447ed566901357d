"""Reductions composed of primitives: means, variances, norms, log-sums, order along an axis.

Like the primitive reductions they take `axes`, a tuple of axes counted from the front, and keep
them as size 1. Imports: ir, the entries.
"""

from __future__ import annotations

import math
from typing import Any

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import default_float
from jitgrad.ops import reduction as r
from jitgrad.ops.compare import eq, ne, where
from jitgrad.ops.composed import is_number
from jitgrad.ops.elementwise import abs_, cast, pow_, sqrt
from jitgrad.ops.fill import detached, filled
from jitgrad.ops.library import argsort, gather
from jitgrad.ops.movement import slice_
from jitgrad.ops.scan import cumprod, cumsum
from jitgrad.ops.transcendental import exp, log

__all__ = [
    "all_true", "any_true", "count_nonzero", "log_softmax", "logsumexp", "max_along", "mean",
    "min_along", "norm", "running_product", "running_sum", "softmax", "sort", "std", "topk", "var",
]  # fmt: skip

Axes = tuple[int, ...]
Value = Any


def _count(x: Value, axes: Axes) -> int:
    return math.prod(x.shape[i] for i in axes)


def _floating(name: str, x: Value) -> None:
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: not defined for {x.dtype}; convert to a floating dtype first")


def _as_float(x: Value) -> Value:
    return x if x.dtype.kind == "f" else cast(x, dtype=default_float())


def mean(x: Value, *, axes: Axes) -> Value:
    """Mean over `axes`; NaN of nothing."""
    _floating("mean", x)
    return r.sum_(x, axes=axes) / _count(x, axes)


def var(x: Value, *, axes: Axes, correction: float = 1) -> Value:
    """Squared deviations from the mean, summed and divided by count - correction (at least 0)."""
    _floating("var", x)
    away = x - mean(x, axes=axes)
    return r.sum_(away * away, axes=axes) / max(_count(x, axes) - correction, 0)


def std(x: Value, *, axes: Axes, correction: float = 1) -> Value:
    """Square root of `var`; its gradient is 0 where that is 0."""
    _floating("std", x)
    return _root(var(x, axes=axes, correction=correction))


def _root(x: Value) -> Value:
    """Square root with slope 0 at 0: there norms and deviations have their minimum."""
    zero = eq(x, 0)
    return where(zero, 0, sqrt(where(zero, 1, x)))


def _largest(x: Value, axes: Axes) -> Value:
    """The maximum as a shift: without gradient, and 0 where it is infinite."""
    top = r.max_(detached(x), axes=axes)
    return where(eq(abs_(top), math.inf), 0, top)


def logsumexp(x: Value, *, axes: Axes) -> Value:
    """log(sum(exp(x))) over `axes` without overflow; -inf of nothing."""
    x = _as_float(x)
    if _count(x, axes) == 0:
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        return filled(-math.inf, kept, x.dtype, x) + r.sum_(x, axes=axes)  # which has a gradient
    shift = _largest(x, axes)
    return log(r.sum_(exp(x - shift), axes=axes)) + shift


def softmax(x: Value, *, axes: Axes) -> Value:
    """exp(x) over its sum along `axes`."""
    if _count(x, axes) == 0:
        return x
    e = exp(x - r.max_(detached(x), axes=axes))
    return e * (1 / r.sum_(e, axes=axes))  # one division a row


def log_softmax(x: Value, *, axes: Axes) -> Value:
    """Logarithm of `softmax`."""
    if _count(x, axes) == 0:
        return x
    low = x - r.max_(detached(x), axes=axes)
    return low - log(r.sum_(exp(low), axes=axes))


def count_nonzero(x: Value, *, axes: Axes) -> Value:
    """How many elements over `axes` are not zero."""
    return r.sum_(_truth(x), axes=axes)


def norm(x: Value, *, axes: Axes, p: float = 2) -> Value:
    """(sum |x|**p)**(1/p) over `axes`; p may be inf, -inf and 0 (non-zeros); slope 0 at 0."""
    _floating("norm", x)
    if p == 2:
        return _root(r.sum_(x * x, axes=axes))
    if p == 0:
        return r.sum_(cast(ne(x, 0), dtype=x.dtype), axes=axes)
    if p == 1:
        return r.sum_(abs_(x), axes=axes)
    if p == math.inf:
        return r.max_(abs_(x), axes=axes)
    if p == -math.inf:
        return r.min_(abs_(x), axes=axes)
    return _power0(r.sum_(_power0(abs_(x), p), axes=axes), 1 / p)


def _power0(x: Value, p: float) -> Value:
    """x**p for x >= 0, with slope 0 at 0."""
    zero = eq(x, 0)
    return where(zero, 0 if p > 0 else math.inf, pow_(where(zero, 1, x), p))


def _truth(x: Value) -> Value:
    return x if x.dtype is dt.bool_ else ne(x, 0)


def any_true(x: Value, *, axes: Axes) -> Value:
    """Whether any element over `axes` is not zero; uint8 answers in uint8."""
    out = r.any_(_truth(x), axes=axes)
    return cast(out, dtype=dt.uint8) if x.dtype is dt.uint8 else out


def all_true(x: Value, *, axes: Axes) -> Value:
    """Whether all elements over `axes` are not zero; uint8 answers in uint8."""
    out = r.all_(_truth(x), axes=axes)
    return cast(out, dtype=dt.uint8) if x.dtype is dt.uint8 else out


def running_sum(x: Value, *, axis: int) -> Value:
    """Cumulative sum along `axis`; integers and bools in int64."""
    return cumsum(x if x.dtype.kind == "f" else cast(x, dtype=dt.int64), axis=axis)


def running_product(x: Value, *, axis: int) -> Value:
    """Cumulative product along `axis`; integers and bools in int64."""
    return cumprod(x if x.dtype.kind == "f" else cast(x, dtype=dt.int64), axis=axis)


def max_along(x: Value, *, axis: int) -> tuple[Value, Value]:
    """Largest elements along one axis and their (first) indices; the gradient goes to those."""
    index = r.argmax(x, axes=(axis,))
    return gather(x, index, axis=axis), index


def min_along(x: Value, *, axis: int) -> tuple[Value, Value]:
    """Smallest elements along one axis and their (first) indices; the gradient goes to those."""
    index = r.argmin(x, axes=(axis,))
    return gather(x, index, axis=axis), index


def sort(x: Value, *, axis: int, descending: bool = False) -> tuple[Value, Value]:
    """Elements in order along `axis`, stable, NaN as the largest, and where they stood."""
    index = argsort(x, axis=axis, descending=descending)
    return gather(x, index, axis=axis), index


def topk(x: Value, k: int, *, axis: int, largest: bool = True) -> tuple[Value, Value]:
    """The k largest (or smallest) elements along `axis` in order, and their indices."""
    shape = tuple(x.shape)
    if not is_number(k) or not 0 <= k <= shape[axis]:
        raise RuntimeError(f"topk: k = {k} is not between 0 and the {shape[axis]} of axis {axis}")
    index = argsort(x, axis=axis, descending=largest)
    sizes = tuple(k if i == axis else n for i, n in enumerate(shape))
    first = slice_(index, starts=(0,) * len(shape), steps=(1,) * len(shape), sizes=sizes)
    return gather(x, first, axis=axis), first

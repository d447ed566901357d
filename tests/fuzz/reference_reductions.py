"""Reductions, scans and what is normalised by them, a derivative beside each value.

Entry: `METHODS`, `log_softmax`.
"""

from __future__ import annotations

import math

import numpy as np

from tests.fuzz.reference import lift, wide


def axes_of(x, dim):
    """The axes that `dim` names."""
    if dim is None or dim == ():
        return tuple(range(x.v.ndim))
    return tuple(d % max(x.v.ndim, 1) for d in ((dim,) if isinstance(dim, int) else dim))


def total(x, dim=None, keepdim=False):
    """Sum; of integers in int64."""
    axes = axes_of(x, dim)
    dtype = x.v.dtype if x.v.dtype.kind == "f" else np.int64
    y = np.sum(x.world.rounded(x.v), axes, dtype=dtype, keepdims=keepdim)  # terms may cancel
    return lift(x.world, [x], y, lambda: np.sum(x.dot, axes, keepdims=keepdim))


def mean(x, dim=None, keepdim=False):
    """Mean of a floating tensor."""
    axes = axes_of(x, dim)
    v = x.world.rounded(x.v)
    y = np.mean(v, axes, keepdims=keepdim, dtype=np.float64).astype(x.v.dtype)
    return lift(x.world, [x], y, lambda: np.mean(x.dot, axes, keepdims=keepdim))


def var(x, dim=None, keepdim=False):
    """Unbiased variance."""
    axes = axes_of(x, dim)
    n = math.prod(x.v.shape[a] for a in axes)
    away = wide(x) - wide(x).mean(axes, keepdims=True)
    y = (np.sum(away * away, axes, keepdims=keepdim) / (n - 1)).astype(x.v.dtype)
    return lift(x.world, [x], y, lambda: np.sum(2 * away * x.dot, axes, keepdims=keepdim) / (n - 1))


def prod(x, dim=None, keepdim=False):
    """Product along one axis or of all."""
    axes = axes_of(x, dim)
    dtype = x.v.dtype if x.v.dtype.kind == "f" else np.int64
    y = np.prod(x.v, axes, dtype=dtype, keepdims=keepdim)

    def tangent():
        flat = np.moveaxis(wide(x), axes, range(len(axes)))
        slopes = np.moveaxis(x.dot, axes, range(len(axes)))
        rest = flat.shape[len(axes) :]
        count = math.prod(flat.shape[: len(axes)])
        flat, slopes = flat.reshape(count, *rest), slopes.reshape(count, *rest)
        out = np.zeros(rest)
        for i in range(len(flat)):
            out = out + np.prod(np.delete(flat, i, 0), 0) * slopes[i]
        return np.reshape(out, y.shape)

    return lift(x.world, [x], y, tangent)


def extreme(fn, arg):
    """max or min: of all and over axes ties share the slope; along one axis the first has it."""

    def over(x, dim=(), keepdim=False):
        axes = axes_of(x, dim)
        y = fn(x.v, axes, keepdims=keepdim)
        tie = x.v == fn(x.v, axes, keepdims=True)

        def tangent():
            shares = tie / np.sum(tie, axes, keepdims=True)
            return np.sum(np.where(tie, shares * x.dot, 0), axes, keepdims=keepdim)

        return lift(x.world, [x], y, tangent)

    def along(x, dim, keepdim=False):
        at = np.expand_dims(arg(x.v, dim), dim)
        y = np.take_along_axis(x.v, at, dim)
        values = lift(x.world, [x], y, lambda: np.take_along_axis(x.dot, at, dim))
        index = lift(x.world, [], at)
        if not keepdim:
            values = values.see(lambda a: np.squeeze(a, dim))
            index = index.see(lambda a: np.squeeze(a, dim))
        return values, index

    def index(x, dim=None, keepdim=False):
        if dim is None:
            return lift(x.world, [], arg(x.v.reshape(-1)))
        at = arg(x.v, dim)
        return lift(x.world, [], np.expand_dims(at, dim) if keepdim else at)

    return over, along, index


def truth(fn):
    """any or all."""

    def run(x, dim=None, keepdim=False):
        y = fn(x.v, axes_of(x, dim), keepdims=keepdim)
        return lift(x.world, [], y, dtype=np.uint8 if x.v.dtype == np.uint8 else np.bool_)

    return run


def cumsum(x, dim):
    """Running sum."""
    dtype = x.v.dtype if x.v.dtype.kind == "f" else np.int64
    return lift(x.world, [x], np.cumsum(x.v, dim, dtype=dtype), lambda: np.cumsum(x.dot, dim))


def logsumexp(x, dim, keepdim=False):
    """Logarithm of a sum of exponentials."""
    axes = axes_of(x, dim)
    top = wide(x).max(axes, keepdims=True)
    top = np.where(np.isinf(top), 0.0, top)
    e = np.exp(wide(x) - top)
    y = (np.log(e.sum(axes, keepdims=True)) + top).astype(x.v.dtype)
    t = lambda: (e * x.dot).sum(axes, keepdims=True) / e.sum(axes, keepdims=True)  # noqa: E731
    out = lift(x.world, [x], y, t)
    return out if keepdim else out.see(lambda a: np.squeeze(a, axes))


def softmax(x, dim):
    """Exponentials over their sum."""
    e = np.exp(wide(x) - wide(x).max(dim, keepdims=True))
    y = e / e.sum(dim, keepdims=True)
    t = lambda: y * (x.dot - (y * x.dot).sum(dim, keepdims=True))  # noqa: E731
    return lift(x.world, [x], y, t, x.v.dtype)


def log_softmax(x, dim):
    """Logarithm of softmax."""
    low = wide(x) - wide(x).max(dim, keepdims=True)
    y = low - np.log(np.exp(low).sum(dim, keepdims=True))
    t = lambda: x.dot - (np.exp(y) * x.dot).sum(dim, keepdims=True)  # noqa: E731
    return lift(x.world, [x], y, t, x.v.dtype)


def sort(x, dim=-1, descending=False):
    """Values and indices in stable order; nan is larger than anything."""
    order = np.argsort(x.v, dim, kind="stable")
    if descending:
        missing = np.isnan(x.v * 1.0)
        order = np.lexsort((np.where(missing, 0, -x.v), ~missing), dim)
    slope = lambda: np.take_along_axis(x.dot, order, dim)  # noqa: E731
    values = lift(x.world, [x], np.take_along_axis(x.v, order, dim), slope)
    return values, lift(x.world, [], order)


amax, max_along, argmax = extreme(np.max, np.argmax)
amin, min_along, argmin = extreme(np.min, np.argmin)
METHODS = {
    "sum": total,
    "mean": mean,
    "var": var,
    "prod": prod,
    "amax": amax,
    "amin": amin,
    "argmax": argmax,
    "argmin": argmin,
    "max": lambda x, *a, **k: max_along(x, *a, **k) if a or k else amax(x),
    "min": lambda x, *a, **k: min_along(x, *a, **k) if a or k else amin(x),
    "any": truth(np.any),
    "all": truth(np.all),
    "cumsum": cumsum,
    "sort": sort,
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
}

"""Reductions over axes, which stay as axes of size 1.

The tree is fixed by (shape, axes, dtype) alone, so a value never depends on fusion or threads; see
`jitgrad.kernels.reduce`.
"""

from __future__ import annotations

import math

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.op import reduction
from jitgrad.ops.compare import eq
from jitgrad.ops.elementwise import cast
from jitgrad.ops.movement import expand


def _kept(shape, axes):
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _nonempty(name):
    def rule(shape, axes):
        for axis in axes:
            if shape[axis] == 0:
                raise IndexError(
                    f"{name}: axis {axis} of shape {tuple(shape)} has size 0 and the reduction "
                    "has no identity"
                )
        return _kept(shape, axes)

    return rule


def _accumulate(dtype, axes):
    return dtype if dtype.kind == "f" else dt.int64


def _wide(x):
    """The dtype the oracle adds and multiplies in."""
    return np.float64 if x.dtype.kind == "f" else np.int64


@reduction(
    "sum",
    numpy=lambda x, axes: x.sum(axes, dtype=_wide(x), keepdims=True),
    shape=_kept,
    promote=_accumulate,
)
def sum_(x, *, axes):
    """Sum over `axes`; integers and bools add up in int64."""


@sum_.gradient
def _(g, y, x, axes):
    return expand(g, shape=x.shape)


@reduction(
    "prod",
    numpy=lambda x, axes: x.prod(axes, dtype=_wide(x), keepdims=True),
    shape=_kept,
    promote=_accumulate,
)
def prod(x, *, axes):
    """Product over `axes`; integers and bools multiply in int64."""


@prod.gradient
def _(g, y, x, axes):
    from jitgrad.ops.scan import product_of_others

    return expand(g, shape=x.shape) * product_of_others(x, axes)


@reduction(
    "max", numpy=lambda x, axes: x.max(axes, keepdims=True), shape=_nonempty("max"), promote="same"
)
def max_(x, *, axes):
    """Largest element over `axes`; NaN wins."""


@reduction(
    "min", numpy=lambda x, axes: x.min(axes, keepdims=True), shape=_nonempty("min"), promote="same"
)
def min_(x, *, axes):
    """Smallest element over `axes`; NaN wins."""


def _share_ties(g, y, x, axes):
    """Equal shares to all positions that hold the extreme value, as PyTorch's amax does."""
    hit = cast(eq(x, expand(y, shape=x.shape)), dtype=x.dtype)
    return expand(g / sum_(hit, axes=axes), shape=x.shape) * hit


max_.gradient(_share_ties)
min_.gradient(_share_ties)


@reduction(
    "any",
    numpy=lambda x, axes: x.any(axes, keepdims=True),
    shape=_kept,
    promote="bool",
    gradient=None,
)
def any_(x, *, axes):
    """Whether any element over `axes` is true (bool operand)."""


@reduction(
    "all",
    numpy=lambda x, axes: x.all(axes, keepdims=True),
    shape=_kept,
    promote="bool",
    gradient=None,
)
def all_(x, *, axes):
    """Whether all elements over `axes` are true (bool operand)."""


def _arg(numpy):
    def oracle(x, axes):
        kept = [i for i in range(x.ndim) if i not in axes]
        count = math.prod(x.shape[i] for i in axes)
        moved = x.transpose(kept + sorted(axes)).reshape([x.shape[i] for i in kept] + [count])
        return numpy(moved, -1).reshape(_kept(x.shape, axes))

    return oracle


@reduction(
    "argmax", numpy=_arg(np.argmax), shape=_nonempty("argmax"), promote="index", gradient=None
)
def argmax(x, *, axes):
    """Row-major index, over `axes`, of the first largest element; NaN wins."""


@reduction(
    "argmin", numpy=_arg(np.argmin), shape=_nonempty("argmin"), promote="index", gradient=None
)
def argmin(x, *, axes):
    """Row-major index, over `axes`, of the first smallest element; NaN wins."""

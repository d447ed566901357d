"""Ops that move elements without computing: each is an index map from output to input.

All are views: over realised memory the compiler turns a chain of them into strides and an offset.
"""

from __future__ import annotations

import math

import numpy as np

from jitgrad.ir.op import movement


def _reshape_shape(shape, new):
    if math.prod(shape) != math.prod(new):
        raise RuntimeError(
            f"reshape: shape {tuple(shape)} has {math.prod(shape)} elements, "
            f"{tuple(new)} needs {math.prod(new)}"
        )
    return new


@movement(numpy=lambda x, shape: x.reshape(shape), shape=_reshape_shape)
def reshape(x, *, shape):
    """The same elements in row-major order under another shape."""


@reshape.gradient
def _(g, y, x, shape):
    return reshape(g, shape=x.shape)


@movement(
    numpy=lambda x, order: x.transpose(order),
    shape=lambda shape, order: tuple(shape[i] for i in order),
)
def permute(x, *, order):
    """Axes in another order: output axis i is input axis order[i]."""


@permute.gradient
def _(g, y, x, order):
    inverse = [0] * len(order)
    for i, axis in enumerate(order):
        inverse[axis] = i
    return permute(g, order=tuple(inverse))


def _expand_shape(shape, new):
    if len(shape) != len(new) or any(a not in (1, b) for a, b in zip(shape, new, strict=True)):
        raise RuntimeError(
            f"expand: shape {tuple(shape)} cannot be expanded to {tuple(new)}: "
            "only axes of size 1 can grow"
        )
    return new


@movement(numpy=lambda x, shape: np.broadcast_to(x, shape), shape=_expand_shape)
def expand(x, *, shape):
    """Axes of size 1 repeated to `shape` without copying."""


@expand.gradient
def _(g, y, x, shape):
    axes = tuple(i for i, (a, b) in enumerate(zip(x.shape, shape, strict=True)) if a != b)
    from jitgrad.ops.reduction import sum_

    return sum_(g, axes=axes) if axes else g


def _slice_numpy(x, starts, steps, sizes):
    at = [s + k * np.arange(n) for s, k, n in zip(starts, steps, sizes, strict=True)]
    return x[np.ix_(*at)] if at else x


@movement(numpy=_slice_numpy, shape=lambda shape, starts, steps, sizes: sizes)
def slice_(x, *, starts, steps, sizes):
    """Element i along an axis is element start + i * step of the input; steps may be negative."""


@slice_.gradient
def _(g, y, x, starts, steps, sizes):
    from jitgrad.ops.fill import zeros_of
    from jitgrad.ops.library import write

    return write(zeros_of(x, g), g, chain=(("slice", (starts, steps, sizes)),))


def apply_chain(x, chain):
    """Replay a view: the movement steps ((op name, attrs), ...) on `x`."""
    from jitgrad.ir.op import OPS

    for name, attrs in chain:
        op = OPS[name]
        recorder = {"reshape": reshape, "permute": permute, "expand": expand, "slice": slice_}[name]
        x = recorder(x, **dict(zip(op.attr_names, attrs, strict=True)))
    return x

"""Ops with a hand-written kernel: products of matrices, writes, gathers, sorts.

Their gradients return library ops, so that second order is the same code.
"""

from __future__ import annotations

import numpy as np

from jitgrad.ir.call import meant
from jitgrad.ir.dtype import DType, bool_, int64
from jitgrad.ir.node import Node
from jitgrad.ir.op import OPS, library
from jitgrad.ops.fill import zeros_of
from jitgrad.ops.movement import apply_chain, permute, slice_
from jitgrad.ops.oracle import checked


def _one_dtype(name, index=None):
    """The dtype rule of ops whose operands share one dtype, but for the int64 operand `index`."""

    def rule(*args):
        dtypes = [a for a in args if isinstance(a, DType)]
        if index is not None:
            at = dtypes.pop(index)
            if at is not int64:
                raise RuntimeError(f"{name}: the index must be int64, not {at}")
        for other in dtypes[1:]:
            if other is not dtypes[0]:
                raise RuntimeError(f"{name}: dtypes differ: {dtypes[0]} and {other}")
        return dtypes[0]

    return rule


def _matmul_dtype(a, b):
    if a is bool_:
        raise RuntimeError("matmul: not defined for bool")
    return _one_dtype("matmul")(a, b)


def _matmul_shape(a, b):
    if len(a) < 2 or len(a) != len(b):
        raise RuntimeError(
            f"matmul: shapes {tuple(a)} and {tuple(b)}: two matrices or two equal stacks of them"
        )
    shapes = f"{tuple(a)} @ {tuple(b)}"
    if a[-1] != b[-2]:
        raise RuntimeError(f"matmul: inner sizes differ: {shapes}, {a[-1]} != {b[-2]}")
    if a[:-2] != b[:-2]:
        raise RuntimeError(f"matmul: batch axes differ: {shapes}, {a[:-2]} != {b[:-2]}")
    return (*a[:-1], b[-1])


def _swap(x):
    n = len(x.shape)
    return permute(x, order=(*range(n - 2), n - 1, n - 2))


@library(numpy=np.matmul, shape=_matmul_shape, promote=_matmul_dtype)
def matmul(a, b):
    """Product of (stacks of) matrices: (*batch, M, K) @ (*batch, K, N); equal dtypes."""


def _turned(x):
    """Whether an operand was recorded as a transposed view (of a weight, say)."""
    if not isinstance(x, Node):
        return False
    op, attrs = meant(x)
    n = len(x.shape)
    return op.name == "permute" and attrs[0] == (*range(n - 2), n - 1, n - 2)


@matmul.gradient
def _(g, y, a, b):
    # The gradient of a transposed view is made transposed: the view's own rule turns it back, and
    # what is under the view gets a row-major gradient without a copy.
    da = _swap(matmul(b, _swap(g))) if _turned(a) else matmul(g, _swap(b))
    db = _swap(matmul(_swap(g), a)) if _turned(b) else matmul(_swap(a), g)
    return da, db


def _write_numpy(base, value, chain):
    out = base.copy()
    where = np.arange(base.size).reshape(base.shape)
    for name, attrs in chain:
        where = OPS[name].numpy(where, *attrs)
    out.reshape(-1)[where.reshape(-1)] = value.reshape(-1)
    return out


@library(numpy=_write_numpy, shape=lambda base, value, chain: base, promote=_one_dtype("write"))
def write(base, value, *, chain):
    """`base` with the elements that the view `chain` selects replaced by `value`."""


@write.gradient
def _(g, y, base, value, chain):
    return write(g, zeros_of(value, g), chain=chain), apply_chain(g, chain)


def _cat_shape(*args):
    *shapes, axis = args
    first = shapes[0]
    for s in shapes[1:]:
        if len(s) != len(first) or any(
            i != axis and m != n for i, (m, n) in enumerate(zip(first, s, strict=False))
        ):
            raise RuntimeError(
                f"cat: shapes {tuple(first)} and {tuple(s)} differ outside axis {axis}"
            )
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


@library(
    numpy=lambda *a: np.concatenate(a[:-1], a[-1]),
    shape=_cat_shape,
    promote=_one_dtype("cat"),
    cost="cheap",
)
def cat(*parts, axis):
    """Parts joined along `axis`; equal dtypes, at least one part."""


@cat.gradient
def _(g, y, *args):
    *parts, axis = args
    out, start = [], 0
    for part in parts:
        shape = part.shape
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        out.append(slice_(g, starts=starts, steps=(1,) * len(shape), sizes=tuple(shape)))
        start += shape[axis]
    return tuple(out)


@library(
    numpy=lambda x, *after: x,
    shape=lambda x, *after: x,
    promote=lambda x, *after: x,
    cost="cheap",
)
def barrier(x, *after):
    """`x`, available when `after` are. Nothing computed from it merges with what is computed from
    `x` itself: it can be computed a second time, later."""


@barrier.gradient
def _(g, y, x, *after):
    return (g, *[None for _ in after])


def _fits(name, x, index, axis):
    """Refuse an index that is longer than `x` along another axis than `axis`."""
    if len(x) != len(index) or any(
        i != axis and m > n for i, (n, m) in enumerate(zip(x, index, strict=True))
    ):
        raise RuntimeError(
            f"{name}: index of shape {tuple(index)} does not fit into {tuple(x)} "
            f"outside axis {axis}"
        )


def _gather_shape(x, index, axis):
    _fits("gather", x, index, axis)
    return index


def _gather_numpy(x, index, axis):
    head = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))
    return np.take_along_axis(x[head], checked(index, x.shape[axis], "gather"), axis)


@library(numpy=_gather_numpy, shape=_gather_shape, promote=_one_dtype("gather", 1))
def gather(x, index, *, axis):
    """out[.., i, ..] = x[.., index[.., i, ..], ..] along `axis`; int64 index, checked."""


@gather.gradient
def _(g, y, x, index, axis):
    return scatter_add(zeros_of(x, g), index, g, axis=axis), None


def _scatter_shape(x, index, src, axis):
    _fits("scatter_add", x, index, axis)
    _fits("scatter_add", src, index, -1)
    return x


def _scatter_numpy(x, index, src, axis):
    out = x.copy()
    at = list(np.indices(index.shape))
    at[axis] = checked(index, x.shape[axis], "scatter_add")
    np.add.at(out, tuple(at), src[tuple(slice(n) for n in index.shape)])
    return out


@library(numpy=_scatter_numpy, shape=_scatter_shape, promote=_one_dtype("scatter_add", 1))
def scatter_add(x, index, src, *, axis):
    """`x` with src added at `index` along `axis`, in row-major order of `index`; checked."""


@scatter_add.gradient
def _(g, y, x, index, src, axis):
    return g, None, _into(zeros_of(src, g), gather(g, index, axis=axis))


def _into(base, part):
    """`base` with `part` in its first corner."""
    shape = tuple(part.shape)
    if shape == tuple(base.shape):
        return part
    corner = ((0,) * len(shape), (1,) * len(shape), shape)
    return write(base, part, chain=(("slice", corner),))


def _take_numpy(x, index):
    return np.take(x, checked(index, x.shape[0], "take"), 0)


@library(numpy=_take_numpy, shape=lambda x, index: index + x[1:], promote=_one_dtype("take", 1))
def take(x, index):
    """Rows of `x`: out[i..., :] = x[index[i...], :]; int64 index, checked."""


@take.gradient
def _(g, y, x, index):
    return put_add(zeros_of(x, g), index, g), None


def _rows_shape(name):
    def rule(x, index, src):
        if tuple(src) != tuple(index) + tuple(x[1:]):
            raise RuntimeError(
                f"{name}: rows of shape {tuple(src)} do not fit index {tuple(index)} "
                f"into {tuple(x)}"
            )
        return x

    return rule


def _put_add_numpy(x, index, src):
    out = x.copy()
    np.add.at(out, checked(index, x.shape[0], "put_add"), src)
    return out


@library(numpy=_put_add_numpy, shape=_rows_shape("put_add"), promote=_one_dtype("put_add", 1))
def put_add(x, index, src):
    """`x` with rows of src added at rows `index`, in order; int64 index, checked."""


@put_add.gradient
def _(g, y, x, index, src):
    return g, None, take(g, index)


def _put_rows_numpy(x, index, src):
    out = x.copy()
    rows = src.reshape(index.size, *x.shape[1:])
    for row, i in zip(rows, checked(index, x.shape[0], "put_rows").reshape(-1), strict=True):
        out[i] = row
    return out


@library(numpy=_put_rows_numpy, shape=_rows_shape("put_rows"), promote=_one_dtype("put_rows", 1))
def put_rows(x, index, src):
    """`x` with rows `index` replaced by rows of src; the last one wins; int64 index, checked."""


@put_rows.gradient
def _(g, y, x, index, src):
    return put_rows(g, index, zeros_of(src, g)), None, take(g, index)


@library(
    numpy=lambda x, axis, descending: np.argsort(
        x if not descending else _reverse_order(x), axis, kind="stable"
    ),
    shape=lambda x, axis, descending: x,
    promote="index",
    gradient=None,
)
def argsort(x, *, axis, descending):
    """Indices that sort `x` along `axis`, stable; NaN counts as largest."""


def _reverse_order(x):
    """Ranks negated: a stable descending order of any dtype, NaN first."""
    flat = np.unique(x.reshape(-1), return_inverse=True)[1]
    return -flat.reshape(x.shape)

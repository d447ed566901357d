"""Ops with a hand-written kernel: products of matrices, writes, gathers, scans, sorts.

Their gradients return library ops, so that second order is the same code.
"""

from __future__ import annotations

import numpy as np

from jitgrad.ir.op import library
from jitgrad.ops.fill import zeros_of


def _matmul_shape(a, b):
    if a[-1] != b[-2] or a[:-2] != b[:-2]:
        why = f"{a[-1]} != {b[-2]}" if a[-1] != b[-2] else "batch axes differ"
        raise RuntimeError(f"matmul: inner sizes differ: {tuple(a)} @ {tuple(b)}, {why}")
    return (*a[:-1], b[-1])


def _swap(x):
    from jitgrad.ops.movement import permute

    n = len(x.shape)
    return permute(x, order=(*range(n - 2), n - 1, n - 2))


@library(numpy=np.matmul, shape=_matmul_shape)
def matmul(a, b):
    """Product of (stacks of) matrices: (*batch, M, K) @ (*batch, K, N); equal dtypes."""


@matmul.gradient
def _(g, y, a, b):
    return matmul(g, _swap(b)), matmul(_swap(a), g)


def _write_numpy(base, value, chain):
    from jitgrad.ops.movement import apply_chain  # noqa: F401  (the oracle indexes with numbers)

    out = base.copy()
    where = np.arange(base.size).reshape(base.shape)
    from jitgrad.ir.op import OPS

    for name, attrs in chain:
        where = OPS[name].numpy(where, *attrs)
    out.reshape(-1)[where.reshape(-1)] = value.reshape(-1)
    return out


@library(numpy=_write_numpy, shape=lambda base, value, chain: base, promote="first")
def write(base, value, *, chain):
    """`base` with the elements that the view `chain` selects replaced by `value`."""


@write.gradient
def _(g, y, base, value, chain):
    from jitgrad.ops.movement import apply_chain

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


@library(numpy=lambda *a: np.concatenate(a[:-1], a[-1]), shape=_cat_shape, cost="cheap")
def cat(*parts, axis):
    """Parts joined along `axis`; equal dtypes, at least one part."""


@cat.gradient
def _(g, y, *args):
    from jitgrad.ops.movement import slice_

    *parts, axis = args
    out, start = [], 0
    for part in parts:
        shape = part.shape
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        out.append(slice_(g, starts=starts, steps=(1,) * len(shape), sizes=tuple(shape)))
        start += shape[axis]
    return tuple(out)


def _gather_shape(x, index, axis):
    if len(x) != len(index) or any(
        i != axis and m > n for i, (n, m) in enumerate(zip(x, index, strict=False))
    ):
        raise RuntimeError(
            f"gather: index of shape {tuple(index)} does not fit into {tuple(x)} "
            f"outside axis {axis}"
        )
    return index


def _fit(x, index, axis):
    return x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))]


@library(
    numpy=lambda x, index, axis: np.take_along_axis(_fit(x, index, axis), index, axis),
    shape=_gather_shape,
    promote="first",
)
def gather(x, index, *, axis):
    """out[.., i, ..] = x[.., index[.., i, ..], ..] along `axis`; int64 index, checked."""


@gather.gradient
def _(g, y, x, index, axis):
    return scatter_add(zeros_of(x, g), index, g, axis=axis), None


def _scatter_numpy(x, index, src, axis):
    out = x.copy()
    at = list(np.indices(index.shape))
    at[axis] = index
    np.add.at(out, tuple(at), src[tuple(slice(n) for n in index.shape)])
    return out


@library(numpy=_scatter_numpy, shape=lambda x, index, src, axis: x, promote="first")
def scatter_add(x, index, src, *, axis):
    """`x` with src added at `index` along `axis`, in row-major order of `index`; checked."""


@scatter_add.gradient
def _(g, y, x, index, src, axis):
    return g, None, gather(g, index, axis=axis)


@library(
    numpy=lambda x, index: np.take(x, index, 0),
    promote="first",
    shape=lambda x, index: index + x[1:],
)
def take(x, index):
    """Rows of `x`: out[i..., :] = x[index[i...], :]; int64 index, checked."""


@take.gradient
def _(g, y, x, index):
    return put_add(zeros_of(x, g), index, g), None


def _put_numpy(x, index, src):
    out = x.copy()
    np.add.at(out, index, src)
    return out


@library(numpy=_put_numpy, promote="first", shape=lambda x, index, src: x)
def put_add(x, index, src):
    """`x` with rows of src added at rows `index`, in order; checked."""


@put_add.gradient
def _(g, y, x, index, src):
    return g, None, take(g, index)


@library(numpy=lambda x, axis: np.cumsum(x, axis, dtype=x.dtype), shape=lambda x, axis: x)
def cumsum(x, *, axis):
    """Running sum along `axis`, in order."""


@cumsum.gradient
def _(g, y, x, axis):
    return _flip(cumsum(_flip(g, axis), axis=axis), axis)


def _flip(x, axis):
    from jitgrad.ops.movement import slice_

    shape = tuple(x.shape)
    starts = tuple(n - 1 if i == axis else 0 for i, n in enumerate(shape))
    return slice_(
        x,
        starts=starts,
        steps=tuple(-1 if i == axis else 1 for i in range(len(shape))),
        sizes=shape,
    )


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

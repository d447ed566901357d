"""Matrix products, joins, views and indexing of the reference, a derivative beside each value.

Entry: `METHODS`, `joined`, `expanded`, `getitem`, `setitem`.
"""

from __future__ import annotations

import numpy as np

from tests.fuzz.reference import Ref, lift, promote, wide


def matmul(a, b):
    """Product of matrices."""
    y = np.matmul(a.v, b.v)
    return lift(a.world, [a, b], y, lambda: np.matmul(a.dot, wide(b)) + np.matmul(wide(a), b.dot))


def joined(fn):
    """cat or stack."""

    def run(xs, dim=0):
        dtype = xs[0].v.dtype
        for x in xs:
            dtype = promote(dtype, x.v.dtype)
        slopes = lambda: fn([np.zeros(x.shape) if x.dot is None else x.dot for x in xs], dim)  # noqa: E731
        return lift(xs[0].world, xs, fn([x.v.astype(dtype) for x in xs], dim), slopes)

    return run


def gather(x, dim, index):
    """Elements of x at `index` along `dim`."""
    slope = lambda: np.take_along_axis(x.dot, index.v, dim)  # noqa: E731
    return lift(x.world, [x], np.take_along_axis(x.v, index.v, dim), slope)


def scatter_add(x, dim, index, src):
    """x with the elements of `src` added at `index` along `dim`."""

    def added(into, values):
        out = np.array(into)
        at = list(np.indices(index.shape))
        at[dim] = index.v
        np.add.at(out, tuple(at), values[tuple(slice(0, n) for n in index.shape)])
        return out

    return lift(x.world, [x, src], added(x.v, src.v), lambda: added(x.dot, src.dot))


def flip(x, dims):
    """Reversed along axes: a copy."""
    return lift(x.world, [x], np.flip(x.v, dims), lambda: np.flip(x.dot, dims))


def triangle(fn):
    """tril or triu."""
    return lambda x, diagonal=0: lift(x.world, [x], fn(x.v, diagonal), lambda: fn(x.dot, diagonal))


# ---- indexing


def basic(index):
    """The index so that NumPy answers with a view even for one element; None if it gathers."""
    items = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, Ref) for i in items):
        return None
    return items if Ellipsis in items else (*items, Ellipsis)


def plain(index):
    """NumPy's index for one that holds Refs."""
    items = index if isinstance(index, tuple) else (index,)
    return tuple(i.v if isinstance(i, Ref) else i for i in items)


def getitem(x, index):
    """x[index]."""
    at = basic(index)
    if at is not None:
        return x.see(lambda a: a[at])
    at = plain(index)
    return lift(x.world, [x], x.v[at], lambda: x.dot[at])


def setitem(x, index, value):
    """x[index] = value."""
    at = basic(index) or plain(index)
    if x.world.grad and x.track.leaf:
        raise RuntimeError("in-place on a leaf")
    if x.world.grad and x.dot is not None:
        live = isinstance(value, Ref) and value.track.live
        x.dot[at] = value.dot if live else 0
        x.track.live |= live
    x.v[at] = value.v if isinstance(value, Ref) else value


# ---- views


def reshape(x, *shape):
    """A view where NumPy finds one, else a copy."""
    out = x.v.reshape(shape)
    if np.shares_memory(out, x.v) or not out.size:
        return x.see(lambda a: a.reshape(shape))
    return lift(x.world, [x], out, lambda: x.dot.reshape(shape))


def narrow(x, dim, start, length):
    """Elements `start` .. `start + length` of an axis."""
    return x.see(lambda a: a[(slice(None),) * dim + (slice(start, start + length),)])


def chunk(x, chunks, dim):
    """Pieces of equal length, the last perhaps shorter; fewer where there is not enough."""
    length = -(-x.shape[dim] // chunks)
    return tuple(narrow(x, dim, k, length) for k in range(0, x.shape[dim], length))


def expanded(x, shape):
    """x broadcast, as a read-only view."""
    return x if x.shape == shape else x.see(lambda a: np.broadcast_to(a, shape))


METHODS = {
    "matmul": matmul,
    "gather": gather,
    "scatter_add": scatter_add,
    "flip": flip,
    "tril": triangle(np.tril),
    "triu": triangle(np.triu),
    "reshape": reshape,
    "narrow": narrow,
    "chunk": chunk,
    "select": lambda x, dim, k: x.see(lambda a: a[(*(slice(None),) * dim, k, ...)]),
    "t": lambda x: x.see(lambda a: a.T),
    "permute": lambda x, *order: x.see(lambda a: np.transpose(a, order)),
    "transpose": lambda x, i, j: x.see(lambda a: np.swapaxes(a, i, j)),
    "unsqueeze": lambda x, i: x.see(lambda a: np.expand_dims(a, i)),
    "squeeze": lambda x, i: x.see(lambda a: np.squeeze(a, i)),
    "expand": lambda x, *shape: x.see(lambda a: np.broadcast_to(a, shape)),
    "diagonal": lambda x: x.see(lambda a: np.einsum("ii->i", a)),
}

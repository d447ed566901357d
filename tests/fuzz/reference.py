"""What a program means: NumPy arrays, whose real views do the aliasing, with a tangent each.

Nothing of jitgrad runs here but the format of its random numbers. A `Ref` holds a value in the
dtype that PyTorch's rules give it and the float64 derivative along one fixed direction of the
inputs, so that the gradients of a whole program are checked by one number: their product with the
direction.
Entry: `Ref`, `World`, `lift`.
"""

from __future__ import annotations

import functools

import numpy as np

RANK = {n: i for i, n in enumerate("bool uint8 int8 int16 int32 int64 float32 float64".split())}


def category(dtype):
    """0 bool, 1 integer, 2 floating."""
    return {"b": 0, "u": 1, "i": 1, "f": 2}[np.dtype(dtype).kind]


def promote(a, b):
    """PyTorch's table for two tensors that have dimensions."""
    a, b = np.dtype(a), np.dtype(b)
    if {a.name, b.name} == {"uint8", "int8"}:
        return np.dtype("int16")
    return max(a, b, key=lambda d: RANK[d.name])


def result_type(*operands):
    """Promotion of Refs and Python numbers: those of lower priority only lift the category."""
    groups = [[], [], []]
    for x in operands:
        if isinstance(x, Ref):
            groups[0 if x.v.ndim else 1].append(x.v.dtype)
        elif isinstance(x, (bool, np.bool_)):
            groups[2].append(np.dtype("bool"))
        else:
            groups[2].append(np.dtype("int64" if isinstance(x, int) else "float32"))
    out = None
    for group in filter(None, groups):
        top = functools.reduce(promote, group)
        if out is None or category(top) > category(out):
            out = top
    return out


class World:
    """What the whole run shares: gradient mode, draws, rounding noise, what was read."""

    def __init__(self, noise=None):
        self.grad = True
        self.noise = noise  # a generator: every result is perturbed by about one rounding
        self.seed = self.draw = 0
        self.tangent = 0.0  # of everything that backward was called on

    def rounded(self, v, dtype=None):
        """`v` as some other order of evaluation, in `dtype` if given, might give it."""
        if self.noise is None or v.dtype.kind != "f" or not v.size:
            return v
        with np.errstate(all="ignore"):
            step = np.finfo(dtype or v.dtype).eps * self.noise.standard_normal(v.shape)
            return (v * (1 + step)).astype(v.dtype)

    def slope(self, tangent, dtype):
        """A tangent, off by as much as gradients in `dtype` are."""
        if self.noise is None or not tangent.size:
            return tangent
        with np.errstate(all="ignore"):
            return tangent * (1 + np.finfo(dtype).eps * self.noise.standard_normal(tangent.shape))


class Track:
    """Whether a storage's history leads to an input; shared by all its views."""

    __slots__ = ("leaf", "live")

    def __init__(self, live=False, leaf=False):
        self.live = live
        self.leaf = leaf


class Ref:
    """A tensor of the reference."""

    __slots__ = ("dot", "track", "v", "world")

    def __init__(self, world, v, t=None, track=None):
        self.world = world
        self.v = v
        self.dot = np.zeros(v.shape) if t is None and v.dtype.kind == "f" else t
        self.track = track or Track()

    @property
    def shape(self):
        """Sizes."""
        return self.v.shape

    @property
    def requires_grad(self):
        """Whether an input that wants a gradient lies behind it."""
        return self.track.live

    # ---- views: the same memory, the same history

    def see(self, look):
        """A view; inside no_grad its history is cut off, as after `detach`."""
        t = None if self.dot is None else look(self.dot)
        if not self.world.grad and self.track.live:
            return Ref(self.world, look(self.v), np.zeros(t.shape))
        return Ref(self.world, look(self.v), t, self.track)

    def detach(self):
        """The same memory without history."""
        return Ref(self.world, self.v)

    # ---- writes

    def put(self, target, tangent, value):
        """Write the Ref or number `value` into views of this tensor's value and tangent."""
        if self.world.grad and self.track.leaf:
            raise RuntimeError("in-place on a leaf")
        if self.world.grad and self.dot is not None:
            live = isinstance(value, Ref) and value.track.live
            tangent[...] = value.dot if live else 0
            self.track.live |= live
        target[...] = value.v if isinstance(value, Ref) else value

    def assign(self, value):
        """Replace all elements; the result of an in-place op."""
        if value.v.shape != self.v.shape or category(value.v.dtype) > category(self.v.dtype):
            raise RuntimeError("in-place op changes shape or category")
        self.put(self.v, self.dot, value)
        return self


def lift(world, parents, v, t=None, dtype=None):
    """The Ref of a new result; `t()` gives its tangent if anything of it is wanted."""
    v = np.asarray(v)
    v = world.rounded(v if dtype is None else v.astype(dtype))
    live = world.grad and v.dtype.kind == "f" and any(p.track.live for p in parents)
    tangent = None
    if v.dtype.kind == "f":
        tangent = np.array(np.broadcast_to(t(), v.shape), np.float64) if live and t else None
        tangent = None if tangent is None else world.slope(tangent, v.dtype)
    live = live and t is not None
    return Ref(world, np.array(v), tangent, Track(live))


def wide(x):
    """A Ref's value in float64, for derivatives."""
    return x.v.astype(np.float64)

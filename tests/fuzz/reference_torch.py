"""The reference's stand-ins for `torch` and `torch.nn.functional`. Entry: `Torch(world)`."""

from __future__ import annotations

import contextlib

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ops import oracle_random
from tests.fuzz import reference_ops as ops
from tests.fuzz.reference import Ref, lift


class Torch:
    """What a program calls `torch`."""

    float32, float64 = np.dtype("float32"), np.dtype("float64")
    int32, int64, uint8 = np.dtype("int32"), np.dtype("int64"), np.dtype("uint8")
    bool = np.dtype("bool")
    cat = staticmethod(ops.joined(np.concatenate))
    stack = staticmethod(ops.joined(np.stack))
    where = staticmethod(ops.where)
    maximum, minimum = staticmethod(ops.binary("maximum")), staticmethod(ops.binary("minimum"))
    atan2 = staticmethod(ops.binary("atan2", True))

    def __init__(self, world):
        self.world = world

    def tensor(self, data, dtype=None):
        """A tensor of numbers."""
        array = np.array(data, dtype)
        if dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)
        return Ref(self.world, array)

    def arange(self, n):
        """0, 1, .. n - 1."""
        return Ref(self.world, np.arange(n))

    def ones_like(self, x):
        """Ones of the shape of x."""
        return Ref(self.world, np.ones_like(x.v, order="C"))

    def zeros_like(self, x):
        """Zeros of the shape of x."""
        return Ref(self.world, np.zeros_like(x.v, order="C"))

    def zeros(self, *shape, dtype=np.float32):
        """Zeros."""
        return Ref(self.world, np.zeros(shape, dtype))

    def flush_all(self):
        """Nothing waits here."""

    @contextlib.contextmanager
    def no_grad(self):
        """No history inside."""
        before, self.world.grad = self.world.grad, False
        try:
            yield
        finally:
            self.world.grad = before

    # ---- draws: seed, number of the draw, element

    def manual_seed(self, seed):
        """Start again from `seed`."""
        self.world.seed, self.world.draw = seed, 0

    def drawn(self, kind, shape, dtype):
        """One new draw."""
        suffix = dt.BY_NUMPY[np.dtype(dtype)]
        out = getattr(oracle_random, kind)(tuple(shape), suffix, self.world.seed, self.world.draw)
        self.world.draw += 1
        return lift(self.world, [], out, dtype=dtype)

    def rand(self, *shape, dtype=np.float32):
        """Uniform numbers."""
        return self.drawn("uniform", shape, dtype)

    def randn(self, *shape, dtype=np.float32):
        """Normal numbers."""
        return self.drawn("normal", shape, dtype)

    def rand_like(self, x):
        """Uniform numbers of the shape of x."""
        return self.drawn("uniform", x.shape, x.v.dtype)


class Functional:
    """What a program calls `F`."""

    def __init__(self, torch):
        self.torch = torch

    def dropout(self, x, p):
        """Elements become 0 with probability p."""
        keep = self.torch.rand_like(x) >= p
        return x * (keep.to(x.v.dtype) * (1.0 / (1.0 - p)))

    def gelu(self, x):
        """x times the normal distribution function."""
        from math import erf, pi, sqrt

        wide = x.v.astype(np.float64)
        cdf = 0.5 * (1 + np.vectorize(erf, otypes=[float])(wide / sqrt(2)))
        slope = cdf + wide * np.exp(-wide * wide / 2) / sqrt(2 * pi)
        return lift(x.world, [x], wide * cdf, lambda: x.t * slope, x.v.dtype)

    def layer_norm(self, x, shape):
        """Zero mean and unit variance over the last axis."""
        center = x - x.mean(-1, True)
        spread = (center * center).mean(-1, True) + 1e-5
        return center / spread.sqrt()

    def cross_entropy(self, x, target):
        """Mean negative log-likelihood of the targets."""
        picked = ops.log_softmax(x, 1).gather(1, target.unsqueeze(1))
        return -(picked.mean())

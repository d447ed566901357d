"""The reference's stand-ins for `torch` and `torch.nn.functional`. Entry: `Torch(world)`."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ops import oracle_random
from tests.fuzz import reference_arranging as arranging
from tests.fuzz import reference_elementwise as elementwise
from tests.fuzz.reference import Ref, lift
from tests.fuzz.reference_ops import install
from tests.fuzz.reference_reductions import log_softmax

install()


class Torch:
    """What a program calls `torch`."""

    float32, float64 = np.dtype("float32"), np.dtype("float64")
    int32, int64, uint8 = np.dtype("int32"), np.dtype("int64"), np.dtype("uint8")
    bool = np.dtype("bool")
    cat = staticmethod(arranging.joined(np.concatenate))
    stack = staticmethod(arranging.joined(np.stack))
    where = staticmethod(elementwise.where)
    maximum, minimum = (
        staticmethod(elementwise.binary("maximum")),
        staticmethod(elementwise.binary("minimum")),
    )
    atan2 = staticmethod(elementwise.binary("atan2", True))

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

    def scan(self, f, init, xs, reverse=False, dim=0):
        """`f` again and again, along an axis."""
        ys, steps = [], range(xs.shape[dim])
        for t in reversed(steps) if reverse else steps:
            init, y = f(init, xs.select(dim, t))
            ys.append(y)
        ys = ys[::-1] if reverse else ys
        if not ys or (isinstance(init, Ref) and dim > ys[0].v.ndim):
            raise ValueError("no steps, or no such axis of the results")
        if isinstance(init, Ref):
            return self._own(init), self.stack(ys, dim)
        stacked = tuple(self.stack(list(some), 0) for some in zip(*ys, strict=True))
        return tuple(map(self._own, init)), stacked

    def _own(self, x):
        """A copy, which shares no memory."""
        return lift(x.world, [x], x.v.copy(), lambda: x.dot)

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

    def gelu(self, x, approximate="none"):
        """x times the normal distribution function, or times what stands for it.

        The noise of a run goes where rounding is carried far: to what the sigmoid is taken of, and
        to the erf that 1 is added to.
        """
        wide = x.v.astype(np.float64)
        if approximate == "tanh":
            scale = math.sqrt(8 / math.pi)
            inner = x.world.rounded(scale * (wide + 0.044715 * wide**3), x.v.dtype)
            cdf = 1 / (1 + np.exp(-inner))
            density = cdf * (1 - cdf) * scale * (1 + 0.134145 * wide * wide)
        else:
            erf = np.vectorize(math.erf, otypes=[float])(wide / math.sqrt(2))
            cdf = 0.5 * (1 + x.world.rounded(erf, x.v.dtype))
            density = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
        return lift(x.world, [x], wide * cdf, lambda: x.dot * (cdf + wide * density), x.v.dtype)

    def layer_norm(self, x, shape, weight=None, bias=None):
        """Zero mean and unit variance over the last axis, then scaled and moved."""
        center = x - x.mean(-1, True)
        spread = (center * center).mean(-1, True) + 1e-5
        out = center / spread.sqrt()
        out = out if weight is None else out * weight
        return out if bias is None else out + bias

    def rms_norm(self, x, shape, weight, eps):
        """Unit mean square over the last axis, then scaled."""
        return x / ((x * x).mean(-1, True) + eps).sqrt() * weight

    def cross_entropy(self, x, target):
        """Mean negative log-likelihood of the targets."""
        picked = log_softmax(x, 1).gather(1, target.unsqueeze(1))
        return -(picked.mean())

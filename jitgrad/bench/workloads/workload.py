"""What a workload says about itself: `Workload`, `Case`, `Bar`. Imports NumPy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEED = 0


@dataclass(frozen=True)
class Bar:
    """The most that compiled jitgrad may take: `limit` times the fastest of `against`."""

    limit: float
    against: str  # "jax", "peers", "sgemm"

    def __str__(self):
        return f"{self.limit:.2f} {self.against}"


@dataclass(frozen=True, eq=False)
class Workload:
    """A step to be timed, of some size.

    `arrays(rng, size)` makes the NumPy inputs, the same for everybody. `torch(api, *arrays)` and
    `jax(jax, *arrays)` return the step: a function without arguments whose result is what has to be
    complete, and equal for all within `tolerance` times the largest value in it. `api` is a
    `subjects.Torchlike`. Without `grad`, gradient recording is switched off.
    """

    name: str
    about: str
    sizes: tuple[int, ...]
    arrays: Callable[[np.random.Generator, int], tuple[Any, ...]]
    torch: Callable[..., Callable[[], Any]]
    jax: Callable[..., Callable[[], Any]]
    grad: bool = True
    bars: Mapping[int, Bar] = field(default_factory=dict)
    tolerance: float = 2e-5


@dataclass(frozen=True)
class Case:
    """One workload at one size."""

    workload: Workload
    size: int

    @property
    def label(self):
        """Name and size as the command line takes them.

        >>> from jitgrad.bench.workloads import WORKLOADS
        >>> Case(WORKLOADS["gelu"], 10_000_000).label
        'gelu:1e7'
        """
        digits = str(self.size)
        zeros = len(digits) - len(digits.rstrip("0"))
        short = f"{digits[:-zeros]}e{zeros}" if zeros >= 3 else digits
        return f"{self.workload.name}:{short}"

    @property
    def bar(self):
        """The bar for this size, or None."""
        return self.workload.bars.get(self.size)

    def arrays(self):
        """The inputs, the same in every process."""
        return self.workload.arrays(np.random.default_rng(SEED), self.size)


def normal(rng, *shape):
    """Standard normal float32."""
    return rng.standard_normal(shape, np.float32)

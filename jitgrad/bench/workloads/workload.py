"""What a workload says about itself: `Workload`, `Case`, `Bar`. Imports NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

SEED = 0


@dataclass(frozen=True)
class Bar:
    """The most that a mode of jitgrad may take: `limit` times the fastest of `against`.

    Compiled meets the bar against all peers also where it reaches `CEILING` of what the machine can
    do, with a tensor of at least `LEAST` elements.
    """

    limit: float
    against: str  # as `Outcome.fastest` has it: "peers", "sgemm", "torch"
    mode: str = "compiled"

    CEILING: ClassVar[float] = 0.8
    LEAST: ClassVar[int] = 100_000

    @property
    def by_ceiling(self) -> bool:
        """Whether there is this other way to meet it."""
        return self.mode == "compiled" and self.against == "peers"

    def __str__(self) -> str:
        return f"{self.limit:.2f} {self.against}"


@dataclass(frozen=True, eq=False)
class Workload:
    """A step to be timed, of some size.

    `arrays(rng, size)` makes the NumPy inputs, the same for everybody. `torch(api, *arrays)` and
    `jax(jax, *arrays)` return the step: a function without arguments whose result is what has to be
    complete, and equal for all within `tolerance` times the largest value in it. `api` is a
    `subjects.Torchlike`. Without `grad`, gradient recording is switched off. Where NumPy or numexpr
    can do the same, `numpy(numpy, *arrays)` and `numexpr(numexpr, *arrays)` return their step.

    What a machine could do at best follows from `flops(size)`, the multiplications and additions of
    its matrix products, or where it has none from `nbytes(size)`, the least memory that it reads
    and writes. `elements(size)` is what its time grows with; an `odd` size stands beside the round
    one that it is compared with per element. `largest(size)` has the elements of the largest tensor
    that a step reads, where they are not the same. `optimizer` says that it has one to be fused.

    `bars` are compiled's by size, `lazy` the limits for lazy mode beside PyTorch eager.
    """

    name: str
    about: str
    sizes: tuple[int, ...]
    arrays: Callable[[np.random.Generator, int], tuple[Any, ...]]
    torch: Callable[..., Callable[[], Any]]
    jax: Callable[..., Callable[[], Any]]
    numpy: Callable[..., Callable[[], Any]] | None = None
    numexpr: Callable[..., Callable[[], Any]] | None = None
    grad: bool = True
    optimizer: bool = False
    bars: Mapping[int, Bar] = field(default_factory=dict)
    lazy: Mapping[int, float] = field(default_factory=dict)
    tolerance: float = 2e-5
    flops: Callable[[int], int] | None = None
    nbytes: Callable[[int], int] | None = None
    elements: Callable[[int], int] = lambda size: size
    largest: Callable[[int], int] | None = None
    odd: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One workload at one size."""

    workload: Workload
    size: int

    @property
    def label(self) -> str:
        """Name and size as the command line takes them.

        >>> from jitgrad.bench.workloads import WORKLOADS
        >>> Case(WORKLOADS["gelu"], 10_000_000).label, Case(WORKLOADS["gelu"], 1_000_003).label
        ('gelu:1e7', 'gelu:1000003')
        """
        digits = str(self.size)
        zeros = len(digits) - len(digits.rstrip("0"))
        short = f"{digits[:-zeros]}e{zeros}" if zeros >= 3 else digits
        return f"{self.workload.name}:{short}"

    @property
    def bar(self) -> Bar | None:
        """Compiled's bar for this size, or None."""
        return self.workload.bars.get(self.size)

    @property
    def lazy_bar(self) -> Bar | None:
        """Lazy mode's bar for this size, or None."""
        limit = self.workload.lazy.get(self.size)
        return None if limit is None else Bar(limit, "torch", mode="lazy")

    @property
    def elements(self) -> int:
        """What its time grows with."""
        return self.workload.elements(self.size)

    @property
    def largest(self) -> int:
        """Elements of the largest tensor that a step reads."""
        return (self.workload.largest or self.workload.elements)(self.size)

    def arrays(self) -> tuple[Any, ...]:
        """The inputs, the same in every process."""
        return self.workload.arrays(np.random.default_rng(SEED), self.size)


def normal(rng: np.random.Generator, *shape: int) -> Any:
    """Standard normal float32."""
    return rng.standard_normal(shape, np.float32)

"""The memory that launches touch: `regions(plan, kernel, block)`, and the `buffers` they lie in.

Imports: compiler, runtime.
"""

from __future__ import annotations

import bisect
import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.values import memory_of
from jitgrad.runtime.interpret import DTYPES

ALIGN = 64


@dataclass(frozen=True)
class Region:
    """What one pointer argument reaches: an address range of elements.

    Attributes:
        name: of the argument.
        written: whether the launch fills it; `leaf`: whether it is memory from before the program.
    """

    start: int
    end: int
    name: str
    dtype: np.dtype[Any]
    written: bool
    leaf: bool

    def copy(self) -> np.ndarray:
        """What it holds now."""
        return np.frombuffer(ctypes.string_at(self.start, self.end - self.start), self.dtype)


def regions(plan: Any, kernel: Any, block: Any) -> list[Region]:
    """One launch's memory, by the specs of its kernel; arguments without elements have none."""
    out = []
    for at, ((name, kind, *_), spec) in enumerate(zip(kernel.params, kernel.specs, strict=True), 1):
        if kind.endswith("*"):
            dtype = DTYPES[kind[:-1]]
            low, high = _reach(plan, spec)
            address, own = int(block[at]), spec[0] == "own"
            value = spec[1] if own else spec[1].value
            start, end = address + low * dtype.itemsize, address + high * dtype.itemsize
            if end > start:
                leaf = memory_of(value).kind == "leaf"
                out.append(Region(start, end, name, dtype, own, leaf))
    return out


def _reach(plan: Any, spec: Spec) -> tuple[int, int]:
    """The elements around a pointer that its view covers: first, past the last."""
    access = spec[1] if spec[0] == "memory" else spec[1].store
    value = access.value if access is not None else spec[1]
    if access is None or value.kind == "partial":
        return 0, plan.nbytes(value) // value.dtype.itemsize
    if 0 in plan.shape(value):
        return 0, 0
    shape, strides, _ = plan.view(access)
    # Of a view without elements, a kernel may read those that it repeats no times.
    steps = [(max(n, 1) - 1) * s for n, s in zip(shape, strides, strict=True)]
    return sum(min(0, s) for s in steps), sum(max(0, s) for s in steps) + 1


@dataclass(frozen=True)
class Buffers:
    """Address ranges without overlap, which begin and end at multiples of 64 bytes."""

    starts: list[int]
    sizes: list[int]

    def of(self, region: Region) -> int:
        """The number of the buffer that holds a region."""
        return bisect.bisect_right(self.starts, region.start) - 1

    def byte(self, region: Region, address: int) -> int:
        """Where an address lies in the buffer of a region."""
        return address - self.starts[self.of(region)]

    def place(self, region: Region) -> dict[str, Any]:
        """A region as plain data."""
        return {
            "name": region.name, "buffer": self.of(region),
            "byte": self.byte(region, region.start), "dtype": region.dtype.str,
        }  # fmt: skip


def buffers(touched: list[Region]) -> Buffers:
    """The fewest buffers such that every region lies in one."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted((r.start & -ALIGN, -(-r.end // ALIGN) * ALIGN) for r in touched):
        if starts and start < ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return Buffers(starts, [b - a for a, b in zip(starts, ends, strict=True)])

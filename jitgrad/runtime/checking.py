"""JITGRAD_CHECK=1: every run against the NumPy oracle, within what rounding explains.

Where a result is further off than rounding usually carries, the oracle computes it again, twice,
with every operation perturbed by about one rounding: sums that cancel, say, move a lot then.
Entry: `expected(nodes, outputs)` before a run, `Expected.check(got, plan)` after it.
Imports: ir, runtime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.ir.evaluate import evaluate
from jitgrad.ir.node import Node, skeleton
from jitgrad.runtime import pool, switches

TOLERANCE = {4: 1e-4, 8: 1e-9}  # by itemsize: relative, and of the largest element
RUNS, ROOM = 2, 16  # perturbed runs; how much further than those a result may be


class Expected:
    """What the oracle says of a graph that is about to run."""

    def __init__(self, nodes: list[Node], outputs: list[int]) -> None:
        """`outputs`: the numbers of those among `nodes` that will be computed."""
        self.outputs = outputs
        self.texts = [repr(nodes[i]) for i in outputs]
        self._nodes = skeleton(nodes)
        for node, mine in zip(nodes, self._nodes, strict=True):
            if node.op.name == "buffer":  # a copy: the run may write in place
                mine.data = pool.wrap(node.array().copy())
                mine.strides, mine.offset = None, 0
        self.values = self._evaluate(None)
        self._moved: list[np.ndarray] = []

    def _evaluate(self, noise: Any) -> list[np.ndarray]:
        return evaluate([self._nodes[i] for i in self.outputs], noise)

    def moved(self, k: int) -> np.ndarray:
        """How far one rounding an operation moves output `k`; of integers, whether it does."""
        if not self._moved:
            runs = [self._evaluate(np.random.default_rng(seed)) for seed in range(RUNS)]
            self._moved = [
                np.max([_gap(run[i], want) for run in runs], 0)
                for i, want in enumerate(self.values)
            ]
        return self._moved[k]

    def check(self, got: dict[int, np.ndarray], plan: Any) -> None:
        """Compare outputs, by their numbers.

        Raises:
            AssertionError: naming the node, its line and the kernel that computed it.
        """
        for k, (number, what, want) in enumerate(
            zip(self.outputs, self.texts, self.values, strict=True)
        ):
            if _usual(got[number], want) or self._explained(got[number], k):
                continue
            file, line, note = self._nodes[number].site
            where = f"{file}:{line}" + (f" ({note})" if note else "")
            steps = plan.schedule.steps
            names = [s.name for s in steps if any(number in sources for sources in s.sources)]
            raise AssertionError(
                f"JITGRAD_CHECK: {what} recorded at {where} differs from the oracle; "
                f"kernel: {', '.join(names or [s.name for s in steps])}"
            )

    def _explained(self, got: np.ndarray, k: int) -> bool:
        gap, moved = _gap(got, self.values[k]), self.moved(k)
        if got.dtype.kind != "f":
            return bool(np.all(gap <= moved))
        return bool(np.all(gap <= ROOM * moved.max(initial=0)))


def expected(nodes: list[Node], outputs: list[int]) -> Expected | None:
    """What the run is held against; None unless JITGRAD_CHECK asks for it."""
    return Expected(nodes, outputs) if switches.check() else None


def _usual(got: np.ndarray, want: np.ndarray) -> bool:
    if want.dtype.kind != "f":
        return np.array_equal(got, want)
    finite = np.abs(want[np.isfinite(want)])
    scale = float(finite.max()) if finite.size else 1.0
    tolerance = TOLERANCE[want.dtype.itemsize]
    return np.allclose(got, want, tolerance, tolerance * scale, equal_nan=True)


def _gap(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """How far apart two results are, by element; of integers, 1 where they differ."""
    if want.dtype.kind != "f":
        return (got != want).astype(np.float64)
    with np.errstate(all="ignore"):
        gap = np.abs(got.astype(np.float64) - want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf))

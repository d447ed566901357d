"""What ran: counters since the process started. Entry: `stats()`, `totals()`, `Tally`.

Imports: runtime.
"""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

LISTED = 1000  # recompiles that stats() lists


@dataclass
class Counts:
    """Running totals."""

    nodes: int = 0
    flushes: int = 0
    schedules: int = 0
    kernels_run: int = 0
    steps_run: int = 0
    recompiles: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LISTED))
    bytes: int = 0
    flops: int = 0

    def add(self, plan: Any, kernels: int, nodes: int, runs: int = 1) -> None:
        """`runs` runs of a bound plan."""
        self.flushes += runs
        self.nodes += runs * nodes
        self.kernels_run += runs * kernels
        self.steps_run += runs * plan.launches
        self.bytes += runs * plan.bytes
        self.flops += runs * plan.flops


counts = Counts()


class Tally:
    """Counts runs of some plans; they are added up when somebody asks, or when it dies."""

    __slots__ = ("__weakref__", "plans", "runs")

    def __init__(self) -> None:
        self.plans: list[tuple[Any, int, int]] = []  # plan, kernels, nodes
        self.runs = 0
        _tallies.add(self)

    def settle(self) -> None:
        """Put what was counted so far into the totals."""
        runs, self.runs = self.runs, 0
        for plan, kernels, nodes in self.plans:
            counts.add(plan, kernels, nodes, runs)

    __del__ = settle


_tallies: weakref.WeakSet[Tally] = weakref.WeakSet()


def totals() -> Counts:
    """The totals, all tallies included."""
    for tally in list(_tallies):
        tally.settle()
    return counts


def stats() -> dict[str, Any]:
    """Totals since the process started.

    Returns a dict: `nodes` flushed, `flushes`, `schedules` made, `kernels_compiled` by Numba,
    `kernels_loaded` from the disk cache, `kernels_run` and `steps_run` (a step that only finishes a
    reduction is no kernel), `recompiles`, predicted `bytes` and `flops`.

    `meta` has the same of what was planned on device "meta" and not run: `flushes`, `kernels`,
    `steps`, `bytes`, `flops`, and the memory it would take: `live_bytes`, `peak_bytes`.

    `recompiles` lists the last 1 000 times that a schedule had to be made for a program like one
    seen before, or a compiled `function` was recorded again: `what` in the key differed, what it
    `was` and is `now`, `where` it was recorded and the `kernels` new to the process.

    Example:
        >>> import jitgrad
        >>> before = jitgrad.stats()["flushes"]
        >>> jitgrad.ones(3).sum().item()
        3.0
        >>> jitgrad.stats()["flushes"] > before
        True
    """
    from jitgrad.runtime import build, meta

    counts = totals()
    return {
        "nodes": counts.nodes,
        "flushes": counts.flushes,
        "schedules": counts.schedules,
        "kernels_compiled": build.counters.compiled,
        "kernels_loaded": build.counters.loaded,
        "kernels_run": counts.kernels_run,
        "steps_run": counts.steps_run,
        "recompiles": list(counts.recompiles),
        "bytes": counts.bytes,
        "flops": counts.flops,
        "meta": meta.summary(),
    }

"""What ran: every launch of a thread with its lines, time, traffic. Entry: `Launch`, `recording`.

Imports: frontend, runtime, compiler.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jitgrad.compiler.header import served
from jitgrad.runtime import ceilings, trace


@dataclass(frozen=True)
class Launch:
    """One step that ran.

    Attributes:
        kernel: its name.
        lines: the user's lines that it serves, as `net.py:12 (grad of tanh)`.
        start, seconds: when it began, by `time.perf_counter`, and how long it took.
        combine: whether it only finished a reduction.
        nbytes: predicted traffic.
        work: what `runtime.ceilings` judges it by.
    """

    kernel: str
    lines: tuple[str, ...]
    start: float
    seconds: float
    combine: bool
    nbytes: int
    work: tuple[int, int, str]

    @property
    def share(self) -> float | None:
        """The part of the machine's ceiling that it reached; measures the ceiling if need be."""
        return ceilings.share(self.seconds, *self.work)


@contextmanager
def recording(into: list[Launch]) -> Iterator[None]:
    """Inside, plans of this thread run step by step, and each step is added to `into`."""

    def launch(plan: Any) -> Any:
        steps = plan.schedule.steps
        lines = [tuple(served(step, plan.nodes)) for step in steps]
        for i, seconds, failure in trace.each(plan):
            start = time.perf_counter() - seconds
            work = ceilings.work(plan, i)
            step = steps[i]
            into.append(Launch(step.name, lines[i], start, seconds, step.combine, work[0], work))
            if failure is not None:
                return failure
        return None

    with trace.watching(launch):
        yield

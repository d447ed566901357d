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


class _Recorder:
    """A launcher that runs plans step by step and adds each step to some lists."""

    def __init__(self, lists: list[list[Launch]]) -> None:
        self.lists = lists

    def __call__(self, plan: Any) -> Any:
        steps = plan.schedule.steps
        lines = [tuple(served(step, plan.nodes)) for step in steps]
        for i, seconds, failure in trace.each(plan):
            start = time.perf_counter() - seconds
            work = ceilings.work(plan, i)
            step = steps[i]
            launch = Launch(step.name, lines[i], start, seconds, step.combine, work[0], work)
            for into in self.lists:
                into.append(launch)
            if failure is not None:
                return failure
        return None


@contextmanager
def recording(into: list[Launch]) -> Iterator[None]:
    """Inside, each step that this thread runs is added to `into`, and to the lists of recordings
    around this one."""
    outer = trace.launch()
    lists = outer.lists if isinstance(outer, _Recorder) else []
    with trace.watching(_Recorder([*lists, into])):
        yield

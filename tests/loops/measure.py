"""What a loop costs as it goes on. Entry: `watched(step, steps)`."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import dataclass

import jitgrad as torch
from jitgrad.ir.node import Node
from jitgrad.runtime import build

CYCLE = 65  # steps between the cuts of a growing chain, and one
SAMPLES = 3
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident():
    """Resident memory of the process in bytes."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * PAGE


def live_nodes():
    """Nodes that are alive."""
    return sum(type(x) is Node for x in gc.get_objects())


def made():
    """Schedules planned and kernels built so far."""
    found = torch.stats()
    kernels = found["kernels_compiled"] + found["kernels_loaded"] + build.counters.interpreted
    return found["schedules"], kernels


@dataclass
class Course:
    """Measurements of one loop.

    Attributes:
        early, late: median seconds of a step at the start (after warming up) and at the end; of
            processor time, since other processes make a clock on the wall jump.
        quiet: the same two of the tenth of steps that nothing disturbed.
        memory, nodes: resident bytes and live nodes at both ends.
        news: schedules and kernels made after the third flush.
        flushes: in the whole loop.
    """

    early: float
    late: float
    quiet: tuple
    memory: tuple
    nodes: tuple
    news: tuple
    flushes: int

    @property
    def slower(self):
        """Time of a late step over that of an early one, by medians or by undisturbed steps: what
        else runs on the machine moves the one, a real slope moves both."""
        return min(self.late / self.early, self.quiet[1] / self.quiet[0])

    @property
    def grown(self):
        """Memory at the end over that at the start."""
        return self.memory[1] / self.memory[0]

    def __str__(self):
        nodes = " and ".join(map(str, self.nodes))
        ratios = self.late / self.early, self.quiet[1] / self.quiet[0]
        return (
            f"step {self.early * 1e6:.0f} us early, {self.late * 1e6:.0f} us late "
            f"(x {ratios[0]:.3f}; undisturbed x {ratios[1]:.3f}); memory x {self.grown:.3f} "
            f"({self.memory[0] / 2**20:.0f} MiB at the start); live nodes {nodes}; "
            f"{self.flushes} flushes; made after the third: {self.news[0]} schedules, "
            f"{self.news[1]} kernels"
        )


def watched(step, steps, warm=100, window=1000):
    """Run `step()` so many times and compare the first `window` steps after `warm` with the last.

    A lazy loop works at its soft flushes, every 64 steps: times are means over blocks of steps,
    nodes and memory are taken after steps that flushed, a few at each end.
    """
    first = torch.stats()["flushes"]
    times, third = [], None
    ends = [range(warm, warm + window), range(steps - 3 * CYCLE, steps)]
    peaks, left = [[0, 0], [0, 0]], [SAMPLES, SAMPLES]
    flushes = first
    for i in range(steps):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
        if third is None and torch.stats()["flushes"] - first >= 3:
            third = made()
        before, flushes = flushes, torch.stats()["flushes"]
        for k, end in enumerate(ends):
            if i in end and left[k] and flushes != before:
                left[k] -= 1
                peaks[k] = [max(peaks[k][0], resident()), max(peaks[k][1], live_nodes())]
    final = made()
    news = tuple(b - a for a, b in zip(third or final, final, strict=True))
    early, late = blocks(times[warm : warm + window]), blocks(times[-window:])
    quiet = quantile(early, 0.1), quantile(late, 0.1)
    early, late = quantile(early, 0.5), quantile(late, 0.5)
    memory, nodes = zip(*peaks, strict=True)
    return Course(early, late, quiet, memory, nodes, news, torch.stats()["flushes"] - first)


def blocks(times):
    """Mean time of a step in each run of steps that holds one cut."""
    starts = range(len(times) - CYCLE + 1)
    return [sum(times[i : i + CYCLE]) / CYCLE for i in starts] or times


def quantile(values, share):
    """The value below which a share of them lies."""
    return sorted(values)[int(share * (len(values) - 1))]

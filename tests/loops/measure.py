"""What a loop leaves behind as it goes on: memory, live nodes, late plans. Entry: `Watch`."""

from __future__ import annotations

import gc
import os
import sys
import time
from dataclasses import dataclass

import jitgrad as torch
from jitgrad.frontend.pending import LINKS
from jitgrad.ir.node import Node
from jitgrad.runtime import build

CYCLE = LINKS  # steps from one cut of a growing chain to the next
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


def calls(step, steps):
    """Calls of Python and C functions in so many steps: the work of recording, without a clock."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        for _ in range(steps):
            step()
    finally:
        sys.setprofile(None)
    return count


@dataclass(frozen=True)
class Course:
    """How one loop went.

    Attributes:
        memory, nodes: most resident bytes and live nodes after a flush, at both ends.
        news: schedules and kernels made after the third flush.
        flushes: in the whole loop.
    """

    memory: tuple
    nodes: tuple
    news: tuple
    flushes: int

    @property
    def grown(self):
        """Memory at the end over that at the start."""
        return self.memory[1] / self.memory[0]

    def __str__(self):
        return (
            f"memory x {self.grown:.3f} ({self.memory[0] / 2**20:.0f} MiB at the start); "
            f"live nodes {self.nodes[0]} and {self.nodes[1]}; {self.flushes} flushes; "
            f"made after the third: {self.news[0]} schedules, {self.news[1]} kernels"
        )


class Watch:
    """Runs a loop of `steps` steps, as many at a time as one likes.

    Nodes and memory are taken after steps that flushed, `samples` of them from step `warm` on and
    as many among the last.
    """

    def __init__(self, step, steps, warm=100, samples=SAMPLES):
        self.step = step
        self.done = 0
        self.ends = range(warm, steps), range(steps - SAMPLES * CYCLE, steps)
        self.left = [samples, samples]
        self.peaks = [(0, 0), (0, 0)]
        self.start = self.flushes = torch.stats()["flushes"]
        self.third = None

    def run(self, count):
        """The next `count` steps; seconds of processor time of each."""
        times = []
        for _ in range(count):
            start = time.process_time()
            self.step()
            times.append(time.process_time() - start)
            self.note()
            self.done += 1
        return times

    def note(self):
        """Look at what the last step left."""
        before, self.flushes = self.flushes, torch.stats()["flushes"]
        if self.third is None and self.flushes - self.start >= 3:
            self.third = made()
        for k, end in enumerate(self.ends):
            if self.done in end and self.left[k] and self.flushes != before:
                self.left[k] -= 1
                seen = resident(), live_nodes()
                self.peaks[k] = tuple(map(max, self.peaks[k], seen))

    def course(self):
        """What was seen so far."""
        final = made()
        news = tuple(b - a for a, b in zip(self.third or final, final, strict=True))
        memory, nodes = zip(*self.peaks, strict=True)
        return Course(memory, nodes, news, self.flushes - self.start)

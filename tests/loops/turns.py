"""Late steps of a loop beside early ones, at the same time. Entry: `raced(make, mode)`.

On a machine that others use, processor time too changes by half within seconds: shared caches and
clock rates. The early and the late steps of one run are further apart than that, so their ratio
tells of the neighbours. Here two processes run the same loop on the same processor, one of them
`steps - window` steps ahead, and take turns of a few steps: each block of `CYCLE` steps, which
holds one cut of a growing chain, has run beside the other's within some tens of milliseconds, and
the median of the blocks' ratios is what growing older costs.
"""

from __future__ import annotations

import os
import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import jitgrad as torch
from tests.loops.measure import CYCLE, SAMPLES, Watch

WARM, WINDOW = 100, 1000
TURN = 2  # steps


@dataclass(frozen=True)
class Pace:
    """Seconds of every early and every late step, in the order in which they ran."""

    early: list
    late: list

    @property
    def slower(self):
        """Time of a late step over that of an early one: the median over pairs of blocks."""
        pairs = zip(blocks(self.early), blocks(self.late), strict=True)
        return statistics.median(late / early for early, late in pairs)

    def __str__(self):
        early, late = (statistics.median(blocks(x)) * 1e6 for x in (self.early, self.late))
        return (
            f"step {early:.0f} us early, {late:.0f} us late (medians of {CYCLE} steps), "
            f"taking turns x {self.slower:.3f}"
        )


def blocks(times):
    """Mean time of a step in each run of `CYCLE` steps."""
    return [sum(times[i : i + CYCLE]) / CYCLE for i in range(0, len(times) - CYCLE + 1, CYCLE)]


def raced(make, mode, steps=5000, threads=1, window=WINDOW):
    """Run the loop whose step `make()` gives: (its Pace, the Course of the process ahead).

    Early are the `window` steps after the first `WARM`, late the last `window`; one is whole cycles
    ahead of the other, so that chains are cut at the same time: a few steps more than `steps`.
    """
    ahead = WARM - (WARM + window - steps) // CYCLE * CYCLE
    options = make, mode, threads, ahead + window
    with runner(*options, WARM, 0) as young, runner(*options, ahead, SAMPLES) as old:
        early, late = [], []
        for done in range(0, window, TURN):
            pair = [(young, early), (old, late)]
            for side, times in pair if done // TURN % 2 else pair[::-1]:
                side.send(min(TURN, window - done))
                times += side.recv()
        young.send(0)
        old.send(0)
        young.recv()
        return Pace(early, late), old.recv()


@contextmanager
def runner(*options):
    """A process that has run its first steps and waits for its turns: the connection to it."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(there, *options))
    process.start()
    there.close()  # so that its death ends a wait
    try:
        here.recv()
        yield here
    finally:
        here.close()
        process.join()


def serve(connection, make, mode, threads, steps, ahead, samples):
    """The process: steps as asked for, then what it saw."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    torch.set_num_threads(threads)
    torch.set_mode(mode)
    watch = Watch(make(), steps, WARM, samples)
    watch.run(ahead)
    connection.send("ready")
    while count := connection.recv():
        connection.send(watch.run(count))
    connection.send(watch.course())

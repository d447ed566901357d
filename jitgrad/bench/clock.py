"""Timing one step again and again; entry `repeat`, `Spread`, `settle`.

Imports nothing of jitgrad.
"""

import gc
import statistics
import time
from dataclasses import dataclass

WARM = 2  # calls before the clock starts, and a share of the time that is given: somebody else
WARM_SHARE = 0.1  # filled the caches meanwhile, and threads must wake up
LEAST = 5  # calls timed, however long they take
STILL = 0.02  # seconds without work after which threads are at rest
SPINNING = 2.0  # that are waited for it; OpenBLAS spins for 0.1


@dataclass(frozen=True)
class Spread:
    """Seconds of repeated calls: the middle one, the quartiles, the shortest."""

    median: float
    low: float
    high: float
    best: float
    runs: int

    @classmethod
    def of(cls, seconds):
        """The spread of a list of times.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.0, high=3.0, best=1.0, runs=3)
        """
        seconds = sorted(seconds)
        low, high = seconds[0], seconds[-1]
        if len(seconds) >= 4:
            low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(statistics.median(seconds), low, high, seconds[0], len(seconds))


def once(step, finish):
    """Seconds of one call of `step` until `finish` has its result complete, and the result."""
    start = time.perf_counter()
    result = finish(step())
    return time.perf_counter() - start, result


def repeat(step, finish, seconds):
    """A list of the times of warm calls of `finish(step())`, which take `seconds` altogether."""
    gc.collect()
    times = []
    clock = time.perf_counter
    calls, end = 0, clock() + seconds * WARM_SHARE
    while calls < WARM or clock() < end:
        finish(step())
        calls += 1
    end = clock() + seconds
    while True:
        start = clock()
        finish(step())
        now = clock()
        times.append(now - start)
        if now >= end and len(times) >= LEAST:
            return times


def settle(most=SPINNING):
    """Wait until no thread of this process works or spins; whether that was within `most` s."""
    end = time.perf_counter() + most
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(STILL)
        if time.process_time() - before < STILL / 10:
            return True
    return False

"""Who else is at work: cores that other processes keep busy while the benchmark runs.

Entry: `Watch`; `cores`, those that a subject runs on. Linux says it; elsewhere nobody knows.
Imports nothing of jitgrad.
"""

import os
import time

_IDLE = (3, 4)  # fields of a line of /proc/stat: idle, waiting for a disk
_COUNTED = 8  # fields that add up to all time; those behind them are parts of others


def cores(threads):
    """The first `threads` cores that this process may use; None where it is not confined to any."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    return sorted(os.sched_getaffinity(0))[:threads]


class Watch:
    """From now on: the time that the subjects' cores are busy, less what is known to be ours."""

    def __init__(self, threads):
        self._cores = cores(threads)
        self._start = time.perf_counter()
        self._busy = busy(self._cores)
        self._own = time.process_time()
        self._ours = 0.0

    def ours(self, seconds):
        """A subject has used so many seconds of processor time."""
        self._ours += seconds

    def others(self):
        """The number of cores that somebody else has used on average; None if unknown."""
        if self._busy is None:
            return None
        ours = self._ours + time.process_time() - self._own
        took = time.perf_counter() - self._start
        return max(0.0, (busy(self._cores) - self._busy - ours) / took)


def busy(numbers):
    """Seconds that the cores of these numbers have worked since the machine started, or None."""
    try:
        with open("/proc/stat") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    names = {f"cpu{number}" for number in numbers or ()}
    found = [[int(text) for text in rest[:_COUNTED]] for name, *rest in lines if name in names]
    ticks = sum(n for fields in found for at, n in enumerate(fields) if at not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK") if found else None

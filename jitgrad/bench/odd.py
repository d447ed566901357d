"""Odd sizes beside round ones: what an element costs there, two processes taking turns.

Entry: `pairs`, `compare_sizes`. Imports `client`, `workloads`.
"""

import statistics
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from jitgrad.bench.client import Failed, Server
from jitgrad.bench.workloads import Case

BAR = 1.3  # times that an element may take of one in the round case


@dataclass
class Pair:
    """One workload at an odd and at the neighbouring round size; seconds of rounds."""

    odd: Case
    even: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)  # by label
    failed: str = ""

    @property
    def ratio(self):
        """The time per element of the odd size by that of the round one, or None."""
        if self.failed or len(self.seconds) < 2:
            return None
        each = [
            statistics.median(self.seconds[case.label]) / case.elements
            for case in (self.odd, self.even)
        ]
        return each[0] / each[1]

    @property
    def met(self):
        """Whether the bar is met; None if that is unknown."""
        return None if self.ratio is None else self.ratio <= BAR


def pairs(cases):
    """A pair for each odd size of the cases' workloads, but where a size was asked for only its."""
    found = {}
    for case in cases:
        workload = case.workload
        for odd, even in workload.odd.items():
            if case.size in workload.sizes or case.size == odd:
                pair = Pair(Case(workload, odd), Case(workload, even))
                found[pair.odd.label] = pair
    return list(found.values())


def compare_sizes(pair, subject, threads, seconds, rounds):
    """Time both sizes of a pair, `rounds` times `seconds` each; the pair.

    Every two rounds run in new processes: where the system happens to put the memory and the
    threads of one may cost it a third of its speed for as long as it lives.
    """
    try:
        for first in range(0, rounds, 2):
            _turns(pair, subject, threads, seconds, range(first, min(first + 2, rounds)))
    except Failed as failed:
        pair.failed = str(failed)
    return pair


def _turns(pair, subject, threads, seconds, turns):
    with ExitStack() as stack:
        servers = {
            case.label: stack.enter_context(closing(Server(subject, case, threads)))
            for case in (pair.odd, pair.even)
        }
        for turn in turns:
            for label in sorted(servers, reverse=turn % 2 == 1):
                answer = servers[label].ask(f"time {seconds}")
                pair.seconds.setdefault(label, []).append(answer["median"])

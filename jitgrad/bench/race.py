"""One case, all subjects taking turns in one run; entry `race`, which returns an `Outcome`.

Medians are over rounds of medians: in each round every subject times itself once, and the order
turns with the rounds. Imports `client`, `load`, `workloads`.
"""

import math
import statistics
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jitgrad.bench import load
from jitgrad.bench.client import Failed, Server
from jitgrad.bench.workloads import Bar, Case

CEILINGS = ("copy", "products")  # what a case could take at best
FROM_COLD = ("lazy", "compiled")  # whose first calls are also made with nothing in the disk cache


@dataclass
class Times:
    """What one subject did; seconds but for the name of the field that says otherwise."""

    kind: str
    rounds: list[float] = field(default_factory=list)  # the median call of each
    best: float = float("inf")
    runs: int = 0
    ready: dict = field(default_factory=dict)  # what its process said first, see `serve`
    cold: dict = field(default_factory=dict)  # the same of one that found nothing on disk
    note: str = ""
    failed: str = ""
    same_on: dict[int, bool] = field(default_factory=dict)  # by threads: the result's bits
    error: float | None = None  # from the reference, as a part of its largest value

    @property
    def median(self):
        """Seconds of a call, or None."""
        return statistics.median(self.rounds) if self.rounds else None

    def early(self, cold=False):
        """Seconds that the first calls took beyond warm ones, or None."""
        told = self.cold if cold else self.ready
        if self.median is None or "early_s" not in told:
            return None
        return sum(max(0.0, seconds - self.median) for seconds in told["early_s"])


@dataclass
class Outcome:
    """What a race found."""

    case: Case
    times: dict[str, Times]
    reference: str = ""  # the peer whose results jitgrad's were held against
    others: float | None = None  # cores that processes of somebody else kept busy meanwhile

    def fastest(self, against):
        """The least median of "jax", "torch" (eager, its optimizer fused), all "peers", or the
        "sgemm" ceilings; None if none was timed."""
        fused = "torch.fused" if self.case.workload.optimizer else "torch"
        names = {
            "jax": ("jax",),
            "torch": (fused,),
            "peers": [name for name, times in self.times.items() if times.kind == "peer"],
            "sgemm": ("sgemm.threaded", "sgemm.per_core"),
        }
        found = [self.times[name].median for name in names[against] if name in self.times]
        return min((median for median in found if median is not None), default=None)

    def ratio(self, against, mode="compiled"):
        """The time of a mode of jitgrad by the fastest of `against`, or None."""
        ours, other = self.times.get(mode), self.fastest(against)
        if ours is None or ours.median is None or other is None:
            return None
        return ours.median / other

    def share(self, mode="compiled"):
        """The part of the ceiling measured in this race that a mode reaches, or None."""
        ours = self.times.get(mode)
        floors = [t.median for name, t in self.times.items() if name in CEILINGS and t.rounds]
        return None if ours is None or not ours.rounds or not floors else max(floors) / ours.median

    def verdict(self, bar):
        """ "yes" or "NO", or "by ceiling" where a bar is met in the other way that `Bar` has; None
        without a bar, or with nothing to judge it by."""
        if bar is None:
            return None
        ratio = self.ratio(bar.against, bar.mode)
        if ratio is not None and ratio <= bar.limit:
            return "yes"
        share = self.share(bar.mode)
        if bar.by_ceiling and self.case.largest >= Bar.LEAST and share is not None:
            if share >= Bar.CEILING:
                return "by ceiling"
        return None if ratio is None else "NO"

    def pays_after(self, other, cold=False):
        """The steps after which what compiled's first calls cost beyond warm ones is won back
        against `other`: math.inf if never, None if unknown."""
        compiled, beside = self.times.get("compiled"), self.times.get(other)
        if compiled is None or beside is None or beside.median is None:
            return None
        cost = compiled.early(cold)
        if cost is None:
            return None
        gain = beside.median - compiled.median
        return math.ceil(cost / gain) if gain > 0 else math.inf

    @property
    def held(self):
        """Whether each mode's result was held against a peer's."""
        return all(times.error is not None for times in self._ours())

    @property
    def bits_checked(self):
        """Whether each mode's result was made again on another number of threads."""
        return all(times.same_on for times in self._ours())

    def _ours(self):
        return [times for times in self.times.values() if times.kind == "jitgrad"]

    def faults(self):
        """What is wrong with results: none, far from the reference, or not the same bits."""
        found, digests = [], {}
        for name, times in self.times.items():
            if times.kind == "jitgrad" and times.failed:
                found.append(f"{name} failed")
            if times.error is not None and not times.error <= self.case.workload.tolerance:
                found.append(f"{name} is {times.error:.1e} from {self.reference}")
            found += [
                f"{name} differs on {n} threads" for n, same in times.same_on.items() if not same
            ]
            if times.kind == "jitgrad" and times.ready:
                digests[name] = times.ready["digest"]
        if len(set(digests.values())) > 1:
            found.append(f"the bits of {', '.join(digests)} differ")
        return found


def race(case, subjects, threads, seconds, rounds, cold=False):
    """Run `case` by `subjects`, `rounds` times `seconds` each.

    With `cold`, processes that find an empty disk cache come first, and what they leave there is
    all that the others find.
    """
    outcome = Outcome(case, {subject.name: Times(subject.kind) for subject in subjects})
    with ExitStack() as stack:
        env = {}
        if cold:
            env = {"JITGRAD_CACHE_DIR": stack.enter_context(tempfile.TemporaryDirectory())}
            _cold(outcome, subjects, threads, env)
        servers = {}
        for subject in subjects:
            times = outcome.times[subject.name]
            try:
                server = Server(subject, case, threads, **env)
            except Failed as failed:
                times.failed = str(failed)
                continue
            servers[subject.name] = stack.enter_context(closing(server))
            times.ready = server.ready
        _check(outcome, servers)
        _rounds(outcome, servers, threads, seconds, rounds)
    _check_threads(outcome, subjects, 2 if threads == 1 else 1)
    return outcome


def _cold(outcome, subjects, threads, env):
    """First calls with nothing on disk; compiled, the last, fills the cache for those to come."""
    for subject in subjects:
        if subject.name not in FROM_COLD:
            continue
        with tempfile.TemporaryDirectory() as empty:
            own = env if subject.name == FROM_COLD[-1] else {"JITGRAD_CACHE_DIR": empty}
            try:
                server = Server(subject, outcome.case, threads, **own)
            except Failed:
                continue  # as it will again, where that is noted
            with closing(server):
                outcome.times[subject.name].cold = server.ready


def _rounds(outcome, servers, threads, seconds, rounds):
    names, lost = list(servers), False
    watch = load.Watch(threads)
    for turn in range(rounds):
        at = turn % max(1, len(names))
        for name in names[at:] + names[:at]:
            times = outcome.times[name]
            if times.failed:
                continue
            try:
                answer = servers[name].ask(f"time {seconds}")
            except Failed as failed:
                times.failed, lost = str(failed), True
                continue
            watch.ours(answer["cpu_s"])
            times.rounds.append(answer["median"])
            times.best = min(times.best, answer["best"])
            times.runs += answer["runs"]
            times.note = answer["note"]
    if not lost:  # what a process that ended has used is not known
        outcome.others = watch.others()


def _check(outcome, servers):
    """Hold jitgrad's results, and the ceilings', against a peer's."""
    peers = [name for name in servers if outcome.times[name].kind == "peer"]
    if not peers:
        return
    outcome.reference = "jax" if "jax" in peers else peers[0]
    with tempfile.TemporaryDirectory() as folder:
        expected = _result(servers[outcome.reference], folder)
        for name, server in servers.items():
            if name != outcome.reference and name not in CEILINGS:
                outcome.times[name].error = _error(_result(server, folder), expected)


def _result(server, folder):
    path = Path(folder) / "result.npz"
    server.ask(f"save {path}")
    with np.load(path) as file:
        return [file[name] for name in file.files]


def _error(found, expected):
    """The largest difference, as a part of the largest value expected; NaN if one is there."""
    if [array.shape for array in found] != [array.shape for array in expected]:
        return float("inf")
    parts = zip(found, expected, strict=True)
    return float(max(np.abs(x - y).max() / max(np.abs(y).max(), 1e-30) for x, y in parts))


def _check_threads(outcome, subjects, threads):
    """Whether jitgrad's results have the same bits on another number of threads."""
    for subject in subjects:
        times = outcome.times[subject.name]
        if subject.kind != "jitgrad" or times.failed:
            continue
        try:
            server = Server(subject, outcome.case, threads)
        except Failed as failed:
            times.failed = f"on {threads} threads: {failed}"
            continue
        with closing(server):
            times.same_on[threads] = server.ready["digest"] == times.ready["digest"]

"""`profile`: which of the user's lines cost time, through which kernels.

Imports: frontend, runtime.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jitgrad.debug.launches import Launch, recording
from jitgrad.frontend import pending
from jitgrad.frontend.state import local
from jitgrad.runtime import ceilings

_HEAD = ("calls", "ms", "GB/s", "ceiling")
_NOTE = "a fused kernel stands under each line that it serves, with all of its time"


@dataclass
class Total:
    """All launches of one kernel; `share` is the part of the ceiling reached, None if unknown."""

    kernel: str
    calls: int = 0
    seconds: float = 0.0
    nbytes: int = 0
    ceiling: float | None = 0.0  # seconds that the same work takes at the ceiling

    def add(self, launch: Launch) -> None:
        """One more launch."""
        self.calls += 1
        self.seconds += launch.seconds
        self.nbytes += launch.nbytes
        share = launch.share
        if share is None or self.ceiling is None:
            self.ceiling = None
        else:
            self.ceiling += share * launch.seconds

    @property
    def share(self) -> float | None:
        """The part of the ceiling that all calls together reached."""
        return None if self.ceiling is None else self.ceiling / self.seconds


@dataclass
class Profile:
    """What `profile` saw; printing it shows the table.

    Attributes:
        launches: every step that ran, in order.
        reads: (time, what forced it, line) of every evaluation; see `sync`.
        seconds: how long the block took.
    """

    launches: list[Launch] = field(default_factory=list)
    reads: list[tuple[float, str, str]] = field(default_factory=list)
    seconds: float = 0.0
    _start: float = 0.0
    _thread: int = field(default_factory=threading.get_ident)

    @property
    def kernel_seconds(self) -> float:
        """How much of that kernels took."""
        return sum(launch.seconds for launch in self.launches)

    def kernels(self) -> list[Total]:
        """A total for each kernel, the most expensive first."""
        return _totals(self.launches)

    def lines(self) -> dict[str, list[Total]]:
        """The kernels that serve each of the user's lines, the most expensive line first."""
        by_line: dict[str, list[Launch]] = {}
        for launch in self.launches:
            for line in dict.fromkeys(text.partition(" (")[0] for text in launch.lines):
                by_line.setdefault(line, []).append(launch)
        order = sorted(by_line, key=lambda line: -sum(x.seconds for x in by_line[line]))
        return {line: _totals(by_line[line]) for line in order}

    def __str__(self) -> str:
        runs = f"{len(self.launches)} launches of {len(self.kernels())} kernels"
        part = f"{self.kernel_seconds * 1e3:.3f} ms of {self.seconds * 1e3:.3f} ms"
        rows: list[tuple[str, ...]] = [(f"{runs}, {part}", *_HEAD)]
        for line, totals in self.lines().items():
            whole = sum(total.seconds for total in totals)
            rows.append((line, "", f"{whole * 1e3:.3f}", "", ""))
            rows += [(f"  {total.kernel}", *_figures(total)) for total in totals]
        width = max(len(row[0]) for row in rows)
        text = [f"{row[0]:<{width}}" + "".join(f"{c:>10}" for c in row[1:]) for row in rows]
        return "\n".join(line.rstrip() for line in [*text, _NOTE])

    def chrome(self) -> dict[str, Any]:
        """The same as events of Chrome's trace format, for about:tracing or ui.perfetto.dev."""
        common = {"pid": os.getpid(), "tid": self._thread}
        events: list[dict[str, Any]] = [
            {"name": "thread_name", "ph": "M", **common, "args": {"name": "kernels"}}
        ]
        for launch in self.launches:
            arguments = {"lines": list(launch.lines), "bytes": launch.nbytes, "ceiling": None}
            if launch.share is not None:
                arguments["ceiling"] = round(launch.share, 3)
            start, took = self._microseconds(launch.start), launch.seconds * 1e6
            kind = "combine" if launch.combine else "kernel"
            events.append(
                {"name": launch.kernel, "cat": kind, "ph": "X", "ts": start, "dur": took, **common}
                | {"args": arguments}
            )
        for when, what, line in self.reads:
            event = {"name": f"{what} at {line}", "cat": "read", "ph": "i", "s": "t"}
            events.append(event | {"ts": self._microseconds(when)} | common)
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the events of `chrome()` to a file, as JSON."""
        target = Path(path)
        target.write_text(json.dumps(self.chrome(), indent=1))
        return target

    def _microseconds(self, when: float) -> float:
        return (when - self._start) * 1e6


def _totals(launches: list[Launch]) -> list[Total]:
    found: dict[str, Total] = {}
    for launch in launches:
        found.setdefault(launch.kernel, Total(launch.kernel)).add(launch)
    return sorted(found.values(), key=lambda total: -total.seconds)


def _figures(total: Total) -> tuple[str, ...]:
    share = total.share
    part = "-" if share is None else f"{share:.0%}" + (" <<" if share < ceilings.LOW else "")
    rate = total.nbytes / total.seconds / 1e9
    return (f"{total.calls}", f"{total.seconds * 1e3:.3f}", f"{rate:.1f}", part)


@contextmanager
def profile() -> Iterator[Profile]:
    """Time every kernel that this thread runs in a block, by the lines that asked for it.

    Works in all modes, compiled functions included. Steps run one by one, so the block takes
    somewhat longer than it would. Kernels under 60 % of what this machine reaches (a copy of as
    many bytes, or the best matrix product) are marked; that is measured after the block.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.ones(1000)
        >>> with profile() as found:
        ...     total = (x * 2).exp().sum().item()
        >>> [kernels[0].calls for kernels in found.lines().values()]
        [1...]
        >>> found.save("/tmp/trace.json").name  # doctest: +SKIP
        'trace.json'
    """
    found, own = Profile(), local.state

    def read(what: str, site: Any) -> None:
        if local.state is own:
            line = f"{os.path.basename(site[0])}:{site[1]}"
            found.reads.append((time.perf_counter(), what, line))

    found._start = time.perf_counter()
    pending.observers.append(read)
    try:
        with recording(found.launches):
            yield found
    finally:
        pending.observers.remove(read)
        found.seconds = time.perf_counter() - found._start

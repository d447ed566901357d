"""Device "meta": programs are planned and counted, never run; memory has a size and no bytes.

`plan(snap)` stands where a flush would build and run: it needs no kernel, compiler or BLAS.
`Memory` takes the place of a Buffer. Entry: `plan`, `Memory`, `summary`. Imports: ir, compiler,
runtime.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler.schedule import Schedule
from jitgrad.compiler.snapshot import Snapshot
from jitgrad.compiler.values import Value
from jitgrad.ir.apply import realise
from jitgrad.runtime import fork, switches, tiles, trace
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.build import Function

KEPT = 256  # schedules
REASON = "a tensor on device 'meta' has a shape and a dtype, but no values"

_schedules: OrderedDict[Any, Schedule] = OrderedDict()
_lock = threading.RLock()  # a Memory may die while another is counted


@dataclass
class Totals:
    """What was planned so far, and the memory that it would take."""

    flushes: int = 0
    kernels: int = 0
    steps: int = 0
    bytes: int = 0
    flops: int = 0
    live_bytes: int = 0
    peak_bytes: int = 0


totals = Totals()


class Memory:
    """Memory that is counted, and does not exist."""

    __slots__ = ("nbytes",)
    external = readonly = False

    def __init__(self, nbytes: int) -> None:
        with _lock:
            self.nbytes = nbytes
            totals.live_bytes += nbytes
            totals.peak_bytes = max(totals.peak_bytes, totals.live_bytes)

    def __del__(self) -> None:
        with _lock:
            totals.live_bytes -= self.nbytes

    @property
    def array(self) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError(REASON)

    ptr = array


class Planned(Bound):
    """A schedule at one set of sizes, without the machine that would run it."""

    def product(self, kind: str, v: Value) -> int:
        """A product is one part: nobody is there to share it."""
        return 0 if kind == "tiles" else 1


def plan(snap: Snapshot) -> None:
    """Realise the wanted nodes of a snapshot in memory that does not exist."""
    key = (snap.key, switches.fuse())
    schedule = _schedules.get(key)
    if schedule is None:
        schedule = _schedules[key] = schedules.build(snap, switches.fuse(), tiles.CPU)
        if len(_schedules) > KEPT:
            _schedules.popitem(last=False)
    bound = bind(schedule, snap.nodes)
    watcher = getattr(trace.launch(), "planned", None)
    if watcher is not None:
        watcher(bound, snap.nodes)
    held = [
        Memory(n) if k is None else snap.nodes[k].data
        for n, k in zip(bound.output_bytes, bound.donors, strict=True)
    ]
    with _lock:
        totals.flushes += 1
        totals.kernels += schedule.kernel_count
        totals.steps += len(schedule.steps)
        totals.bytes += bound.bytes
        totals.flops += bound.flops
        totals.peak_bytes = max(totals.peak_bytes, totals.live_bytes + bound.arena_bytes)
    for i, memory in zip(snap.outputs, held, strict=True):
        realise(snap.nodes[i], memory)


def bind(schedule: Schedule, nodes: Any) -> Planned:
    """The plan of a schedule that nothing is to run."""
    kernels = [step.kernels[0] for step in schedule.steps]
    absent = [Function(k.name, "", tuple(k.params), k.source) for k in kernels]
    return Planned(schedule, absent, nodes)


def summary() -> dict[str, int]:
    """`totals` as a dict."""
    return dict(vars(totals))


fork.guard(_lock)

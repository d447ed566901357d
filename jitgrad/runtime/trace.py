"""JITGRAD_DEBUG: what each flush did, on stderr.

1 a line per flush: schedule hit, or miss and where the time went · 2 each launch: name, ms, GB/s
and the share of the machine's ceiling, marked if under 60 % · 3 rewrites that fired · 4 the source.
Entry: `made`, `hit`, `launch`, `watching`. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jitgrad.compiler.header import headed
from jitgrad.compiler.schedule import Schedule
from jitgrad.compiler.snapshot import Snapshot
from jitgrad.runtime import ceilings, switches
from jitgrad.runtime.misses import Miss
from jitgrad.runtime.program import Program
from jitgrad.runtime.stages import Stages


def say(text: str) -> None:
    """One line on stderr."""
    print(f"jitgrad: {text}", file=sys.stderr)


def made(schedule: Schedule, snap: Snapshot, stages: Stages, miss: Miss) -> None:
    """Report a schedule that was just made."""
    spent, level = stages.told(), switches.debug()
    if level < 1:
        return
    why = f"; {miss.text}" if miss.what else ""
    say(
        f"schedule miss: {_size(schedule, snap)}, {miss.compiled} compiled, "
        f"{miss.loaded} loaded, {spent}{why}"
    )
    if level >= 3:
        for name, times in Counter(schedule.fired).most_common():
            say(f"  rewrite {name}: {times} times")
    if level >= 4:
        for step in schedule.steps:
            say(f"source of {step.name}:\n{headed(schedule, step, snap.nodes)}")


def hit(schedule: Schedule, snap: Snapshot) -> None:
    """Report a schedule that was known."""
    say(f"schedule hit: {_size(schedule, snap)}")


def turns(plan: Any) -> None:
    """Report a Loop whose plan was known."""
    steps = f"{plan.schedule.kernel_count} kernels in {len(plan.schedule.steps)} steps"
    say(f"plan hit: {plan.turn.times} steps of a scan, each {steps}")


def replays(plans: list[Any]) -> None:
    """Report a compiled call."""
    turns = [plan.launches // max(1, len(plan.schedule.steps)) for plan in plans]
    kernels = sum(p.schedule.kernel_count * n for p, n in zip(plans, turns, strict=True))
    steps = sum(plan.launches for plan in plans)
    say(f"compiled call: {len(plans)} schedules, {kernels} kernels in {steps} steps")


def _size(schedule: Schedule, snap: Snapshot) -> str:
    file, line, _ = snap.nodes[snap.outputs[-1]].site
    return (
        f"{len(snap.nodes)} nodes up to {os.path.basename(file)}:{line}, "
        f"{schedule.kernel_count} kernels in {len(schedule.steps)} steps"
    )


class _Watch(threading.local):
    launch: Any = None


_watch = _Watch()
watched = [0]  # how many threads are inside `watching`: while none is, nobody need ask further


@contextmanager
def watching(launch: Any) -> Iterator[None]:
    """Inside, `launch(plan)` runs the plans of this thread's flushes and compiled calls."""
    before = _watch.launch
    _watch.launch = launch
    watched[0] += 1
    try:
        yield
    finally:
        _watch.launch = before
        watched[0] -= 1


def launch() -> Any:
    """What takes the place of the one native call, if anything does."""
    return _watch.launch or (launcher if switches.debug() >= 2 else None)


def each(plan: Any) -> Iterator[tuple[int, float, Any]]:
    """Run the steps of a bound plan one by one: (number, seconds, failure)."""
    for i, step in enumerate(plan.steps):
        program = Program([step])
        start = time.perf_counter()
        failure = program.run()
        seconds = time.perf_counter() - start
        yield i, seconds, failure and dataclasses.replace(failure, step=i)
        if failure:
            return


def launcher(plan: Any) -> Any:
    """Run the steps of a bound plan one by one and report each."""
    for i, seconds, failure in each(plan):
        name, size = plan.schedule.steps[i].name, plan.step_bytes[i]
        part = ceilings.told(ceilings.share(seconds, *ceilings.work(plan, i)))
        rate = f"{size / seconds / 1e9:.1f} GB/s{part}"
        say(f"  {name}: {seconds * 1e3:.3f} ms, {size} bytes, {rate}")
        if failure is not None:
            return failure
    return None

"""JITGRAD_DEBUG: what each flush did, on stderr; JITGRAD_CHECK: each flush against the oracle.

1 a line per schedule made · 2 each launch: name, ms, GB/s · 3 rewrites that fired · 4 the source.
Entry: `made`, `launcher`, `check`. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from jitgrad.compiler.schedule import Schedule
from jitgrad.compiler.snapshot import Snapshot
from jitgrad.ir.evaluate import evaluate
from jitgrad.ir.node import Node
from jitgrad.runtime import switches
from jitgrad.runtime.program import Program


def say(text: str) -> None:
    """One line on stderr."""
    print(f"jitgrad: {text}", file=sys.stderr)


def made(schedule: Schedule, snap: Snapshot, functions: list[Any], seconds: float) -> None:
    """Report a schedule that was just made."""
    level = switches.debug()
    if level < 1:
        return
    compiled = sum(not f.from_cache for f in functions)
    say(
        f"schedule of {len(snap.nodes)} nodes: {schedule.kernel_count} kernels in "
        f"{len(schedule.steps)} steps, {compiled} compiled, {seconds * 1e3:.0f} ms"
    )
    if level >= 3:
        for name, times in Counter(schedule.fired).most_common():
            say(f"  rewrite {name}: {times} times")
    if level >= 4:
        for step in schedule.steps:
            say(f"source of {step.name}:\n{step.kernels[0].source}")


def launcher(plan: Any) -> Any:
    """Run the steps of a bound plan one by one and report each."""
    for i, step in enumerate(plan.steps):
        start = time.perf_counter()
        failure = Program([step]).run()
        seconds = time.perf_counter() - start
        rate = plan.step_bytes[i] / seconds / 1e9
        say(
            f"  {plan.schedule.steps[i].name}: {seconds * 1e3:.3f} ms, "
            f"{plan.step_bytes[i]} bytes, {rate:.1f} GB/s"
        )
        if failure is not None:
            return dataclasses.replace(failure, step=i)
    return None


def expected(snap: Snapshot) -> list[np.ndarray] | None:
    """The oracle's values of a snapshot's outputs, if JITGRAD_CHECK asks for them."""
    return evaluate([snap.nodes[i] for i in snap.outputs]) if switches.check() else None


def check(nodes: list[Node], values: list[np.ndarray], schedule: Schedule) -> None:
    """Compare realised outputs with the oracle.

    Raises:
        AssertionError: naming the node, its line and the kernels of the schedule.
    """
    for node, want in zip(nodes, values, strict=True):
        got = node.array()
        if node.dtype.kind != "f":
            same = np.array_equal(got, want)
        else:
            finite = np.abs(want[np.isfinite(want)])
            scale = float(finite.max()) if finite.size else 1.0
            tolerance = 1e-4 if node.dtype.itemsize == 4 else 1e-9
            same = np.allclose(got, want, tolerance, tolerance * scale, equal_nan=True)
        if not same:
            file, line, _ = node.site
            names = ", ".join(step.name for step in schedule.steps)
            raise AssertionError(
                f"JITGRAD_CHECK: {node} recorded at {file}:{line} differs from the oracle; "
                f"kernels: {names}"
            )

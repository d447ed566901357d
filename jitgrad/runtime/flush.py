"""Realising nodes: key, schedule, build, bind, run.

Entry: `flush(nodes)`. A pending graph too large for one schedule is cut in recorded order, which
changes no bit. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.ir.apply import realise
from jitgrad.ir.node import Node, walk
from jitgrad.runtime import build, pool, switches, threads, trace
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.stats import counts

CUT = 1024  # nodes in one schedule
PLANS = 512  # bound plans kept

_programs: dict[Any, Program] = {}
_plans: OrderedDict[Any, Bound] = OrderedDict()


class Program:
    """A schedule with its machine code."""

    __slots__ = ("functions", "kernels", "schedule", "steps")

    def __init__(self, snap: snapshot.Snapshot) -> None:
        start = time.perf_counter()
        self.schedule = schedules.build(snap, switches.fuse())
        kernels = [step.kernels[0] for step in self.schedule.steps]
        self.functions = build.get_many(kernels)
        self.kernels, self.steps = self.schedule.kernel_count, len(self.schedule.steps)
        counts.schedules += 1
        trace.made(self.schedule, snap, self.functions, time.perf_counter() - start)


def flush(nodes: list[Node]) -> None:
    """Compute `nodes`; afterwards each is realised.

    Raises:
        IndexError: an index met at run time is out of range; nothing else is harmed.
    """
    roots = pending(nodes)
    if not roots:
        return
    order = walk(roots)
    if len(order) > CUT:
        for part in pieces(order, roots):
            run(part)
        roots = pending(nodes)
        order = walk(roots)
    if roots:
        run(roots, order=order)


def pending(nodes: Iterable[Node]) -> list[Node]:
    """The nodes without values, each once."""
    return list({id(n): n for n in nodes if not n.realised}.values())


def pieces(order: list[Node], roots: list[Node]) -> list[list[Node]]:
    """Cut a long recorded order: per piece, the nodes that later pieces read."""
    place = {id(n): i for i, n in enumerate(order)}
    last = dict.fromkeys(place, 0)
    for i, node in enumerate(order):
        for x in node.inputs:
            last[id(x)] = i
    out = []
    for start in range(0, len(order) - CUT, CUT):
        end = start + CUT
        wanted = [
            n
            for n in order[start:end]
            if n.inputs and n.op.kind != "movement" and last[id(n)] >= end
        ]
        wanted += [
            source_of(n) for n in order[start:end] if n.op.kind == "movement" and last[id(n)] >= end
        ]
        out.append([n for n in wanted if n.inputs or n.op.kind == "random"])
    return out


def source_of(node: Node) -> Node:
    """The node a chain of views looks at."""
    while node.op.kind == "movement":
        node = node.inputs[0]
    return node


def run(roots: list[Node], launch: Any = None, order: list[Node] | None = None) -> None:
    """One schedule for `roots`; `launch` may take the place of the one native call."""
    if order is None:
        roots = pending(roots)
        if not roots:
            return
        order = walk(roots)
    snap = snapshot.take(roots, order, donate=True)
    key = (snap.key, switches.jit(), switches.fuse())
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = Program(snap)
    values = trace.expected(snap)
    with threads.execution_lock:
        plan = bound(program, snap)
        if launch is None and switches.debug() >= 2:
            launch = trace.launcher
        outs, failure = plan.run(snap.nodes, launch)
    counts.flushes += 1
    counts.nodes += len(order)
    counts.kernels_run += program.kernels
    counts.steps_run += program.steps
    counts.bytes += plan.bytes
    counts.flops += plan.flops
    if failure is not None:
        raise_failure(failure, program.schedule, snap.nodes)
    for i, buffer in zip(snap.outputs, outs, strict=True):
        realise(snap.nodes[i], buffer)
    if values is not None:
        trace.check([snap.nodes[i] for i in snap.outputs], values, program.schedule)


def bound(program: Program, snap: snapshot.Snapshot) -> Bound:
    """The plan for these sizes and views; a few hundred are kept."""
    numbers = tuple(
        [
            (n.shape, n.strides, n.offset) if n.strides is not None or n.offset
            else (n.shape, _steps(n)) if n.op.name in _VIEWS else n.shape
            for n in snap.nodes
        ]
    )  # fmt: skip
    key = (id(program), numbers)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = Bound(program.schedule, program.functions, snap.nodes)
        if len(_plans) > PLANS:
            _plans.popitem(last=False)
    else:
        _plans.move_to_end(key)
    return plan


_VIEWS = ("slice", "write")


def _steps(node: Node) -> Any:
    """What a plan depends on in a view's numbers: all but where slices start."""
    if node.op.name == "slice":
        return node.attrs[1]
    return tuple([attrs[1:] if name == "slice" else attrs for name, attrs in node.attrs[0]])


def forget() -> int:
    """Drop schedules, plans and pooled memory; machine code stays. Bytes given back."""
    _plans.clear()
    _programs.clear()
    return pool.empty_cache()

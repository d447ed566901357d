"""Realising nodes: key, schedule, build, bind, run.

Entry: `flush(nodes)`. A pending graph too large for one schedule is cut in recorded order, which
changes no bit. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.ir.apply import realise
from jitgrad.ir.loop import Loop
from jitgrad.ir.node import Node, walk
from jitgrad.runtime import (
    build,
    checking,
    looping,
    meta,
    misses,
    recall,
    switches,
    threads,
    tiles,
    trace,
)
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.errors import not_built, raise_failure
from jitgrad.runtime.stages import Stages
from jitgrad.runtime.stats import counts

CUT = 1024  # nodes in one schedule
NODES = 40_000  # in the schedules kept, 2 kB each; making one again compiles nothing
PLANS = 512  # bound plans kept
LOOPS = 1 << 26  # bytes of the plans of Loops kept

_programs: OrderedDict[Any, Program] = OrderedDict()
_plans: OrderedDict[Any, Bound] = OrderedDict()
_loops: OrderedDict[Any, looping.LoopPlan] = OrderedDict()
_numbers = itertools.count()
_clock = itertools.count()


class Program:
    """A schedule with its machine code; `used` tells when it was asked for last."""

    __slots__ = ("functions", "kernels", "nodes", "number", "schedule", "steps", "used")

    def __init__(self, snap: snapshot.Snapshot) -> None:
        switches.device()  # raises for one that cannot compute
        stages = Stages()
        self.nodes = len(snap.nodes)
        self.number = next(_numbers)  # of its plans; an id could come again
        self.used = next(_clock)
        self.schedule = schedules.build(snap, switches.fuse(), tiles.CPU)
        stages.scheduled()
        kernels = [step.kernels[0] for step in self.schedule.steps]
        ahead = [*threads.kernels(), *tiles.called_by(kernels)]
        try:
            self.functions = build.get_many([*ahead, *kernels])[len(ahead) :]
        except build.CompileError as error:
            raise not_built(error, self.schedule, snap.nodes) from error
        self.kernels, self.steps = self.schedule.kernel_count, len(self.schedule.steps)
        counts.schedules += 1
        trace.made(self.schedule, snap, stages, misses.note(snap, self.functions))


def program_of(snap: snapshot.Snapshot) -> Program:
    """The program of a snapshot: known, or made now."""
    key = (snap.key, switches.jit(), switches.fuse())
    program = _programs.get(key)
    if program is None:
        program = Program(snap)
        with threads.execution_lock:
            _programs[key] = program
            _trim()
        return program
    program.used = next(_clock)
    if switches.debug():
        trace.hit(program.schedule, snap)
    return program


def _trim() -> None:
    """Drop the schedules used longest ago, and their plans, when too many nodes are kept."""
    nodes = sum([program.nodes for program in _programs.values()])
    if nodes <= NODES:
        return
    for key, oldest in sorted(_programs.items(), key=lambda item: item[1].used)[:-1]:
        del _programs[key]
        recall.forget(oldest)
        for plan in [plan for plan in _plans if plan[0] == oldest.number]:
            del _plans[plan]
        for loop in [key for key, plan in _loops.items() if plan.schedule is oldest.schedule]:
            del _loops[loop]
        nodes -= oldest.nodes
        if nodes <= NODES:
            break


def again(sight: recall.Sight) -> bool:
    """Compute a graph that looks like one computed before; False if there was none."""
    known = recall.known(sight)
    if known is None:
        return False
    for program in known.programs:
        program.used = next(_clock)
    known.run(sight)
    return True


def flush(nodes: list[Node], sight: recall.Sight | None = None) -> None:
    """Compute `nodes`; afterwards each is realised. A graph of which there was a `sight` is
    remembered.

    Raises:
        IndexError: an index met at run time is out of range; nothing else is harmed.
    """
    roots = pending(nodes)
    planned = [node for node in roots if node.device != "cpu"]
    if planned and len(planned) < len(roots):  # each device has programs of its own
        flush(planned)
        roots = pending(roots)
    if not roots:
        return
    for first, loop in looping.ahead(roots):
        flush(first)
        run_loop(loop)
        sight = None  # it was of the graph as it looked before
    roots = pending(roots)
    if not roots:
        return
    order = walk(roots)
    if len(order) > CUT:
        for part in pieces(order, roots):
            run(part, sight=sight)
        roots = pending(nodes)
        order = walk(roots)
    if roots:
        run(roots, order=order, sight=sight)
    if sight is not None:
        recall.remember(sight, nodes)


def pending(nodes: Iterable[Node]) -> list[Node]:
    """The nodes without values, each once."""
    return list({id(n): n for n in nodes if not n.realised}.values())


def pieces(order: list[Node], roots: list[Node]) -> list[list[Node]]:
    """Cut a long recorded order: per piece, its roots and the nodes that later pieces read."""
    last = {id(n): 0 for n in order}
    for i, node in enumerate(order):
        for x in node.inputs:
            last[id(x)] = i
    ends = {id(n) for n in roots}
    out = []
    start = 0
    while len(order) - start > CUT:
        end = start + CUT
        piece = order[start:end]
        read = [source_of(n) for n in piece if last[id(n)] >= end]
        out.append([*(n for n in piece if id(n) in ends), *(n for n in read if n.inputs)])
        start = end
    return out


def source_of(node: Node) -> Node:
    """The node a chain of views looks at."""
    while node.op.kind == "movement":
        node = node.inputs[0]
    return node


def run(
    roots: list[Node],
    launch: Any = None,
    order: list[Node] | None = None,
    sight: recall.Sight | None = None,
) -> None:
    """One schedule for `roots`; `launch` may take the place of the one native call."""
    if order is None:
        roots = pending(roots)
        if not roots:
            return
        order = walk(roots)
    snap = snapshot.take(roots, order, True if sight is None else sight.donated)
    if roots[0].device == "meta":
        meta.plan(snap)
        return
    program = program_of(snap)
    values = checking.expected(snap.nodes, snap.outputs)
    with threads.execution_lock:
        plan = bound(program, snap)
        outs, failure = plan.run(snap.nodes, launch or trace.launch())
    counts.add(plan, program.kernels, len(order))
    if failure is not None:
        raise_failure(failure, program.schedule, snap.nodes)
    if sight is not None:
        sight.computed(snap, program, plan)
    for i, buffer in zip(snap.outputs, outs, strict=True):
        realise(snap.nodes[i], buffer)
    if values is not None:
        values.check({i: snap.nodes[i].array() for i in snap.outputs}, plan)


def loop_plan(loop: Loop, wanted: looping.Wanted) -> looping.LoopPlan:
    """A new plan for a Loop whose inputs are in memory."""
    roots, meant = looping.body_graph(loop, wanted)
    snap = snapshot.take(roots)
    return looping.LoopPlan(loop, wanted, meant, program_of(snap), snap.nodes)


def run_loop(loop: Loop) -> None:
    """Compute the results of a Loop that somebody holds; its inputs are in memory, or numbers.

    Raises:
        IndexError: as `flush`.
    """
    parts = [(part, node) for part, node in loop.alive() if not node.realised]
    if not parts:  # another thread was faster
        return
    wanted = [part for part, _ in parts]
    nodes = list(loop.inputs)
    looks = tuple([(x.op, x.shape, x.strides, x.offset) for x in nodes])
    key = (loop.body, loop.times, loop.reverse, loop.reads, loop.given, tuple(wanted), looks,
           switches.jit(), switches.fuse())  # fmt: skip
    plan = _loops.get(key)
    if plan is None:
        plan = loop_plan(loop, wanted)
    elif switches.debug():
        trace.turns(plan)
    with threads.execution_lock:
        _loops[key] = plan
        _loops.move_to_end(key)
        while len(_loops) > 1 and sum([p.nbytes for p in _loops.values()]) > LOOPS:
            _loops.popitem(last=False)
        plan.site = loop.site
        outs, failure = plan.run(nodes, trace.launch())
    counts.add(plan, plan.kernels, plan.count)
    if failure is not None:
        plan.fail(failure, nodes, [node for _, node in parts])
    for (_, node), buffer in zip(parts, outs, strict=True):
        realise(node, buffer)
    loop.done()


def bound(program: Program, snap: snapshot.Snapshot) -> Bound:
    """The plan for these sizes and views; a few hundred are kept."""
    numbers = tuple(
        [
            (n.shape, n.strides, n.offset) if n.strides is not None or n.offset
            else (n.shape, _steps(n)) if n.op.name in _VIEWS else n.shape
            for n in snap.nodes
        ]
    )  # fmt: skip
    key = (program.number, numbers)
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


def forget() -> None:
    """Drop schedules and plans; kernels stay."""
    with threads.execution_lock:
        recall.forget()
        _loops.clear()
        _plans.clear()
        _programs.clear()


def kept() -> tuple[int, int]:
    """How many schedules and plans there are."""
    return len(_programs), len(_plans)

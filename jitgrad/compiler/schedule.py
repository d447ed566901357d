"""`Schedule`: kernels in order with a buffer plan. Plain data, made once per structural key.

Entry: `build(snapshot, fuse) -> Schedule`. Imports: ir, compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jitgrad.compiler.again import again
from jitgrad.compiler.emit import write
from jitgrad.compiler.fuse import Fusion
from jitgrad.compiler.groups import Group
from jitgrad.compiler.kernel import Kernel
from jitgrad.compiler.lower import lower
from jitgrad.compiler.prologue import prologues
from jitgrad.compiler.recompute import recompute
from jitgrad.compiler.snapshot import Snapshot
from jitgrad.compiler.values import Value, memory_of


@dataclass(slots=True)
class Step:
    """One launch: kernels of one source over segments that do not depend on each other."""

    kernels: list[Kernel]
    sources: list[list[int]]  # per kernel: snapshot nodes computed there

    @property
    def name(self) -> str:
        """Name of the one source."""
        return self.kernels[0].name

    @property
    def combine(self) -> bool:
        """Whether the step only finishes a reduction or computes a few numbers."""
        return self.kernels[0].combine


@dataclass(slots=True)
class Schedule:
    """Steps in order and the buffers they fill.

    Attributes:
        steps: launches, each after what it needs.
        outputs: per wanted snapshot node, the value whose buffer becomes its memory.
        buffers: every value with memory of its own.
        last_use: buffer -> last step that touches it.
        first_use: buffer -> first step that touches it.
        classes: axis class -> (snapshot node, axis) to read its size from.
        fired: names of the rewrites that applied.
        wanted: per output, the snapshot node that was asked for.
    """

    steps: list[Step]
    outputs: list[Value]
    buffers: list[Value]
    first_use: dict[Value, int]
    last_use: dict[Value, int]
    classes: dict[int, tuple[int, int]]
    fired: list[str] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)

    @property
    def kernel_count(self) -> int:
        """Launches that are not mere combine steps."""
        return sum(not s.combine for s in self.steps)


@dataclass(frozen=True, slots=True)
class Target:
    """What kernels are written for.

    Attributes:
        write: a group, the values that others read and those computed wherever they are read ->
            the Kernel.
        epilogues: whether a matrix product's kernel may compute elementwise what follows it.
        parts: whether a kernel over rows may begin reductions of leading axes.
        prologues: tells whether a matrix product's kernel may compute its right operand; asked
            where it could.
    """

    write: Callable[[Group, set[Value], set[Value]], Kernel]
    epilogues: bool = True
    parts: bool = False
    prologues: Callable[[], bool] = lambda: False


CPU = Target(write, parts=True)


# A step, the groups in it, and the groups that these need.
_Members = tuple[Step, set[Group], set[Group]]


def build(snap: Snapshot, fuse: bool = True, target: Target | None = None) -> Schedule:
    """Lower, fuse, write: the text depends on what it is written for, the CPU unless told."""
    target = target or CPU
    graph = lower(snap)
    recompute(graph)
    fusion = Fusion(graph, fuse, target.epilogues, target.parts)
    groups = fusion.run()
    stored = stored_values(fusion, groups)
    inline = {v for v in fusion.trivial if v not in fusion.of}
    if fuse:
        light = again(fusion, stored)
        stored -= light
        inline |= light
        operands = prologues(fusion, stored, light)
        if operands and target.prologues():
            stored -= operands
            inline |= operands
            graph.fired.append("operand computed in its product")
    steps: list[_Members] = []
    behind: dict[Group, set[Group]] = {}  # of a group without a kernel: what it needs
    for g in groups:
        needs = {p for v in g.values for p in fusion.needs(v)}
        needs = needs.union(*(behind.get(p, ()) for p in needs))
        if not leaves(g, stored):
            behind[g] = needs
            continue
        kernel = target.write(g, stored, inline)
        kernel.combine = kernel.combine or over_rows(g, groups)
        add_step(steps, g, kernel, needs)
    order = [s for s, _, _ in steps]
    first, last = uses(order, graph.outputs)
    buffers = list(first)
    return Schedule(
        order, graph.outputs, buffers, first, last, graph.classes, graph.fired, snap.outputs
    )  # fmt: skip


def leaves(group: Group, stored: set[Value]) -> bool:
    """Whether a group's kernel leaves anything in memory."""
    return any(v in stored or v.store is not None for v in group.values)


def over_rows(group: Group, groups: list[Group]) -> bool:
    """Whether a group only reduces the row numbers of some other kernel: a small step."""
    return group.kind in ("partial", "column") and any(
        g.kind == "row" and g.domain[: g.split] == group.domain for g in groups
    )


def stored_values(fusion: Fusion, groups: list[Group]) -> set[Value]:
    """Values that some other kernel, or the user, reads from memory."""
    out = set(fusion.graph.outputs)
    for g in groups:
        members = set(g.values)
        for v in g.values:
            if v.kind == "partial":
                out.add(v)
            for a in v.inputs:
                stack = [a.value]
                while stack:
                    w = stack.pop()
                    if w in fusion.of:
                        if w not in members:
                            out.add(w)
                    elif w.kind == "alias":
                        stack.append(w.inputs[0].value)
                        out.add(memory_of(w))
                    elif w in fusion.trivial:
                        stack += [b.value for b in w.inputs]
            if v.store is not None:
                out.add(memory_of(v))
    out |= {memory_of(v) for v in out}
    return out


def add_step(steps: list[_Members], group: Group, kernel: Kernel, needs: set[Group]) -> None:
    """A new step, or one more segment of an earlier step of the same source."""
    sources = sorted({v.source for v in group.values})
    for i, (step, members, before) in enumerate(steps):
        if step.name != kernel.name or kernel.serial or members & needs:
            continue
        if any(members & later for _, _, later in steps[i + 1 :]):
            continue
        step.kernels.append(kernel)
        step.sources.append(sources)
        members.add(group)
        before |= needs
        steps.append(steps.pop(i))
        return
    steps.append((Step([kernel], [sources]), {group}, needs))


def uses(steps: list[Step], outputs: list[Value]) -> tuple[dict[Value, int], dict[Value, int]]:
    """First and last step that touches each buffer."""
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for i, step in enumerate(steps):
        for kernel in step.kernels:
            for spec in kernel.specs:
                if spec[0] == "memory":
                    v = memory_of(spec[1].value)
                elif spec[0] == "own":
                    v = memory_of(spec[1])
                else:
                    continue
                if v.kind != "leaf":
                    first.setdefault(v, i)
                    last[v] = i
    for v in outputs:
        w = memory_of(v)
        first.setdefault(w, 0)
        last[w] = len(steps)
    return first, last

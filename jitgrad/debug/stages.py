"""One program as plain data: its graph, steps, memory and sources. Entry: `Stages`, `of_plan`.

Imports: compiler, runtime, ir.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler.header import headed, place, served
from jitgrad.compiler.schedule import Schedule
from jitgrad.ir.node import Node, walk
from jitgrad.ir.show import show
from jitgrad.runtime import ceilings, meta


@dataclass
class Stage:
    """One step.

    Attributes:
        name: of its kernel; `combine`: whether it only finishes a reduction.
        lines: the user's lines that it serves.
        segments: how many independent pieces of work it is.
        nbytes, flops: predicted.
        seconds: how long it took, if it was run.
        share: the part of the machine's ceiling that it reached, if that is known.
    """

    name: str
    combine: bool
    lines: list[str]
    segments: int
    nbytes: int
    flops: int
    work: tuple[int, int, str] = field(repr=False)
    seconds: float | None = None

    @property
    def share(self) -> float | None:
        """Measures the ceiling if need be."""
        return None if self.seconds is None else ceilings.share(self.seconds, *self.work)


@dataclass(frozen=True)
class Cell:
    """Memory that a value lives in.

    Attributes:
        what: its operation, type and line.
        nbytes: its size.
        where: "result", "in place" (of what it replaces), or where in the memory for temporary
            values it begins.
        first, last: the steps that touch it first and last; results live on.
    """

    what: str
    nbytes: int
    where: str | int
    first: int
    last: int


@dataclass
class Stages:
    """One program.

    Attributes:
        graph: the recorded ops, one a line, with the user's lines.
        rows: (line of the graph, user's file and line, steps that compute it).
        steps: in order. `memory`: its buffers, `arena_bytes`: what temporary values share,
            `input_bytes`: what it reads.
        sources: source text by kernel name, each under a docstring that says what it serves.
        times: how often it runs: once, or for each step of a scan; all figures are of one.
    """

    graph: str
    rows: list[tuple[str, tuple[str, int], list[int]]]
    steps: list[Stage]
    memory: list[Cell]
    arena_bytes: int
    sources: dict[str, str]
    schedule: Schedule = field(repr=False)
    input_bytes: int = 0
    times: int = 1

    @property
    def turn(self) -> str:
        """What a heading adds for a step of a scan."""
        return f" of one of {self.times} steps of a scan" if self.times > 1 else ""

    @property
    def peak_bytes(self) -> int:
        """What is held while it runs: inputs, results and the memory for temporary values."""
        results = sum(cell.nbytes for cell in self.memory if cell.where == "result")
        return self.input_bytes + results + self.arena_bytes

    @property
    def temporary_bytes(self) -> int:
        """What temporary values would take if each had memory of its own."""
        return sum(cell.nbytes for cell in self.memory if isinstance(cell.where, int))


def of_schedule(schedule: Schedule, nodes: list[Node], roots: list[Node] | None = None) -> Stages:
    """The stages of a schedule that is not to be run."""
    return of_plan(meta.bind(schedule, nodes), nodes, roots)


def of_plan(plan: Any, nodes: list[Node], roots: list[Node] | None = None) -> Stages:
    """The stages of a bound plan; the graph shown is that below `roots`, or below its results."""
    schedule = plan.schedule
    roots = roots or [nodes[i] for i in schedule.wanted]
    steps = [
        Stage(
            step.name, step.combine, served(step, nodes), len(step.kernels), plan.step_bytes[k],
            plan.step_flops[k], ceilings.work(plan, k),
        )
        for k, step in enumerate(schedule.steps)
    ]  # fmt: skip
    sources = {step.name: headed(schedule, step, nodes) for step in schedule.steps}
    graph = show(roots)
    return Stages(
        graph, _rows(graph, roots, schedule, nodes), steps, _memory(plan, nodes),
        plan.arena_bytes, sources, schedule, _inputs(nodes),
    )  # fmt: skip


def _inputs(nodes: list[Node]) -> int:
    """Bytes of the memory that a program finds, each once."""
    sizes = {id(n if n.data is None else n.data): n.size * n.dtype.itemsize
             for n in nodes if n.realised}  # fmt: skip
    return sum(sizes.values())


def _rows(graph: str, roots: list[Node], schedule: Schedule, nodes: list[Node]) -> Any:
    index = {id(node): i for i, node in enumerate(nodes)}
    by_node: dict[int, list[int]] = {}
    for k, step in enumerate(schedule.steps):
        for i in {i for sources in step.sources for i in sources}:
            by_node.setdefault(i, []).append(k)
    shown = [node for node in walk(roots) if node.op.name not in ("const", "scalar")]
    *lines, _ = graph.splitlines()  # the last one names the results
    return [
        (line, node.site[:2], by_node.get(index.get(id(node), -1), []))
        for line, node in zip(lines, shown, strict=True)
    ]


def _memory(plan: Any, nodes: list[Node]) -> list[Cell]:
    """A cell for every buffer that the program fills, in the order they are first touched."""
    schedule = plan.schedule
    cells = []
    for value in schedule.buffers:
        first, last = schedule.first_use[value], schedule.last_use[value]
        dims = ",".join(map(str, plan.shape(value)))
        kept = "in place" if value.kind == "leaf" else "result"
        what = f"{value.op} {value.dtype.suffix}[{dims}], {place(nodes[value.source].site)}"
        where = plan.offset.get(value, kept)
        cells.append(Cell(what, plan.nbytes(value), where, first, last))
    return sorted(cells, key=lambda cell: (cell.first, cell.last))

"""`explain`: every stage of a computation, from the graph to the source of its kernels.

Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler.schedule import Schedule
from jitgrad.debug.page import page
from jitgrad.debug.planning import planned
from jitgrad.debug.stages import Stages, of_plan
from jitgrad.frontend.pending import kept
from jitgrad.frontend.state import local
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir.node import Node
from jitgrad.runtime import ceilings, flush, switches, tiles, trace


@dataclass
class Explanation:
    """What `explain` found; printing it shows all of it as text, `save` writes it as a page.

    Attributes:
        programs: the stages of each program, in the order they run; one if Tensors were explained,
            and one for each `scan` below them.
    """

    programs: list[Stages]

    @property
    def graph(self) -> str:
        """The recorded ops, one a line, with the user's lines."""
        return "\n\n".join(program.graph for program in self.programs)

    @property
    def steps(self) -> list[tuple[str, bool, list[str]]]:
        """(name, is a combine step, the user's lines it serves) in order."""
        return [(s.name, s.combine, s.lines) for p in self.programs for s in p.steps]

    @property
    def sources(self) -> dict[str, str]:
        """Source text by kernel name, each under a docstring that says what it serves."""
        return {name: text for p in self.programs for name, text in p.sources.items()}

    @property
    def rewrites(self) -> list[str]:
        """Names of the rewrites that fired."""
        return [name for program in self.programs for name in program.schedule.fired]

    @property
    def schedule(self) -> Schedule:
        """The schedule of the first program."""
        return self.programs[0].schedule

    @property
    def kernels(self) -> int:
        """Launches that are not mere combine steps."""
        return sum(p.schedule.kernel_count * p.times for p in self.programs)

    @property
    def bytes(self) -> int:
        """Predicted bytes that the steps read and write."""
        return sum(s.nbytes * p.times for p in self.programs for s in p.steps)

    @property
    def flops(self) -> int:
        """Predicted operations."""
        return sum(s.flops * p.times for p in self.programs for s in p.steps)

    @property
    def peak_bytes(self) -> int:
        """Most memory that one of the programs holds while it runs."""
        return max(program.peak_bytes for program in self.programs)

    @property
    def timings(self) -> list[tuple[str, float, int]]:
        """(name, seconds, predicted bytes) of the steps that were run, in order; those of a scan
        once, with their mean time."""
        steps = [s for program in self.programs for s in program.steps]
        return [(s.name, s.seconds, s.nbytes) for s in steps if s.seconds is not None]

    def __str__(self) -> str:
        lines: list[str] = []
        for number, program in enumerate(self.programs, 1):
            if len(self.programs) > 1:
                lines += [f"==== program {number} of {len(self.programs)}", ""]
            lines += [*_text(program), ""]
        for name, source in self.sources.items():
            lines += [f"== source of {name}", source.rstrip(), ""]
        return "\n".join(lines[:-1])

    def html(self) -> str:
        """One page of HTML, which needs nothing else: no file beside it, no network."""
        return page(self.programs)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file."""
        target = Path(path)
        target.write_text(self.html(), encoding="utf-8")
        return target


def explain(*what: Any, run: bool = False, device: str = "cpu") -> Explanation:
    """Every stage of the computation that would give Tensors their values, or that a function runs.

    Args:
        what: pending Tensors (a realised one has nothing left to explain); or a function and its
            arguments, as a training step or what `jitgrad.compile` returned: it is called once, and
            every program that it runs is explained, or only planned, on device "meta".
        run: also compute the Tensors, kernel by kernel, and tell how long each took; otherwise
            nothing is run and they stay pending. A function is run in any case.
        device: what the kernels are written for: "cpu", or "cuda", whose kernels are not run here.

    Raises:
        ValueError: if nothing is pending, or the function computes nothing.
        NotImplementedError: for kernels that would have to run on another device than the CPU.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.ones(4, 8)
        >>> y = x.softmax(1)
        >>> print(explain(y).kernels)
        1
        >>> [name for name, seconds, nbytes in explain(y, run=True).timings]
        ['max_...']
        >>> explain(lambda x: x.exp().sum().item(), x).save("/tmp/page.html")  # doctest: +SKIP
    """
    found: list[Stages] = []
    target = _target(device)
    if target is not tiles.CPU and (run or any(not isinstance(w, Tensor) for w in what)):
        raise NotImplementedError(
            f"explain: kernels for {device} are written, not run: give Tensors, and "
            "leave out run=True"
        )
    if what and callable(what[0]) and not isinstance(what[0], Tensor):
        with trace.watching(_Launcher(found)):
            what[0](*what[1:])
        if not found:
            raise ValueError("explain: the function computed nothing; read what it returns in it")
        return Explanation(found)
    nodes = waiting(what, "explain")
    if not nodes:
        raise ValueError("explain: every tensor is computed already; explain it before it is read")
    roots = kept(nodes)
    if run:
        with trace.watching(_Launcher(found, nodes)):
            flush.flush(roots)
    else:
        found = planned(roots, nodes, lambda s: schedules.build(s, switches.fuse(), target))
    return Explanation(found)


def _target(device: str) -> schedules.Target:
    """What kernels are written for."""
    if device == "cpu":
        return tiles.CPU
    if device != "cuda":
        raise ValueError(f"explain: kernels are written for 'cpu' or 'cuda', not {device!r}")
    from jitgrad.compiler.cuda.emit import CUDA

    return CUDA


def timings(*tensors: Any) -> list[tuple[str, float]]:
    """Compute `tensors`, kernel by kernel: (name, seconds) in order.

    >>> import jitgrad as jg
    >>> [name for name, seconds in timings(jg.ones(4) + 1)]
    ['add_...']
    """
    return [(name, seconds) for name, seconds, _ in explain(*tensors, run=True).timings]


def waiting(tensors: Any, name: str) -> list[Node]:
    """The pending nodes behind Tensors given to the tool `name`, each once."""
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected Tensors or a function, not {type(t).__name__}")
    nodes = [t._pair(local.state)[0] for t in tensors]
    return list({id(n): n for n in nodes if not n.realised}.values())


class _Launcher:
    """Explains each program and times its steps; one on device "meta" is explained alone."""

    def __init__(self, found: list[Stages], asked: list[Node] | None = None) -> None:
        self.found = found
        self.asked = asked or []
        self._last: Any = None

    def planned(self, plan: Any, nodes: list[Node]) -> Stages:
        """A program that is not to be run."""
        known = set(map(id, nodes))
        roots = [node for node in self.asked if id(node) in known]
        stages = of_plan(plan, nodes, roots)
        self.found.append(stages)
        return stages

    def __call__(self, plan: Any) -> Any:
        if self._last is plan and self.found[-1].times < plan.times:  # the next step of a scan
            stages = self.found[-1]
            stages.times += 1
        else:
            stages = self.planned(plan, list(plan.nodes))
            self._last = plan
        for k, seconds, failure in trace.each(plan):
            mean = stages.steps[k].seconds or 0.0
            stages.steps[k].seconds = mean + (seconds - mean) / stages.times
            if failure is not None:
                return failure
        return None


def _text(program: Stages) -> list[str]:
    """All but the sources, which several programs may share."""
    total = sum(step.nbytes for step in program.steps)
    kernels, steps = program.schedule.kernel_count, len(program.steps)
    lines = [
        f"== graph{program.turn}", program.graph, "",
        f"== {kernels} kernels, {steps} steps, {total} bytes",
    ]  # fmt: skip
    for step in program.steps:
        what = " (combine)" if step.combine else ""
        what += f" ({step.segments} segments)" if step.segments > 1 else ""
        amount = f"{step.nbytes} bytes, {step.flops} flops"
        lines.append(f"{step.name}{what}  {amount}  <- {', '.join(step.lines)}")
    if program.schedule.fired:
        lines += ["", "== rewrites", ", ".join(dict.fromkeys(program.schedule.fired))]
    arena, alone = program.arena_bytes, program.temporary_bytes
    lines += ["", f"== memory: {arena} bytes for temporary values, which are {alone} bytes"]
    lines.append(f"{program.peak_bytes:>10} bytes  at most, with {program.input_bytes} of inputs")
    for cell in program.memory:
        where = f"at {cell.where}" if isinstance(cell.where, int) else cell.where
        alive = f"from step {cell.first + 1}" + (
            f" to {cell.last + 1}" if isinstance(cell.where, int) else ""
        )
        lines.append(f"{cell.nbytes:>10} bytes  {where:<12}  {alive:<18}  {cell.what}")
    if any(step.seconds for step in program.steps):
        lines += ["", "== timings"]
    for step in program.steps:
        if step.seconds is not None:
            rate = step.nbytes / step.seconds / 1e9
            part = ceilings.told(step.share)
            lines.append(f"{step.seconds * 1e6:9.1f} us {rate:6.1f} GB/s  {step.name}{part}")
    return lines

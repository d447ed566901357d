"""`explain`: every stage of a pending computation, from the graph to the source of its kernels.

Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.schedule import Schedule
from jitgrad.ir.node import Node
from jitgrad.ir.show import show
from jitgrad.runtime import switches


@dataclass
class Explanation:
    """What `explain` found; printing it shows all of it.

    Attributes:
        graph: the recorded ops, one a line, with the user's lines.
        steps: (name, is a combine step, the user's lines it serves) in order.
        sources: source text by kernel name.
        rewrites: names of the rewrites that fired.
    """

    graph: str
    steps: list[tuple[str, bool, list[str]]]
    sources: dict[str, str]
    rewrites: list[str]
    schedule: Schedule = field(repr=False)

    @property
    def kernels(self) -> int:
        """Launches that are not mere combine steps."""
        return self.schedule.kernel_count

    def __str__(self) -> str:
        lines = ["== graph", self.graph, "", f"== {self.kernels} kernels, {len(self.steps)} steps"]
        for name, combine, where in self.steps:
            what = " (combine)" if combine else ""
            lines.append(f"{name}{what}  <- {', '.join(where)}")
        if self.rewrites:
            lines += ["", "== rewrites", ", ".join(dict.fromkeys(self.rewrites))]
        for name, source in self.sources.items():
            lines += ["", f"== source of {name}", source.rstrip()]
        return "\n".join(lines)


def explain(*tensors: Any) -> Explanation:
    """Every stage of the computation that would give `tensors` their values. Nothing is run.

    Args:
        tensors: pending Tensors (a realised one has nothing left to explain).

    Raises:
        ValueError: if none of the tensors is pending.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.ones(4, 8)
        >>> print(explain(x.softmax(1)).kernels)
        1
    """
    nodes = list({id(n): n for n in map(pending_node, tensors) if not n.realised}.values())
    if not nodes:
        raise ValueError("explain: every tensor is computed already; explain it before it is read")
    snap = snapshot.take(nodes)
    schedule = schedules.build(snap, switches.fuse())
    steps = []
    for step in schedule.steps:
        sites = [snap.nodes[i].site for sources in step.sources for i in sources]
        where = dict.fromkeys(
            f"{os.path.basename(file)}:{line}" + (f" {note}" if note else "")
            for file, line, note in sites
        )
        steps.append((step.name, step.combine, list(where)))
    sources = {s.name: s.kernels[0].source for s in schedule.steps}
    return Explanation(show(nodes), steps, sources, schedule.fired, schedule)


def pending_node(tensor: Any) -> Node:
    """The node behind a Tensor."""
    return tensor._pair(_state())[0]  # type: ignore[no-any-return]


def _state() -> Any:
    from jitgrad.frontend.state import local

    return local.state


def timings(*tensors: Any) -> list[tuple[str, float]]:
    """Compute `tensors`, kernel by kernel: (name, seconds) in order."""
    from jitgrad.runtime import flush
    from jitgrad.runtime.program import Program

    nodes = [pending_node(t) for t in tensors]
    out: list[tuple[str, float]] = []

    def launch(plan: Any) -> Any:
        for i, step in enumerate(plan.steps):
            start = time.perf_counter()
            failure = Program([step]).run()
            out.append((plan.schedule.steps[i].name, time.perf_counter() - start))
            if failure is not None:
                return failure
        return None

    flush.run(nodes, launch)
    return out

"""`explain`: every stage of a pending computation, from the graph to the source of its kernels.

Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.header import headed, served
from jitgrad.compiler.schedule import Schedule
from jitgrad.frontend.pending import kept
from jitgrad.frontend.state import local
from jitgrad.ir.node import Node
from jitgrad.ir.show import show
from jitgrad.runtime import flush, switches, trace


@dataclass
class Explanation:
    """What `explain` found; printing it shows all of it.

    Attributes:
        graph: the recorded ops, one a line, with the user's lines.
        steps: (name, is a combine step, the user's lines it serves) in order.
        sources: source text by kernel name, each under a docstring that says what it serves.
        rewrites: names of the rewrites that fired.
        timings: (name, seconds, predicted bytes) in order, if it was run.
    """

    graph: str
    steps: list[tuple[str, bool, list[str]]]
    sources: dict[str, str]
    rewrites: list[str]
    schedule: Schedule = field(repr=False)
    timings: list[tuple[str, float, int]] = field(default_factory=list)

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
        if self.timings:
            lines += ["", "== timings"]
        for name, seconds, size in self.timings:
            lines.append(f"{seconds * 1e6:9.1f} us {size / seconds / 1e9:6.1f} GB/s  {name}")
        for name, source in self.sources.items():
            lines += ["", f"== source of {name}", source.rstrip()]
        return "\n".join(lines)


def explain(*tensors: Any, run: bool = False) -> Explanation:
    """Every stage of the computation that would give `tensors` their values.

    Args:
        tensors: pending Tensors (a realised one has nothing left to explain).
        run: also compute them, kernel by kernel, and tell how long each took; otherwise nothing
            is run and they stay pending.

    Raises:
        ValueError: if none of the tensors is pending.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.ones(4, 8)
        >>> y = x.softmax(1)
        >>> print(explain(y).kernels)
        1
        >>> [name for name, seconds, nbytes in explain(y, run=True).timings]
        ['max_...']
    """
    nodes = waiting(tensors)
    if not nodes:
        raise ValueError("explain: every tensor is computed already; explain it before it is read")
    roots = kept(nodes)
    snap = snapshot.take(roots)
    schedule = schedules.build(snap, switches.fuse())
    steps = [(s.name, s.combine, served(s, snap.nodes)) for s in schedule.steps]
    sources = {s.name: headed(schedule, s, snap.nodes) for s in schedule.steps}
    found = Explanation(show(nodes), steps, sources, schedule.fired, schedule)
    if run:
        del snap
        found.timings = _timings(roots)
    return found


def timings(*tensors: Any) -> list[tuple[str, float]]:
    """Compute `tensors`, kernel by kernel: (name, seconds) in order.

    >>> import jitgrad as jg
    >>> [name for name, seconds in timings(jg.ones(4) + 1)]
    ['add_...']
    """
    return [(name, seconds) for name, seconds, _ in _timings(kept(waiting(tensors)))]


def waiting(tensors: Any) -> list[Node]:
    """The pending nodes behind Tensors, each once."""
    nodes = [t._pair(local.state)[0] for t in tensors]
    return list({id(n): n for n in nodes if not n.realised}.values())


def _timings(roots: list[Node]) -> list[tuple[str, float, int]]:
    out: list[tuple[str, float, int]] = []

    def launch(plan: Any) -> Any:
        for i, seconds, failure in trace.each(plan):
            out.append((plan.schedule.steps[i].name, seconds, plan.step_bytes[i]))
            if failure is not None:
                return failure
        return None

    with trace.watching(launch):
        flush.flush(roots)
    return out

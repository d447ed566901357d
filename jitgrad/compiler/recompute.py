"""Values that are cheaper to compute twice than to wait for.

A reduction to one element whose operand is a light expression over leaves gets that expression for
itself: else it would wait for the kernel that needs the same expression for something heavier, and
a kernel that needs the reduced number could not share rows with it (the number of targets that
count, say, which the gradient of cross entropy is divided by).
Entry: `recompute(graph)`. Imports: ir, compiler.
"""

from __future__ import annotations

from jitgrad.compiler.lower import Graph
from jitgrad.compiler.source import costly
from jitgrad.compiler.values import Access, Value
from jitgrad.ir.op import OPS

LIMIT = 8  # ops in a light expression


def recompute(graph: Graph) -> None:
    """Give reductions to one element their own copy of a light operand; number values anew."""
    readers: dict[Value, list[Value]] = {}
    for v in graph.values:
        for a in v.inputs:
            readers.setdefault(a.value, []).append(v)
    out: list[Value] = []
    for v in graph.values:
        if v.kind == "partial":
            tree = light(v.inputs[0].value)
            if tree and any(widens(x, readers) for x in tree):
                copies: dict[Value, Value] = {}
                for x in tree:
                    copies[x] = Value(
                        x.id, x.kind, x.op, x.dtype, x.dims, redirect(x, copies), x.attrs,
                        x.source, "early",
                    )  # fmt: skip
                    out.append(copies[x])
                v.inputs = redirect(v, copies)
                graph.fired.append("light operand of a reduction computed again")
        out.append(v)
    for number, v in enumerate(out):
        v.id = number
    graph.values = out


def widens(v: Value, readers: dict[Value, list[Value]]) -> bool:
    """Whether elementwise work of more axes is waiting for the value."""
    seen: set[Value] = set()
    stack = [v]
    while stack:
        for r in readers.get(stack.pop(), ()):
            if r.kind != "map" or r in seen:
                continue
            if len(r.space) > len(v.space):
                return True
            seen.add(r)
            stack.append(r)
    return False


def redirect(v: Value, copies: dict[Value, Value]) -> list[Access]:
    """The value's operands with copies in place of originals."""
    return [Access(copies.get(a.value, a.value), a.moves, a.dims) for a in v.inputs]


def light(v: Value) -> list[Value] | None:
    """The ops of a light expression in order, or None when it is none."""
    order: list[Value] = []
    seen: set[Value] = set()

    def visit(x: Value) -> bool:
        if x.kind in ("leaf", "const", "scalar", "iota") or x in seen:
            return True
        seen.add(x)
        if x.kind != "map" or x.store is not None or costly(x) or len(seen) > LIMIT:
            return False
        if x.op in OPS and OPS[x.op].check is not None:
            return False
        if not all(visit(a.value) for a in x.inputs):
            return False
        order.append(x)
        return True

    return order if visit(v) else None

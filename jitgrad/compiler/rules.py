"""Rewrites. Each fires only where its result has the same bits for all inputs, -0, inf and nan
included; each carries a worked example that a test runs against the oracle.

Entry: `apply` (elementwise values), `shorten` (view chains). Imports: ir, compiler.values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad.compiler.layout import Move
from jitgrad.compiler.values import Access
from jitgrad.ir.node import Node

if TYPE_CHECKING:
    from jitgrad.compiler.lower import Lowering

Rule = Callable[[Node, list[Access]], Any]
RULES: dict[str, list[tuple[str, Rule]]] = {}
EXAMPLES: dict[str, str] = {}


def rule(op: str, name: str, example: str) -> Callable[[Rule], Rule]:
    """Register a rewrite of `op`; it answers with the access that replaces the value, or None."""

    def add(fn: Rule) -> Rule:
        RULES.setdefault(op, []).append((name, fn))
        EXAMPLES[name] = example
        return fn

    return add


def _is(access: Access, number: float) -> bool:
    value = access.value
    return value.kind == "const" and value.attrs[0] == number and value.dtype.kind != "b"


@rule("mul", "x * 1 = x", "x * 1")
def _(node: Node, reads: list[Access]) -> Access | None:
    x, y = reads
    return x if _is(y, 1) else y if _is(x, 1) else None


@rule("div", "x / 1 = x", "x / 1")
def _(node: Node, reads: list[Access]) -> Access | None:
    return reads[0] if _is(reads[1], 1) else None


@rule("neg", "-(-x) = x", "-(-x)")
def _(node: Node, reads: list[Access]) -> Access | None:
    inner = reads[0]
    if inner.value.op == "neg" and not inner.moves:
        return inner.value.inputs[0]
    return None


@rule("cast", "x.to(x.dtype) = x", "x.to(x.dtype)")
def _(node: Node, reads: list[Access]) -> Access | None:
    return reads[0] if reads[0].value.dtype is node.dtype else None


def apply(node: Node, reads: list[Access], low: Lowering, i: int) -> Access | None:
    """The access that replaces an elementwise node, if a rule fires."""
    for name, fn in RULES.get(node.op.name, ()):
        found = fn(node, reads)
        if found is not None:
            low.graph.fired.append(name)
            return found
    if node.op.name == "cast" and reads[0].value.kind == "const":
        number = node.dtype.np.type(reads[0].value.attrs[0]).item()
        low.graph.fired.append("constant cast")
        attrs = (number, ("cast", repr(number)))
        return Access(low.value("const", "const", node.dtype, (), [], attrs, i), (), low.dims[i])
    return None


def shorten(moves: tuple[Move, ...], low: Lowering) -> tuple[Move, ...]:
    """Two permutes become one, identity permutes vanish."""
    if len(moves) >= 2 and moves[-1][0] == moves[-2][0] == "permute":
        inner, outer = moves[-2][1], moves[-1][1]
        order = tuple(inner[a] for a in outer)
        low.graph.fired.append("two permutes = one")
        moves = (*moves[:-2], ("permute", order, ("static", (order,))))
    if moves and moves[-1][0] == "permute" and moves[-1][1] == tuple(range(len(moves[-1][1]))):
        return moves[:-1]
    return moves

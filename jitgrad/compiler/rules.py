"""Rewrites. Each fires only where its result has the same bits for all inputs, -0, inf and nan
included; each carries a worked example that a test runs against the oracle.

Entry: `apply` (elementwise values), `shorten` (view chains). Imports: ir, compiler.values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.compiler.layout import Move
from jitgrad.compiler.values import Access
from jitgrad.ir.evaluate import convert
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


@rule("cast", "x.to(x.dtype) = x", "cast(x, dtype=x.dtype)")
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
        source = reads[0].value
        with np.errstate(all="ignore"):
            number = convert(np.asarray(source.attrs[0], source.dtype.np), node.dtype.np).item()
        low.graph.fired.append("constant cast")
        attrs = (number, ("cast", repr(number)))
        return Access(low.value("const", "const", node.dtype, (), [], attrs, i), (), low.dims[i])
    return None


def one_hot(op: str, read: Access, axes: list[int], low: Lowering) -> list[Access] | None:
    """sum_j where(j == i, f(j), 0) = f(i) + 0 (0 for i out of range), bit for bit.

    Answers with the accesses of f and i, which the row kernel evaluates at one column.
    """
    chosen = read.value
    if op != "sum" or read.moves or len(axes) != 1:
        return None
    minus = chosen.op == "neg" and not chosen.inputs[0].moves
    if minus:  # the zeros become -0, which add up to 0 all the same
        chosen = chosen.inputs[0].value
    if chosen.op != "where":
        return None
    condition, value, other = chosen.inputs
    hit = condition.value
    if chosen.dtype.kind != "f" or hit.op != "eq" or condition.moves or not _is(other, 0):
        return None
    if other.value.kind != "const" or str(other.value.attrs[0]).startswith("-"):
        return None
    for counter, index in (hit.inputs, hit.inputs[::-1]):
        if counter.value.kind != "iota" or index.value.kind in ("iota", "random"):
            continue
        at, by = counter.injection(), index.injection()
        if at is None or by is None or at.get(counter.value.attrs) != axes[0]:
            continue
        if axes[0] not in by.values():
            low.graph.fired.append("sum of a one-hot = its one number")
            if minus:
                neg = low.value(
                    "map", "neg", value.value.dtype, value.dims, [value], None, read.value.source
                )
                value = Access(neg, (), value.dims)
            return [value, index]
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

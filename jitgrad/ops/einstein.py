"""Einstein sums as matrix products: operands are contracted from left to right, two at a time.

Entry: `einsum(equation, *operands)`. Axes are named by letters; those under an ellipsis by their
distance from its right end, as negative numbers. Imports: ir, the entries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from jitgrad.ops.arrange import diagonal
from jitgrad.ops.library import matmul
from jitgrad.ops.movement import permute, reshape
from jitgrad.ops.reduction import sum_

__all__ = ["einsum"]

Value = Any
Label = Any  # a letter, or -1, -2 .. under an ellipsis
_TERM = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*\Z")


def einsum(equation: str, *operands: Value) -> Value:
    """Sum of products over the letters that are not in the output: "bij,bjk->bik"."""
    terms, output = _parse(equation, operands)
    live: list[tuple[Value, list[Label]]] = []
    sizes: dict[Label, int] = {}
    for x, labels in zip(operands, terms, strict=True):
        x, labels = _without_repeats(equation, x, labels)
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise RuntimeError(
                    f"einsum: {equation!r}: axis {label!r} has sizes {sizes[label]} and {n}"
                )
        live.append((x, labels))
    if any(label not in sizes for label in output):
        raise RuntimeError(f"einsum: {equation!r}: the output names an axis no operand has")
    x, labels = live[0]
    for k, (y, others) in enumerate(live[1:], 1):
        wanted = set(output).union(*(names for _, names in live[k + 1 :]))
        x, labels = _sum_out(x, labels, wanted | set(others))
        y, others = _sum_out(y, others, wanted | set(labels))
        x, labels = _contract(x, labels, y, others, wanted)
    x, labels = _sum_out(x, labels, set(output))
    return _arrange(x, labels, output)


def _parse(equation: str, operands: tuple[Value, ...]) -> tuple[list[list[Label]], list[Label]]:
    """Labels of each operand and of the output."""
    if not isinstance(equation, str):
        raise NotImplementedError("einsum: equation as lists of numbers; write it as a string")
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum: {equation!r} names {len(terms)} operands, {len(operands)} were given"
        )
    if not all(map(_TERM.match, [*terms, right])):
        raise RuntimeError(f"einsum: {equation!r}: axes are letters and at most one '...' a term")
    named = [_labels(equation, t, tuple(x.shape)) for t, x in zip(terms, operands, strict=True)]
    wide = max((-label for term in named for label in term if isinstance(label, int)), default=0)
    dots = list(range(-wide, 0))
    if arrow:
        head, ellipsis, tail = right.partition("...")
        output = [*head, *(dots if ellipsis else []), *tail]
        if len(set(output)) < len(output):
            raise RuntimeError(f"einsum: {equation!r}: the output names an axis twice")
        return named, output
    letters = [label for term in named for label in term if isinstance(label, str)]
    return named, [*dots, *sorted(c for c in set(letters) if letters.count(c) == 1)]


def _labels(equation: str, term: str, shape: tuple[int, ...]) -> list[Label]:
    head, ellipsis, tail = term.partition("...")
    extra = len(shape) - len(head) - len(tail)
    if extra < 0 or (extra and not ellipsis):
        raise RuntimeError(
            f"einsum: {equation!r}: {term!r} does not name the {len(shape)} axes of shape {shape}"
        )
    return [*head, *range(-extra, 0), *tail]


def _without_repeats(equation: str, x: Value, labels: list[Label]) -> tuple[Value, list[Label]]:
    """Diagonals where one operand names an axis twice."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum: {equation!r}: axis {label!r} has sizes {x.shape[i]} and {x.shape[j]}"
                )
            x = diagonal(x, 0, i, j)
            del labels[j], labels[i]
            labels.append(label)
    return x, labels


def _sum_out(x: Value, labels: list[Label], keep: Iterable[Label]) -> tuple[Value, list[Label]]:
    """The sum over axes that nothing else needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    labels = [label for label in labels if label in keep]
    x = sum_(x, axes=axes)
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return reshape(x, shape=shape), labels


def _arrange(x: Value, labels: list[Label], order: list[Label]) -> Value:
    """Axes in the given order."""
    if labels == order:
        return x
    return permute(x, order=tuple(labels.index(label) for label in order))


def _contract(
    x: Value, a: list[Label], y: Value, b: list[Label], wanted: set[Label]
) -> tuple[Value, list[Label]]:
    """The product of two operands, summed over shared axes that are not wanted any more."""
    x, a = _unstretched(x, a, y, b)
    y, b = _unstretched(y, b, x, a)
    batch = [label for label in a if label in b and label in wanted]
    inner = [label for label in a if label in b and label not in wanted]
    rows = [label for label in a if label not in b]
    columns = [label for label in b if label not in a]
    size = {**dict(zip(a, x.shape, strict=True)), **dict(zip(b, y.shape, strict=True))}

    def shape(*groups: list[Label]) -> tuple[int, ...]:
        return tuple(size[label] for group in groups for label in group)

    x = _arrange(x, a, [*batch, *rows, *inner])
    y = _arrange(y, b, [*batch, *inner, *columns])
    if not inner:  # an outer product is elementwise
        x = reshape(x, shape=(*shape(batch, rows), *(1 for _ in columns)))
        y = reshape(y, shape=(*shape(batch), *(1 for _ in rows), *shape(columns)))
        return x * y, [*batch, *rows, *columns]
    m, k, n = (math.prod(shape(group)) for group in (rows, inner, columns))
    stack = shape(batch)
    out = matmul(reshape(x, shape=(*stack, m, k)), reshape(y, shape=(*stack, k, n)))
    return reshape(out, shape=shape(batch, rows, columns)), [*batch, *rows, *columns]


def _unstretched(x: Value, a: list[Label], y: Value, b: list[Label]) -> tuple[Value, list[Label]]:
    """`x` without its axes of size 1 that `y` has longer: they only repeat it."""
    other = dict(zip(b, y.shape, strict=True))
    drop = [i for i, label in enumerate(a) if x.shape[i] == 1 and other.get(label, 1) != 1]
    if not drop:
        return x, a
    shape = tuple(n for i, n in enumerate(x.shape) if i not in drop)
    return reshape(x, shape=shape), [label for i, label in enumerate(a) if i not in drop]

"""Pieces of a kernel's text that every kind of loop nest uses.

Entry: `indent`, `decompose`, `split_column`. Imports: compiler.source.
"""

from __future__ import annotations

from collections.abc import Sequence

from jitgrad.compiler.source import TAB, Writer


def indent(lines: list[str], by: int = 1) -> list[str]:
    """Lines moved in."""
    return [TAB * by + line for line in lines]


def decompose(w: Writer, flat: str, axes: Sequence[tuple[int, ...]] | None = None) -> list[str]:
    """Variables of the rows, or of other axes, from a flat number."""
    axes = w.nest.rows if axes is None else axes
    out = []
    for k in range(len(axes) - 1, 0, -1):
        n = w.size(w.nest.classes([axes[k]]))
        name, rest = w.nest.variables[axes[k]], f"q{k}"
        out += [f"{rest} = {w.quotient(flat, n)}", f"{name} = {flat} - {rest} * {n}"]
        flat = rest
    if axes and w.nest.variables[axes[0]] != flat:
        out.append(f"{w.nest.variables[axes[0]]} = {flat}")
    return out


def split_column(w: Writer) -> list[str]:
    """Column variables from the flat column j, where the columns are several axes."""
    return decompose(w, "j", w.nest.cols)

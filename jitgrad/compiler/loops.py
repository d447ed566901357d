"""Pieces of a kernel's text that every kind of loop nest uses.

Entry: `indent`, `decompose`. Imports: compiler.source.
"""

from __future__ import annotations

from jitgrad.compiler.source import TAB, Writer


def indent(lines: list[str], by: int = 1) -> list[str]:
    """Lines moved in."""
    return [TAB * by + line for line in lines]


def decompose(w: Writer, flat: str) -> list[str]:
    """Row variables from a flat row number."""
    rows = w.nest.rows
    if len(rows) < 2:
        return [f"r = {flat}"] if rows and flat != "r" else []
    out = []
    for k in range(len(rows) - 1, 0, -1):
        n = w.size(w.nest.classes([rows[k]]))
        name, rest = w.nest.variables[rows[k]], f"q{k}"
        out += [f"{rest} = {w.quotient(flat, n)}", f"{name} = {flat} - {rest} * {n}"]
        flat = rest
    out.append(f"{w.nest.variables[rows[0]]} = {flat}")
    return out

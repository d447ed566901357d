"""What a row kernel keeps in scratch between its column loops: values that are costly to compute
again, and elements that a later loop would read from memory again.

Entry: `Saves(writer)`. Imports: compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jitgrad.compiler.groups import element_reads
from jitgrad.compiler.source import Writer, costly
from jitgrad.compiler.values import Access, Value

Positions = tuple[int, ...]


class Saves:
    """`values`: stage -> values kept from it on; `loads`: keys of elements read in many stages."""

    def __init__(self, w: Writer) -> None:
        self.w = w
        self.values: dict[int, list[Value]] = {}
        self.stages: dict[Any, set[int]] = {}
        self.seen: set[Any] = set()
        targets = [(v, w.nest.stage[v]) for v in w.group.values if v.kind in ("reduce", "part")]
        targets += [
            (v, w.nest.stage[v])
            for v in w.stored
            if v.kind not in ("reduce", "part") and w.level(w.group.place[v]) == "col"
        ]
        for v, t in sorted(targets, key=lambda p: -p[1]):
            for a, at in self.reads(v, w.group.place[v]):
                self.visit(a, at, t)
        for kept in self.values.values():
            kept.sort(key=lambda v: v.id)
        self.loads = {key for key, stages in self.stages.items() if len(stages) > 1}

    def reads(self, v: Value, at: Positions) -> Iterator[tuple[Access, Positions]]:
        """Operands of a value; of one that is picked from a row, none is read in a loop."""
        if v.kind == "reduce" and len(v.inputs) == 2:
            return iter(())
        return iter(element_reads(v, at, self.w.group.domain))

    def visit(self, a: Access, at: Positions, t: int) -> None:
        """Follow what stage `t` needs down to memory, or to a value that an earlier stage kept."""
        w, v = self.w, a.value
        key = (a.key(), at, t)
        if key in self.seen or v.kind in ("const", "scalar"):
            return
        self.seen.add(key)
        if v in w.members or w.nest.inline(v):
            where = w.nest.carried(a, at)
            if where is None or v.kind in ("reduce", "iota") or w.level(where) != "col":
                return
            if v in w.members and w.nest.stage[v] < t and self.dear(v):
                t = w.nest.stage[v]
                kept = self.values.setdefault(t, [])
                if v in kept:
                    return
                kept.append(v)
            for b, below in self.reads(v, where):
                self.visit(b, below, t)
            return
        terms = w.nest.address(a, at)
        levels = {term.level for term in terms.parts}
        if levels == {"row", "col"} or (levels == {"col"} and w.nest.one_row):
            self.stages.setdefault(("load", a.key(), terms.key), set()).add(t)

    def dear(self, v: Value) -> bool:
        """Whether computing a column value again costs more than reading it from cache."""
        w = self.w
        stack, seen = [v], {v}
        while stack:
            x = stack.pop()
            if (
                x in w.nest.cuts
                or x.kind in ("gather", "matmul")
                or (x.kind == "map" and costly(x))
            ):
                return True
            for a in x.inputs:
                y = a.value
                if y in seen or y not in w.members or y.kind == "reduce":
                    continue
                seen.add(y)
                if w.level(w.group.place[y]) == "col":
                    stack.append(y)
        return False

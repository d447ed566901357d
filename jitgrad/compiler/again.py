"""Values that other kernels compute again instead of reading them from memory.

Between two kernels a value costs a store and a load. A light expression over what is in memory
anyway costs its operations alone: deviations from a mean take the input in place of themselves. And
what belongs to a row costs nothing beside the row, so a kernel that computes a few such numbers is
not needed. Entry: `again(fusion, stored)`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.fuse import Fusion
from jitgrad.compiler.groups import Group, Positions, can_fail, carried, element_reads
from jitgrad.compiler.source import costly
from jitgrad.compiler.values import Value, memory_of

OPERATIONS = 8  # of an expression that is computed again


def again(fusion: Fusion, stored: set[Value]) -> set[Value]:
    """Those of `stored`, and values behind them, that their readers compute."""
    written = {memory_of(v) for v in fusion.of if v.store is not None}
    out: set[Value] = set()
    for v in sorted(fusion.of, key=lambda v: v.id):
        if v in stored and v not in fusion.outputs and v.kind == "map" and v.store is None:
            found = expression(v, fusion, stored, written, out)
            if found is None:
                continue
            behind, large = found
            readers = others(v, fusion)
            if len(large) > 1 and not all(is_row(r, v, fusion) for r in readers):
                continue
            if all(reads_lightly(r, v, behind, fusion) for r in readers):
                out |= behind
    return out


def others(v: Value, fusion: Fusion) -> list[Value]:
    """Readers of `v` in other kernels."""
    return [r for r in fusion.readers(v) if fusion.of.get(r) is not fusion.of[v]]


def expression(
    v: Value, fusion: Fusion, stored: set[Value], written: set[Value], known: set[Value]
) -> tuple[set[Value], set[Value]] | None:
    """The values between `v` and memory, and the operands of its size that they read; None if they
    are too many or can fail, or if memory is written meanwhile."""
    group = fusion.of[v]
    found: set[Value] = set()
    large: set[Value] = set()
    stack = [v]
    while stack:
        x = stack.pop()
        found.add(x)
        if x.kind != "map" or x.store is not None or can_fail(x) or len(found) > OPERATIONS:
            return None
        for a in x.inputs:
            w = a.value
            if w.kind in ("const", "scalar", "iota") or w in fusion.trivial:
                continue
            if a.injection() is None or memory_of(w) in written:
                return None
            if w in known or (fusion.of.get(w) is group and w not in stored):
                stack.append(w)
            elif w.kind in ("leaf", "map", "reduce", "combine", "matmul", "gather"):
                if len(w.space) == len(v.space):
                    large.add(w)
            else:
                return None
    return found, large


def places(r: Value, v: Value, fusion: Fusion) -> list[Positions | None]:
    """Where in its kernel's domain a reader takes `v`; None where not element by element."""
    group = fusion.of.get(r)
    if group is None or r.kind not in ("map", "reduce", "partial", "part"):
        return [None]
    reads = element_reads(r, group.place[r], group.domain)
    return [carried(a, at) for a, at in reads if a.value is v]


def in_row(at: Positions | None, group: Group) -> bool:
    """Whether positions of a kernel's domain are known for a whole row."""
    if at is None or group.kind not in ("map", "row") or not group.domain:
        return False
    split = len(group.domain) - 1 if group.split is None else group.split
    return all(p < split for p in at)


def is_row(r: Value, v: Value, fusion: Fusion) -> bool:
    """Whether a reader takes `v` once a row."""
    return r in fusion.of and all(in_row(at, fusion.of[r]) for at in places(r, v, fusion))


def reads_lightly(r: Value, v: Value, behind: set[Value], fusion: Fusion) -> bool:
    """Whether a reader can compute `v` for itself, and does nothing costly for each element."""
    stack = [(v, at) for at in places(r, v, fusion)]
    while stack:
        w, at = stack.pop()
        if at is None or (costly(w) and not in_row(at, fusion.of[r])):
            return False
        stack += [(a.value, carried(a, at)) for a in w.inputs if a.value in behind]
    return True

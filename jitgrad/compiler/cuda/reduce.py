"""What a reduction needs in a thread's loop: where it starts, how a value joins, how threads do.

Entry: `reduce_row`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.columns import identity, merge
from jitgrad.compiler.cuda.writer import DeviceWriter
from jitgrad.compiler.source import TAB
from jitgrad.compiler.values import Access, Value
from jitgrad.ir import dtype as dt


def reduce_row(w: DeviceWriter, v: Value, everything: tuple[int, ...], team: str) -> list[str]:
    """A thread's own part in the loop; the lines after it, by which all threads get the result."""
    if len(v.inputs) == 2:
        name = w.fresh(v.op)
        lines = w.picked(v, name, everything)
    elif v.op in ("argmax", "argmin"):
        name, lines = position(w, v, everything, team)
    else:
        name, lines = total(w, v, everything, team)
    w.memo[v, w.group.place[v]] = name
    return lines


def total(
    w: DeviceWriter, v: Value, everything: tuple[int, ...], team: str
) -> tuple[str, list[str]]:
    """Sums and the like."""
    value = operand(w, v, v.inputs[0], everything)
    acc = w.fresh(f"{v.op}_acc")
    w.row.append(f"{acc} = {w.constant(identity(v), v.dtype)}")
    assert w.loop is not None
    w.loop.append(f"{acc} = {merge(w, v, acc, value)}")
    name = w.fresh(v.op)
    return name, [f"{name} = {w.function(f'team_{v.op}_{v.dtype.suffix}')}({acc}, {team})"]


def operand(w: DeviceWriter, v: Value, access: Access, everything: tuple[int, ...]) -> str:
    """What is reduced, in the type of the result."""
    value = w.read(access, everything)
    if access.value.dtype is v.dtype:
        return value
    if v.dtype.kind == "b":
        return f"({value} != {w.constant(0, access.value.dtype)})"
    return f"{w.function(f'cast_{v.dtype.suffix}')}({value})"


def position(
    w: DeviceWriter, v: Value, everything: tuple[int, ...], team: str
) -> tuple[str, list[str]]:
    """The column of the largest or smallest value: the first one, as threads go forwards."""
    access = v.inputs[0]
    source = access.value.dtype
    value = w.read(access, everything)
    if source.kind == "b":
        value = f"{w.function('cast_b1')}({value})"
    best, place = w.fresh(f"{v.op}_best"), w.fresh(f"{v.op}_place")
    w.row.append(f"{best} = {w.constant(0, dt.uint8 if source.kind == 'b' else source)}")
    w.row.append(f"{place} = {w.constant(-1, v.dtype)}")
    leads = w.function(f"leads_{v.op.removeprefix('arg')}")
    name = w.fresh(v.op)
    assert w.loop is not None
    w.loop += [
        f"if {place} < 0 or {leads}({value}, {best}):",
        f"{TAB}{best} = {value}",
        f"{TAB}{place} = {w.column()}",
    ]
    team_of = w.function(f"team_{v.op}_{source.suffix}")
    return name, [f"{name} = {team_of}({best}, {place}, {team})"]

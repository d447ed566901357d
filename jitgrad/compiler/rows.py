"""Kernels over rows: stages of column loops whose reductions are numbers for the next stage.

Entry: `rows`. Imports: kernels, compiler.
"""

from __future__ import annotations

from collections.abc import Callable

from jitgrad.compiler import columns
from jitgrad.compiler.cuts import cut
from jitgrad.compiler.groups import carried
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.saves import Saves
from jitgrad.compiler.source import TAB, Filled, Writer
from jitgrad.compiler.values import Access, Value
from jitgrad.kernels.columns import ROWS
from jitgrad.kernels.intrinsics import AHEAD

CALLED = 16  # lines that a call of a function counts for
FAR = 16384  # elements of a row after which the next row is not worth fetching

Reduce = Callable[[Writer, Value, tuple[int, ...]], list[str]]
Loop = Callable[[Writer, list[str]], list[str]]


def rows(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Rows in parallel; stages of column loops inside."""
    n = w.size(w.nest.classes(w.nest.cols))
    w.filled = Filled(f"r * {n}", f"r * {n} + {n}")
    cut(w)
    loops = Loops()
    stages(w, reduce_row, loops)
    loops.look_ahead(w)
    rows, cols = w.nest.classes(w.nest.rows), w.nest.classes(w.nest.cols)
    line = [*decompose(w, "r"), *w.row]
    if w.parts:
        units = ("row chunks", rows)
        return by_chunks(w, w.size(rows), n, line), units, ("rows", cols, ROWS)
    return ["for r in range(lo, hi):", *indent(line)], ("size", rows), ("size", cols)


def by_chunks(w: Writer, n_rows: str, n_cols: str, line: list[str]) -> list[str]:
    """Units are chunks of rows: each leaves a row of results of every reduction of leading axes."""
    clear, close = [], []
    for v, acc in w.parts.items():
        out = w.param(("own", v.id), f"{v.op}_part", v.dtype.suffix + "*", ("own", v))
        clear.append(f"{acc}[k] = {columns.start(w, v)}")
        close.append(f"{out}[u * {n_cols} + k] = {acc}[k]")
    parts = list(w.parts.items())
    count = columns.lanes(w, parts[0][0])
    unit = [
        f"held = {count} * {n_cols}",
        "for k in range(held):",
        *indent(clear),
        f"for r in range(u * {ROWS}, min(u * {ROWS} + {ROWS}, {n_rows})):",
        *indent([f"lane = (r & {count} - 1) * {n_cols}", *line]),
        *columns.fold(w, parts, n_cols),
        f"for k in range({n_cols}):",
        *indent(close),
    ]
    return ["for u in range(lo, hi):", *indent(unit)]


class Loops:
    """The column loops of a row. While the costliest one computes, the next row is fetched: the
    processor itself foresees no row, so that else each row would begin with waiting for memory."""

    def __init__(self) -> None:
        self.written: list[tuple[int, int, int]] = []  # cost, first line, past the last

    def __call__(self, w: Writer, body: list[str]) -> list[str]:
        lines = column_loop(w, body)
        calls = sum(f"{name}(" in line for line in body for name in w.functions)
        self.written.append((len(body) + CALLED * calls, len(w.row), len(w.row) + len(lines)))
        return lines

    def look_ahead(self, w: Writer) -> None:
        """Give the costliest loop its prefetches, block by block."""
        if len(self.written) < 2 or len(w.nest.cols) > 1 or not w.streams:
            return
        _, first, end = max(self.written, key=lambda loop: loop[0])
        n = w.size(w.nest.classes(w.nest.cols))
        starts: dict[str, str] = {}
        ask: list[str] = []
        for pointer, (prefetch, following) in w.streams.items():
            if following not in starts:
                starts[following] = w.fresh("after")
            ask.append(f"{w.function(prefetch)}({pointer}, {starts[following]} + base)")
        loop, *body = w.row[first:end]
        column = w.nest.variables[w.nest.cols[0]]
        w.row[first:end] = [
            *(f"{name} = {following}" for following, name in starts.items()),
            f"for base in range(0, {n}, {AHEAD}):",
            *indent([f"if base < {FAR}:", *indent(ask)]),
            *indent([f"for {column} in range(base, min(base + {AHEAD}, {n})):", *body]),
        ]


def column_loop(w: Writer, body: list[str]) -> list[str]:
    """Loops over the column axes around a body."""
    out: list[str] = []
    for k, axis in enumerate(w.nest.cols):
        n = w.size(w.nest.classes([axis]))
        out.append(TAB * k + f"for {w.nest.variables[axis]} in range({n}):")
    return out + indent(body, len(w.nest.cols))


def stages(w: Writer, reduce: Reduce, loop: Loop) -> None:
    """Write row values and column loops, stage after stage, into `w.row`.

    `reduce` answers with the lines that finish a reduction behind the loop whose body is `w.loop`;
    `loop` puts the loops over the columns around that body.
    """
    group, nest = w.group, w.nest
    everything = tuple(range(len(group.domain)))
    plan = Saves(w)
    w.kept = dict.fromkeys(plan.loads, "")
    reduces = [v for v in group.values if v.kind == "reduce"]
    last = max(nest.stage.values()) + 1
    stored = [v for v in w.stored if v.kind not in ("reduce", "part")]
    for s in range(last + 1):
        w.stage_now = s
        for v in stored:
            if nest.stage[v] == s and w.level(group.place[v]) != "col":
                w.store(v, group.place[v])
        w.loop, w.loop_memo = [], {}
        finals: list[str] = []
        for v in plan.values.get(s, ()):
            slot = w.scratch_row(v.op, v.dtype.suffix)
            w.saved[v] = slot
            w.keep(slot, w.value(v, group.place[v]))
        for v in reduces:
            if nest.stage[v] == s:
                finals += reduce(w, v, everything)
        for v in stored:
            if nest.stage[v] == s and w.level(group.place[v]) == "col":
                w.store(v, group.place[v])
        for v in group.values:
            if v.kind == "part" and nest.stage[v] == s:
                acc = w.parts[v] = columns.lane_rows(w, v)
                place = f"{acc}[lane + {w.column()}]"
                text = columns.merge(w, v, place, columns.operand(w, v))
                w.put(f"{place} = {text}", "col")
        if w.loop:
            w.row += loop(w, w.loop)
        w.row += finals
        w.take_back()
        w.loop = None
        for v in reduces:
            if nest.stage[v] == s and v in w.stored:
                w.store(v, group.place[v])


def reduce_row(w: Writer, v: Value, everything: tuple[int, ...]) -> list[str]:
    """The lines after the loop that finish a reduction of the row."""
    access = v.inputs[0]
    source = access.value
    suffix = source.dtype.suffix
    n = w.size(w.nest.classes(w.nest.cols))
    name = w.fresh(v.op)
    if len(v.inputs) == 2:
        lines = w.picked(v, name, everything)
        w.memo[v, w.group.place[v]] = name
        return lines
    w.memo[v, w.group.place[v]] = name
    run = direct_run(w, access, everything)
    if run is None:
        where = carried(access, everything)
        if source in w.saved and where == w.group.place[source]:
            run = w.saved[source]
        else:
            assert w.loop is not None
            operand = w.read(access, everything)
            run = w.kept_run(access, everything)
            if run is None:
                run = w.lend_row(v.op, suffix)
                w.loop.append(f"{run}[{w.column()}] = {operand}")
    return [f"{name} = {w.over_run(f'{v.op}_{suffix}')}({run}, {n})"]


def direct_run(w: Writer, access: Access, everything: tuple[int, ...]) -> str | None:
    """A row that lies contiguously in memory and needs no arithmetic."""
    source = access.value
    if source in w.members or w.nest.inline(source) or source.kind in ("const", "scalar"):
        return None
    terms = w.nest.address(access, everything)
    cols = [t for t in terms.parts if t.level == "col"]
    if len(w.nest.cols) != 1 or len(cols) != 1 or cols[0].stride is not None or cols[0].sizes:
        return None
    if ("load", access.key(), terms.key) in w.kept:
        return None
    pointer = w.pointer(access)
    rows = type(terms)(tuple(t for t in terms.parts if t.level != "col"))
    index, _ = w.index(pointer, access, rows)
    return f"{w.function('at')}({pointer}, {index})"

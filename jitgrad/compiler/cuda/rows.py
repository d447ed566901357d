"""Row kernels: a team of threads takes a row, its lanes the columns; what a later loop reads again
stays in the team's scratch, each lane reading what it wrote itself.

Entry: `rows`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler import rows as cpu
from jitgrad.compiler.cuda.reduce import reduce_row
from jitgrad.compiler.cuda.writer import DeviceWriter, Once
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent, split_column


def rows(w: DeviceWriter) -> tuple[list[str], Spec, Spec]:
    """Teams stride over rows; stages of column loops inside, as on the CPU."""
    nest = w.nest
    w.once = Once(row="lane == 0")
    cpu.stages(
        w,
        lambda _, v, everything: reduce_row(w, v, everything, "team"),
        lambda _, body: column_loop(w, body),
    )
    body = [
        "lane = cuda.threadIdx.x & (team - 1)",
        w.strides(
            "r", w.quotient("cuda.grid(1)", "team"), "units", w.quotient("cuda.gridsize(1)", "team")
        ),
        *indent([*decompose(w, "r"), *w.row]),
    ]
    if w.scratch:
        memory = w.function("team_memory")
        w.top.insert(0, f"scratch = {memory}(scratch, per_team, team)")
    return body, ("size", nest.classes(nest.rows)), ("size", nest.classes(nest.cols))


def column_loop(w: DeviceWriter, body: list[str]) -> list[str]:
    """A lane's loop over its columns around a body."""
    n = w.size(w.nest.classes(w.nest.cols))
    if w.wide:
        head = w.strides("first", "WIDE * lane", n, "WIDE * team")
        return [head, *indent([f"left = {n} - first", *w.columns(body)])]
    return [w.strides("j", "lane", n, "team"), *indent([*split_column(w), *body])]

"""Elementwise kernels: a grid-stride loop over groups of neighbouring elements.

Entry: `elements`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.cuda.writer import DeviceWriter, Once
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent, split_column


def elements(w: DeviceWriter) -> tuple[list[str], Spec, Spec]:
    """Each thread takes WIDE columns of a row at once; where nothing is adjacent, one element."""
    nest = w.nest
    flat = not nest.rows
    w.once = Once(row="first == 0" if w.wide else "j == 0")
    w.loop = []
    for v in w.stored:
        w.store(v, w.group.place[v])
    n = "units" if flat else w.size(nest.classes(nest.cols))
    if flat and w.wide:
        head = [w.strides("first", "WIDE * cuda.grid(1)", "units", "WIDE * cuda.gridsize(1)")]
        body = ["left = units - first", *w.columns(w.loop)]
    elif flat:
        head = [w.strides("j", "cuda.grid(1)", "units", "cuda.gridsize(1)")]
        body = w.loop
    elif w.wide:
        head = [
            f"groups = {w.quotient(f'{n} + WIDE - 1', 'WIDE')}",
            w.strides("group", "cuda.grid(1)", "units * groups", "cuda.gridsize(1)"),
        ]
        body = [
            f"line = {w.quotient('group', 'groups')}",
            "first = (group - line * groups) * WIDE",
            f"left = {n} - first",
            *decompose(w, "line"),
            *w.row,
            *w.columns(w.loop),
        ]
    else:
        head = [w.strides("i", "cuda.grid(1)", f"units * {n}", "cuda.gridsize(1)")]
        body = [
            f"line = {w.quotient('i', n)}",
            f"j = i - line * {n}",
            *decompose(w, "line"),
            *split_column(w),
            *w.row,
            *w.loop,
        ]
    lines = [*head, *indent(body)]
    if flat:
        return lines, ("size", nest.classes(nest.axes)), ("size", ())
    return lines, ("size", nest.classes(nest.rows)), ("size", nest.classes(nest.cols))

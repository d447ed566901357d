"""Kernels that reduce leading axes: blocks of columns in parallel, rows in chunks.

Where a kernel over rows has the operand at hand, it reduces the chunks (see `compiler.rows`) and a
small kernel here combines them: the same tree, so the same bits. The rows of a chunk take turns at
its lanes (see `kernels.columns`). Entry: `columns`, `combines`; `lanes`, `lane_rows` and `fold` are
for the kernels that begin reductions.
Imports: kernels, compiler.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import PAD, TAB, Writer
from jitgrad.compiler.values import Dims, Value, reduced
from jitgrad.kernels.columns import BLOCK, LEVELS, ROWS

REACH = 4  # a row is fetched while the one so many before it is added, but in the last chunk


def columns(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are blocks of columns; rows in chunks, chunks combined pairwise by index."""
    nest, group = w.nest, w.group
    n_rows = w.size(nest.classes(nest.rows))
    *outer, inner = nest.cols
    column = nest.variables[inner]
    w.loop, w.reach = [], REACH
    stacks = [(v, stack(w, v)) for v in group.values if v.kind == "reduce"]
    count = lanes(w, stacks[0][0])
    side = "first" if nest.adjacent else "side"
    for v, acc in stacks:
        place = f"{acc}[{column} - {side}]"
        w.loop.append(f"{place} = {merge(w, v, place, operand(w, v))}")
    for v in w.stored:
        if v.kind != "reduce":
            w.store(v, group.place[v])
    line = [*decompose(w, "line"), *w.row]
    ask = [
        f"{w.function(prefetch)}({pointer}, {later} + first)"
        for pointer, (prefetch, later) in w.streams.items()
    ]
    if ask:  # the processor itself foresees no pieces of rows that are longer
        line += [f"if {count} == 1 and end < {n_rows}:", *indent(ask)]
    if nest.adjacent:  # a row begins where the last one ends: all lanes are one run
        turn = [f"for {column} in range(first, first + min({count}, end - line) * width):"]
        step = count
    else:
        turn = [f"side = first - (line & {count} - 1) * width"]
        turn += [f"for {column} in range(first, first + width):"]
        step = "1"
    chunk = [
        f"end = min(begin + {ROWS}, {n_rows})",
        f"held = {count} * width",
        "for k in range(held):",
        *indent([f"{acc}[k] = {start(w, v)}" for v, acc in stacks]),
        "line = begin",
        "while line < end:",
        *indent([*line, *turn, *indent(w.loop), f"line = line + {step}"]),
        *fold(w, stacks, "width"),
    ]
    cols = nest.classes([inner])
    body = column_body(w, n_rows, ROWS, chunk, stacks, cols, outer)
    units = ("blocks", cols, nest.classes(outer))
    return body, units, ("rows", nest.classes(nest.rows), BLOCK)


def combines(w: Writer) -> tuple[list[str], Spec, Spec]:
    """The second half of a reduction that a kernel over rows has begun: a row for each chunk."""
    (v,) = w.group.values
    access = v.inputs[0]
    part = w.pointer(access)
    spec = ("row chunks", reduced(access.value))
    chunks = w.param(spec, "chunks", "i64", spec)
    n_cols = w.size(w.group.domain)
    acc = stack(w, v)
    chunk = ["for k in range(width):", TAB + f"{acc}[k] = {part}[begin * {n_cols} + first + k]"]
    cols = w.group.domain
    body = column_body(w, chunks, 1, chunk, [(v, acc)], cols)
    return body, ("blocks", cols, ()), ("chunk rows", reduced(access.value), BLOCK)


def lanes(w: Writer, v: Value) -> str:
    """How many lanes a chunk of rows has."""
    spec = ("lanes", reduced(v), v.behind)
    return w.param(spec, "lanes", "i64", spec)


def lane_rows(w: Writer, v: Value) -> str:
    """Scratch for the lanes of a chunk of whole rows."""
    suffix = v.dtype.suffix
    length = f"({lanes(w, v)} * {w.size(v.behind)} * {v.dtype.itemsize} + 63) // 64 * 64 + {PAD}"
    return w.room(f"{v.op}_acc", suffix, length, ("lane numbers", reduced(v), v.behind))


def fold(w: Writer, stacks: list[tuple[Value, str]], width: str) -> list[str]:
    """Lines that fold the lanes of a chunk, which hold `held` numbers, into one of `width`."""
    folded = [f"{acc}[k] = {merge(w, v, f'{acc}[held + k]', f'{acc}[k]')}" for v, acc in stacks]
    loop = ["held = held >> 1", "for k in range(held):", *indent(folded)]
    return [f"while held > {width}:", *indent(loop)]


def stack(w: Writer, v: Value) -> str:
    """Scratch for the results that wait to be combined; the first is the running chunk's."""
    return w.scratch_run(f"{v.op}_acc", v.dtype.suffix, BLOCK * LEVELS)


def operand(w: Writer, v: Value) -> str:
    """What a reduction of leading axes takes from the current element."""
    text = w.read(v.inputs[0], tuple(range(len(w.group.domain))))
    if v.inputs[0].value.dtype is not v.dtype:
        text = f"{w.function(f'cast_{v.dtype.suffix}')}({text})"
    return text


def column_body(
    w: Writer, lines: str, step: int, chunk: list[str], stacks: list[tuple[Value, str]],
    cols: Dims, outer: Sequence[tuple[int, ...]] = (),
) -> list[str]:  # fmt: skip
    """Loops over blocks of columns: `chunk` puts the row of a chunk, of `step` lines, at the bottom
    of each stack, and there the result is, where that is all.
    Blocks are of `cols`, one `batch` of them for each place of the `outer` axes that are kept."""
    n_cols = w.size(cols)
    block, base = "u", ""
    batch: list[str] = []
    if outer:
        blocks = w.param(("blocks", cols), "blocks", "i64", ("blocks", cols, ()))
        batch = [f"batch = {w.quotient('u', blocks)}", f"block = u - batch * {blocks}"]
        batch += decompose(w, "batch", outer)
        block, base = "block", f"batch * {n_cols} + "
    merged, kept, lowest, clear, close = [], [], [], [], []
    for v, acc in stacks:
        level = f"{acc}[level * {BLOCK} + k]"
        merged.append(f"{acc}[k] = {merge(w, v, level, f'{acc}[k]')}")
        kept.append(f"{level} = {acc}[k]")
        lowest.append(f"{acc}[k] = {level}")
        clear.append(f"{acc}[k] = {start(w, v)}")
        out = w.param(("own", v.id), "out", v.dtype.suffix + "*", ("own", v))
        close.append(f"{out}[{base}first + k] = {acc}[k]")
    push = [
        "level = 1",
        "bits = count",
        "while bits & 1:",
        *indent(["for k in range(width):", *indent(merged)]),
        *indent(["level = level + 1", "bits = bits >> 1"]),
        "for k in range(width):",
        *indent(kept),
        "count = count + 1",
    ]
    finish_stack = [
        "while bits & 1 == 0:",
        *indent(["level = level + 1", "bits = bits >> 1"]),
        "for k in range(width):",
        *indent(lowest),
        "bits = bits >> 1",
        "while bits > 0:",
        *indent(["level = level + 1", "if bits & 1:", TAB + "for k in range(width):"]),
        *indent(merged, 3),
        *indent(["bits = bits >> 1"]),
    ]
    unit = [
        *batch,
        f"first = {block} * {BLOCK}",
        f"width = min({BLOCK}, {n_cols} - first)",
        "count = 0",
        f"for begin in range(0, {lines}, {step}):",
        *indent([*chunk, f"if {lines} > {step}:", *indent(push)]),
        f"if {lines} == 0:",
        *indent(["for k in range(width):", *indent(clear)]),
        f"if {lines} > {step}:",
        *indent(["level = 1", "bits = count", *finish_stack]),
        "for k in range(width):",
        *indent(close),
    ]
    return ["for u in range(lo, hi):", *indent(unit)]


def identity(v: Value) -> float:
    """The value a reduction starts from."""
    if v.op in ("sum", "any"):
        return 0
    if v.op in ("prod", "all"):
        return 1
    low = v.op == "max"
    if v.dtype.kind == "f":
        return float("-inf") if low else float("inf")
    if v.dtype.kind == "b":
        return 0 if low else 1
    info = np.iinfo(v.dtype.np)
    return info.min if low else info.max


def start(w: Writer, v: Value) -> str:
    """The same in source."""
    return w.constant(identity(v), v.dtype)


def merge(w: Writer, v: Value, x: str, y: str) -> str:
    """Two values of a reduction combined."""
    suffix = v.dtype.suffix
    if v.op in ("sum", "prod"):
        return f"{x} {'+' if v.op == 'sum' else '*'} {y}"
    if v.op == "any" or (v.op == "max" and suffix == "b1"):
        return f"bool({x} | {y})"
    if v.op == "all" or (v.op == "min" and suffix == "b1"):
        return f"bool({x} & {y})"
    return f"{w.function(f'{v.op}_{suffix}')}({x}, {y})"

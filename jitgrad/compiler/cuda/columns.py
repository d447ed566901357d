"""Kernels that reduce leading axes: a block takes a tile of columns over a span of rows.

`width` of its threads stand side by side, the others below them; what they have is combined
through shared memory. Each span leaves a row of partial results, which a second kernel, `finish`,
combines in the order of the spans. With one span the first kernel writes the results themselves.
Entry: `columns`. Imports: compiler.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jitgrad.compiler.columns import identity, merge
from jitgrad.compiler.cuda.reduce import operand
from jitgrad.compiler.cuda.writer import DeviceWriter
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent, split_column
from jitgrad.compiler.source import TAB
from jitgrad.compiler.values import Value


@dataclass(slots=True)
class Columns:
    """A column kernel while it is put together.

    Attributes:
        clear, close: lines before and after a thread's lines of a tile.
        finish: lines of the second kernel for one column.
        extra: arguments of the launch.
        results: partial results -> the parameter that they become.
    """

    clear: list[str] = field(default_factory=list)
    close: list[str] = field(default_factory=list)
    finish: list[str] = field(default_factory=list)
    extra: list[tuple[str, str]] = field(
        default_factory=lambda: [("span", "i64"), ("width", "i64"), ("parts", "i64")]
    )
    results: dict[str, str] = field(default_factory=dict)


def columns(w: DeviceWriter) -> tuple[list[str], list[str], Columns, Spec, Spec]:
    """Body, body of `finish`, what they need of a launch, columns, rows."""
    nest, group = w.nest, w.group
    n_rows = w.size(nest.classes(nest.rows))
    n_cols = w.size(nest.classes(nest.cols))
    w.loop = []
    made = Columns()
    for v in group.values:
        if v.kind == "reduce":
            reduce_column(w, v, n_cols, made)
    for v in w.stored:
        if v.kind != "reduce":
            w.store(v, group.place[v])
    body = tiles(w, n_rows, n_cols, made)
    joins = [w.strides("j", "cuda.grid(1)", n_cols, "cuda.gridsize(1)"), *indent(made.finish)]
    cols, rows = ("size", nest.classes(nest.cols)), ("size", nest.classes(nest.rows))
    return body, joins, made, cols, rows


def reduce_column(w: DeviceWriter, v: Value, n_cols: str, made: Columns) -> None:
    """One reduction: an accumulator for each of the thread's columns."""
    suffix = v.dtype.suffix
    acc = w.fresh(f"{v.op}_acc")
    mine, column, inside = acc, "j", "left > 0"
    if w.wide:
        w.top.append(f"{acc} = {w.function(f'private_{suffix}')}(WIDE)")
        mine, column, inside = f"{acc}[k]", "first + k", "k < left"
    made.clear.append(f"{mine} = {w.constant(identity(v), v.dtype)}")
    value = operand(w, v, v.inputs[0], tuple(range(len(w.group.domain))))
    assert w.loop is not None
    w.loop.append(f"{mine} = {merge(w, v, mine, value)}")
    part, whole = w.fresh(f"{v.op}_part"), w.fresh(v.op)
    out = w.param(("own", v.id), "out", suffix + "*", ("own", v))
    made.extra.append((part, suffix + "*"))
    made.results[part] = out
    made.close += [
        f"{whole} = {w.function(f'lines_{v.op}_{suffix}')}({mine}, width)",
        f"if cuda.threadIdx.x < width and {inside}:",
        f"{TAB}{part}[part * {n_cols} + {column}] = {whole}",
    ]
    made.finish += [
        f"{whole} = {part}[j]",
        "for part in range(1, parts):",
        f"{TAB}{whole} = {merge(w, v, whole, f'{part}[part * {n_cols} + j]')}",
        f"{out}[j] = {whole}",
    ]


def tiles(w: DeviceWriter, n_rows: str, n_cols: str, made: Columns) -> list[str]:
    """Loops over tiles, and over a thread's lines of one."""
    side = "WIDE * width" if w.wide else "width"
    place = "(u - part * tiles) * width + (cuda.threadIdx.x & (width - 1))"
    assert w.loop is not None
    if w.wide:
        first, start = "first", f"WIDE * ({place})"
        every = ["for k in range(WIDE):"]
        line = [*w.row, *w.columns(w.loop)]
    else:
        first, start = "j", place
        every = []
        line = ["if left > 0:", *indent([*split_column(w), *w.row, *w.loop])]
    body = [
        f"part = {w.quotient('u', 'tiles')}",
        f"{first} = {start}",
        f"left = {n_cols} - {first}",
        f"begin = part * span + {w.quotient('cuda.threadIdx.x', 'width')}",
        f"end = min(part * span + span, {n_rows})",
        *every,
        *indent(made.clear, len(every)),
        w.strides("line", "begin", "end", w.quotient("cuda.blockDim.x", "width")),
        *indent([*decompose(w, "line"), *line]),
        *every,
        *indent(made.close, len(every)),
    ]
    return [
        f"tiles = {w.quotient(f'{n_cols} + {side} - 1', side)}",
        w.strides("u", "cuda.blockIdx.x", "parts * tiles", "cuda.gridDim.x"),
        *indent(body),
    ]

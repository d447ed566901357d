"""Kernels around a matrix product: one call a part of the result, then the epilogue over it.

Entry: `products`. Imports: compiler, kernels' `gemm` and `tiles`.
"""

from __future__ import annotations

from jitgrad.compiler import prologue, riding
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import Writer
from jitgrad.compiler.values import ONE, Value
from jitgrad.kernels.gemm import COLUMN_STEP, ROW_STEP
from jitgrad.kernels.tiles import ROOM

_STARTS = ("first", -2, "row"), ("begin", -1, "col")  # of a part, in the left and right operand


def products(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are parts of the result: one product, then the epilogue while it is cached."""
    v = w.group.product
    assert v is not None
    a, b = v.inputs
    suffix = v.dtype.suffix
    m, n, k = (
        w.param(("extent", x.key(), axis), s, "i64", ("extent", x, axis))
        for x, axis, s in ((a, -2, "rows"), (b, -1, "cols"), (a, -1, "depth"))
    )
    row_parts, column_parts = (
        w.param((s, v.id), s, "i64", (s, v)) for s in ("row_parts", "column_parts")
    )
    in_memory = [a] if w.nest.inline(b.value) else [a, b]
    pointers = [w.pointer(x) for x in in_memory]
    operands = list(zip(in_memory, pointers, strict=True))
    flags = [w.param(("flag", x.key()), f"{p}_t", "i64", ("flag", x)) for x, p in operands]
    leading = [w.param(("leading", x.key()), f"{p}_ld", "i64", ("leading", x)) for x, p in operands]
    offsets = [
        f"{begin} * " + w.param(("stride", x.key(), axis), f"{p}_{s}", "i64", ("stride", x, axis))
        for (x, p), (begin, axis, s) in zip(operands, _STARTS, strict=False)
    ]
    start, at = w.function("part_start"), w.function("at")
    lines = [
        f"part = u // {column_parts}",
        f"across = u - part * {column_parts}",
        f"batch = part // {row_parts}",
        f"down = part - batch * {row_parts}",
        f"first = {start}({m}, {ROW_STEP}, down, {row_parts})",
        f"high = {start}({m}, {ROW_STEP}, down + 1, {row_parts}) - first",
        f"begin = {start}({n}, {COLUMN_STEP}, across, {column_parts})",
        f"end = {start}({n}, {COLUMN_STEP}, across + 1, {column_parts})",
        "width = end - begin",
    ]
    flat = "batch"
    batch = [i for i in range(len(a.dims) - 2) if v.dims[i] != ONE]
    for i in reversed(batch):
        size = w.size((v.dims[i],))
        name = f"b{i}"
        if i != batch[0]:
            lines += [f"{name}q = {flat} // {size}", f"{name} = {flat} - {name}q * {size}"]
            flat = f"{name}q"
        else:
            lines.append(f"{name} = {flat}")
        for side, (x, p) in enumerate(operands):
            offsets[side] += f" + {name} * {w.stride(x, i, p)}"
    places = [f"{at}({p}, {o}), {ld}" for p, o, ld in zip(pointers, offsets, leading, strict=True)]
    if len(places) < 2:
        computed, block, length = prologue.operand(w, v, k)
        lines += computed
        places.append(f"{block}, {length}")
        flags.append(str(int(prologue.turned(b))))
    tiles = packed = ""
    if suffix == "f32":
        tiles = w.param(("tiles", v.id), "tiles", "i64", ("tiles", v)) + ", "
        packed = ", " + w.scratch_run("packed", suffix, ROOM // 4)
    margins = [x for x in w.stored if x.kind == "margin"]
    epilogue = [x for x in w.stored if x is not v and x.kind != "margin"]
    if v in w.stored:
        out = w.param(("own", v.id), "out", suffix + "*", ("own", v))
        lines.append(f"panel = {at}({out}, (batch * {m} + first) * {n} + begin)")
        panel, step = "panel", n
    else:
        most = w.param(("part", v.id), "most", "i64", ("part", v))
        length = f"({most} * {v.dtype.itemsize} + 63) // 64 * 64"
        panel, step = w.room("panel", suffix, length, ("part", v)), "width"
    lines.append(
        f"{w.function(f'gemm_{suffix}')}({tiles}{', '.join(flags)}, high, width, {k}, "
        f"{', '.join(places)}, {panel}, {step}{packed})"
    )
    for margin in margins:
        lines += riding.sums(w, margin, k, pointers[0], leading[0])
    if epilogue:
        lines += epilogue_lines(w, v, epilogue, m, step)
    body = ["for u in range(lo, hi):", *indent(lines)]
    return body, ("parts", v), ("part work", v)


def epilogue_lines(w: Writer, v: Value, epilogue: list[Value], m: str, step: str) -> list[str]:
    """The elementwise consumers over the part that was just computed, its rows `step` apart."""
    nest, group = w.nest, w.group
    place = group.place[v]
    has_cols = bool(nest.cols)
    has_rows = any(p < nest.split for p in place)
    w.loop = []
    column_name = nest.variables[nest.cols[0]] if has_cols else "0"
    name = w.fresh("product")
    if has_cols:
        w.loop.append(f"{name} = panel[line * {step} + {column_name} - begin]")
        w.loop_memo[v, place] = name
    else:
        w.row.append(f"{name} = panel[line]")
        w.memo[v, place] = name
    for x in epilogue:
        w.store(x, group.place[x])
    rows = [f"r = batch * {m} + first + line", *decompose(w, "r")] if has_rows else []
    inner = [*rows, *w.row]
    if has_cols:
        inner += [f"for {column_name} in range(begin, end):", *indent(w.loop)]
    return ["for line in range(high):", *indent(inner)]

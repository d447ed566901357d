"""Kernels around a matrix product: one BLAS call a panel of rows, then the epilogue over it.

Entry: `products`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import Writer
from jitgrad.compiler.values import ONE, Value


def products(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are panels of rows: one BLAS call, then the epilogue over the cached panel."""
    v = w.group.product
    assert v is not None
    a, b = v.inputs
    suffix = v.dtype.suffix
    m, n, k = (
        w.param(("extent", x.key(), axis), s, "i64", ("extent", x, axis))
        for x, axis, s in ((a, -2, "rows"), (b, -1, "cols"), (a, -1, "depth"))
    )
    tile = w.param(("tile", v.id), "tile", "i64", ("tile", v))
    left, right = w.pointer(a), w.pointer(b)
    rank = len(v.dims)
    ta, tb = (
        w.param(("flag", x.key()), f"{p}_t", "i64", ("flag", x)) for x, p in ((a, left), (b, right))
    )
    lda, ldb = (
        w.param(("leading", x.key()), f"{p}_ld", "i64", ("leading", x))
        for x, p in ((a, left), (b, right))
    )
    row_step = w.param(("stride", a.key(), -2), f"{left}_row", "i64", ("stride", a, -2))
    lines = [
        f"panels = ({m} + {tile} - 1) // {tile}",
        "batch = u // panels",
        f"first = (u - batch * panels) * {tile}",
        f"high = min({tile}, {m} - first)",
    ]
    offsets = [f"first * {row_step}", ""]  # by operand: both may be views of one memory
    flat = "batch"
    batch = [i for i in range(rank - 2) if v.dims[i] != ONE]
    for i in reversed(batch):
        size = w.size((v.dims[i],))
        name = f"b{i}"
        if i != batch[0]:
            lines += [f"{name}q = {flat} // {size}", f"{name} = {flat} - {name}q * {size}"]
            flat = f"{name}q"
        else:
            lines.append(f"{name} = {flat}")
        for side, (x, p) in enumerate(((a, left), (b, right))):
            step = f"{name} * {w.stride(x, i, p)}"
            offsets[side] = f"{offsets[side]} + {step}" if offsets[side] else step
    epilogue = [x for x in w.stored if x is not v]
    if v in w.stored:
        out = w.param(("own", v.id), "out", suffix + "*", ("own", v))
        lines.append(f"panel = {w.function('at')}({out}, (batch * {m} + first) * {n})")
    else:
        w.top.append(f"panel = {w.function(f'view_{suffix}')}(scratch, 0)")
        w.scratch.append((("panel", v), v.dtype.itemsize))
    fn = w.function(f"gemm_{suffix}")
    zero = w.constant(0, v.dtype)
    at = w.function("at")
    right_at = f"{at}({right}, {offsets[1]})" if offsets[1] else right
    lines.append(
        f"{fn}({ta}, {tb}, high, {n}, {k}, {at}({left}, {offsets[0]}), {lda}, "
        f"{right_at}, {ldb}, {zero}, panel, {n})"
    )
    if epilogue:
        lines += epilogue_lines(w, v, epilogue, m, n)
    body = ["for u in range(lo, hi):", *indent(lines)]
    return body, ("panels", v), ("panel work", v)


def epilogue_lines(w: Writer, v: Value, epilogue: list[Value], m: str, n: str) -> list[str]:
    """The elementwise consumers over the panel that was just computed."""
    nest, group = w.nest, w.group
    place = group.place[v]
    has_cols = bool(nest.cols)
    has_rows = any(p < nest.split for p in place)
    w.loop = []
    column_name = nest.variables[nest.cols[0]] if has_cols else "0"
    name = w.fresh("product")
    if has_cols:
        w.loop.append(f"{name} = panel[line * {n} + {column_name}]")
        w.loop_memo[v, place] = name
    else:
        w.row.append(f"{name} = panel[line]")
        w.memo[v, place] = name
    for x in epilogue:
        w.store(x, group.place[x])
    rows = [f"r = batch * {m} + first + line", *decompose(w, "r")] if has_rows else []
    inner = [*rows, *w.row]
    if has_cols:
        inner += [f"for {column_name} in range({n}):", *indent(w.loop)]
    return ["for line in range(high):", *indent(inner)]

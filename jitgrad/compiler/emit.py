"""The loops of each kind of kernel around the expressions of `source.Writer`.

Entry: `write(group, stored, inline, info) -> Kernel`. Imports: compiler.
"""

from __future__ import annotations

import hashlib

import numpy as np

from jitgrad.compiler import routines
from jitgrad.compiler.fuse import Group, carried
from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.names import module_of
from jitgrad.compiler.source import BLOCK, CHUNK, LEVELS, ROWS, Writer, costly
from jitgrad.compiler.values import ONE, Access, Value

TAB = "    "


def write(group: Group, stored: set[Value], inline: set[Value]) -> Kernel:
    """The kernel of a group; `stored` are the values other kernels or the user read."""
    if group.kind == "routine":
        return routines.write(group.values[0])
    w = Writer(group, stored, inline)
    body, units, unit_size = _SHAPES[_shape(w)](w)
    return finish(w, body, units, unit_size)


def _shape(w: Writer) -> str:
    if w.group.kind in ("map", "row") and not w.group.domain:
        return "scalar"
    if w.group.kind == "map" and not w.nest.rows:
        return "flat"
    return {"map": "rows", "row": "rows"}.get(w.group.kind, w.group.kind)


def finish(w: Writer, body: list[str], units: Spec, unit_size: Spec) -> Kernel:
    """Header, constants, signature and name around the body."""
    text, params = assemble(w.functions, w.runs, w.constants, w.params, [*w.top, *body])
    name = kernel_name(w.group.values, text, params)
    serial = not w.group.domain and w.group.kind == "map"
    domain = w.group.domain
    product = w.group.product
    return Kernel(
        name,
        text.replace("KERNEL", name),
        tuple(params),
        tuple(w.specs),
        units,
        unit_size,
        w.scratch,
        serial,
        serial,
        w.checks,
        [(w.cost, domain)],
        product,
        (product.inputs[0], -1) if product is not None else None,
    )


def assemble(
    functions: set[str],
    runs: set[str],
    constants: dict[tuple[str, str], str],
    params: list[tuple[str, str]],
    body: list[str],
) -> tuple[str, list[tuple[str, str]]]:
    """Source text of a module; the function is called KERNEL."""
    imports: dict[str, list[str]] = {}
    for fn in sorted(functions):
        imports.setdefault(module_of(fn), []).append(fn)
    lines = ["import numpy as np", ""]
    for module, names in sorted(imports.items()):
        lines.append(f"from jitgrad.kernels.{module} import {', '.join(names)}")
    for name in sorted(runs):
        lines.append(f"from jitgrad.kernels.reduce import {name} as run_{name}")
    lines.append("")
    for (_, text), name in constants.items():
        lines.append(f"{name} = {text}")
    arguments = "".join(f"{n}, " for n, _ in params)
    lines += ["", "", f"def KERNEL(error, {arguments}lo, hi, scratch):"]
    lines += [TAB + line for line in body]
    lines += [TAB + "return np.int32(0)", ""]
    return "\n".join(lines), params


def kernel_name(values: list[Value], text: str, params: list[tuple[str, str]]) -> str:
    """Meaning and a hash of the body and its types."""
    words: list[str] = []
    for v in values:
        if v.op not in ("copy", "cast", "mul", "add", "sub", "neg", "where") and v.op not in words:
            words.append(v.op)
    if not words:
        words = [values[-1].op]
    digest = hashlib.sha256((text + repr(params)).encode()).hexdigest()[:8]
    return "_".join(words[:4]) + "_" + digest


# -- flat and scalar ----------------------------------------------------------------------------


def _scalar(w: Writer) -> tuple[list[str], Spec, Spec]:
    for v in w.stored:
        w.store(v, ())
    return [], ("size", ()), ("size", ())


def _flat(w: Writer) -> tuple[list[str], Spec, Spec]:
    """One merged axis: the range is over elements."""
    w.loop = []
    for v in w.stored:
        w.store(v, w.group.place[v])
    body = ["for j in range(lo, hi):", *indent(w.loop)]
    return body, ("size", w.nest.classes(w.nest.axes)), ("size", ())


# -- rows ---------------------------------------------------------------------------------------


def _rows(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Rows in parallel; stages of column loops inside."""
    stages(w)
    body = ["for r in range(lo, hi):", *indent([*decompose(w, "r"), *w.row])]
    nest = w.nest
    return body, ("size", nest.classes(nest.rows)), ("size", nest.classes(nest.cols))


def decompose(w: Writer, flat: str) -> list[str]:
    """Row variables from a flat row number."""
    rows = w.nest.rows
    if len(rows) < 2:
        return [f"r = {flat}"] if rows and flat != "r" else []
    out = []
    for k in range(len(rows) - 1, 0, -1):
        n = w.size(w.nest.classes([rows[k]]))
        name, rest = w.nest.variables[rows[k]], f"q{k}"
        out += [f"{rest} = {flat} // {n}", f"{name} = {flat} - {rest} * {n}"]
        flat = rest
    out.append(f"{w.nest.variables[rows[0]]} = {flat}")
    return out


def indent(lines: list[str], by: int = 1) -> list[str]:
    """Lines moved in."""
    return [TAB * by + line for line in lines]


def column_loop(w: Writer, body: list[str]) -> list[str]:
    """Loops over the column axes around a body."""
    out: list[str] = []
    for k, axis in enumerate(w.nest.cols):
        n = w.size(w.nest.classes([axis]))
        out.append(TAB * k + f"for {w.nest.variables[axis]} in range({n}):")
    return out + indent(body, len(w.nest.cols))


def stages(w: Writer) -> None:
    """Write row values and column loops, stage after stage, into `w.row`."""
    group, nest = w.group, w.nest
    everything = tuple(range(len(group.domain)))
    plan = plan_saves(w)
    reduces = [v for v in group.values if v.kind == "reduce"]
    last = max(nest.stage.values()) + 1
    for s in range(last + 1):
        w.stage_now = s
        for v in w.stored:
            if nest.stage[v] == s and v.kind != "reduce" and w.level(group.place[v]) != "col":
                w.store(v, group.place[v])
        w.loop, w.loop_memo = [], {}
        finals: list[str] = []
        for v in plan.get(s, ()):
            slot = scratch_row(w, v)
            w.saved[v] = slot
            w.loop.append(f"{slot}[{w.column()}] = {w.value(v, group.place[v])}")
        for v in reduces:
            if nest.stage[v] == s:
                finals.append(reduce_row(w, v, everything))
        for v in w.stored:
            if nest.stage[v] == s and v.kind != "reduce" and w.level(group.place[v]) == "col":
                w.store(v, group.place[v])
        if w.loop:
            w.row += column_loop(w, w.loop)
        w.row += finals
        w.loop = None
        for v in reduces:
            if nest.stage[v] == s and v in w.stored:
                w.store(v, group.place[v])


def reduce_row(w: Writer, v: Value, everything: tuple[int, ...]) -> str:
    """The line after the loop that finishes a reduction of the row."""
    access = v.inputs[0]
    source = access.value
    suffix = source.dtype.suffix
    n = w.size(w.nest.classes(w.nest.cols))
    name = w.fresh(v.op)
    w.memo[v, w.group.place[v]] = name
    run = direct_run(w, access, everything)
    if run is None:
        where = carried(access, everything)
        if source in w.saved and where == w.group.place[source]:
            run = w.saved[source]
        else:
            assert w.loop is not None
            operand = w.read(access, everything)
            run = scratch_row(w, v, suffix)
            w.loop.append(f"{run}[{w.column()}] = {operand}")
    return f"{name} = {w.over_run(f'{v.op}_{suffix}')}({run}, {n})"


def direct_run(w: Writer, access: Access, everything: tuple[int, ...]) -> str | None:
    """A row that lies contiguously in memory and needs no arithmetic."""
    source = access.value
    if source in w.members or w.nest.inline(source) or source.kind in ("const", "scalar"):
        return None
    terms = w.nest.address(access, everything)
    cols = [t for t in terms.parts if t.level == "col"]
    if len(w.nest.cols) != 1 or len(cols) != 1 or cols[0].stride is not None or cols[0].sizes:
        return None
    pointer = w.pointer(access)
    rows = type(terms)(tuple(t for t in terms.parts if t.level != "col"))
    index, _ = w.index(pointer, access, rows)
    return f"{w.function('at')}({pointer}, {index})"


def scratch_row(w: Writer, v: Value, suffix: str | None = None) -> str:
    """Scratch for one value per column."""
    dtype = suffix or v.dtype.suffix
    classes = w.nest.classes(w.nest.cols)
    name = w.fresh(f"{v.op}_row")
    size = {"f64": 8, "i64": 8, "f32": 4, "i32": 4, "i16": 2}.get(dtype, 1)
    if not w.scratch:
        w.top.append("room = 0")
    w.top.append(f"{name} = {w.function(f'view_{dtype}')}(scratch, room)")
    w.top.append(f"room = room + ({w.size(classes)} * {size} + 63) // 64 * 64")
    w.scratch.append((classes, size))
    return name


def plan_saves(w: Writer) -> dict[int, list[Value]]:
    """Costly column values needed by a later stage, by the stage that computes them."""
    nest, group = w.nest, w.group
    plan: dict[int, list[Value]] = {}
    todo: list[tuple[Value, int]] = []
    for v in group.values:
        if v.kind == "reduce" or v in w.stored:
            todo.append((v, nest.stage[v]))
    seen: set[tuple[Value, int]] = set()

    def visit(v: Value, t: int) -> None:
        if (v, t) in seen:
            return
        seen.add((v, t))
        if v in w.members and v.kind != "reduce" and w.level(group.place[v]) == "col":
            if nest.stage[v] < t and dear(v):
                kept = plan.setdefault(nest.stage[v], [])
                if v not in kept:
                    kept.append(v)
                    for a in v.inputs:
                        visit(a.value, nest.stage[v])
                return
            for a in v.inputs:
                visit(a.value, t)
        elif nest.inline(v):
            for a in v.inputs:
                visit(a.value, t)

    def dear(v: Value) -> bool:
        stack = [v]
        while stack:
            x = stack.pop()
            if x.kind in ("random", "gather", "matmul") or (x.kind == "map" and costly(x)):
                return True
            for a in x.inputs:
                y = a.value
                if y in w.members and y.kind != "reduce" and w.level(group.place[y]) == "col":
                    stack.append(y)
        return False

    for v, t in sorted(todo, key=lambda p: -p[1]):
        if v.kind == "reduce":
            for a in v.inputs:
                visit(a.value, t)
        elif w.level(group.place[v]) == "col":
            for a in v.inputs:
                visit(a.value, t)
    for kept in plan.values():
        kept.sort(key=lambda v: v.id)
    return plan


# -- reductions to one element ------------------------------------------------------------------


def _partial(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are chunks of the row-major sequence; each leaves one value per reduction."""
    nest = w.nest
    everything = tuple(range(len(w.group.domain)))
    total = w.size(nest.classes(nest.axes))
    before: list[str] = []
    finals: list[str] = []
    w.loop = []
    flat = not nest.rows
    for v in w.group.values:
        if v.kind != "partial":
            continue
        access = v.inputs[0]
        suffix = access.value.dtype.suffix
        run = direct_flat(w, access, everything) if flat else None
        if run is None:
            name = w.fresh(f"{v.op}_chunk")
            size = access.value.dtype.itemsize
            if not w.scratch:
                w.top.append("room = 0")
            w.top.append(f"{name} = {w.function(f'view_{suffix}')}(scratch, room)")
            w.top.append(f"room = room + {CHUNK * size}")
            w.scratch.append(((), CHUNK * size))
            w.loop.append(
                f"{name}[{'j - base' if flat else 'first + j'}] = {w.read(access, everything)}"
            )
            run = name
        out = w.param(("own", v.id), f"{v.op}_part", v.dtype.suffix + "*", ("own", v))
        fn = w.over_run(f"{v.op}_chunk_{suffix}")
        finals.append(f"{out}[u] = {fn}({run}, end - base)")
    for v in w.stored:
        if v.kind != "partial":
            w.store(v, w.group.place[v])
    before += [f"base = u * {CHUNK}", f"end = min(base + {CHUNK}, {total})"]
    if flat:
        inner = ["for j in range(base, end):", *indent(w.loop)] if w.loop else []
    else:
        n = w.size(nest.classes(nest.cols))
        column_name = nest.variables[nest.cols[0]]
        piece = [
            f"line = position // {n}",
            f"start = position - line * {n}",
            f"stop = min({n}, start + end - position)",
            "first = position - base - start",
            *decompose(w, "line"),
            *w.row,
            f"for {column_name} in range(start, stop):",
            *indent(w.loop),
            "position = position + stop - start",
        ]
        inner = ["position = base", "while position < end:", *indent(piece)]
    body = ["for u in range(lo, hi):", *indent([*before, *inner, *finals])]
    classes = nest.classes(nest.axes)
    return body, ("chunks", classes), ("fixed", CHUNK)


def direct_flat(w: Writer, access: Access, everything: tuple[int, ...]) -> str | None:
    """A chunk that lies contiguously in memory."""
    source = access.value
    if source in w.members or w.nest.inline(source) or source.kind in ("const", "scalar"):
        return None
    terms = w.nest.address(access, everything)
    if len(terms.parts) != 1 or terms.parts[0].stride is not None or terms.parts[0].sizes:
        return None
    return f"{w.function('at')}({w.pointer(access)}, base)"


# -- reductions of leading axes -----------------------------------------------------------------


def _column(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are blocks of columns; rows in chunks, chunks combined pairwise by index."""
    nest, group = w.nest, w.group
    everything = tuple(range(len(group.domain)))
    reduces = [v for v in group.values if v.kind == "reduce"]
    n_rows = w.size(nest.classes(nest.rows))
    n_cols = w.size(nest.classes(nest.cols))
    w.loop = []
    clear: list[str] = []
    stacks: list[tuple[str, str]] = []
    close: list[str] = []
    for v in reduces:
        suffix = v.dtype.suffix
        size = v.dtype.itemsize
        acc = w.fresh(f"{v.op}_acc")
        if not w.scratch:
            w.top.append("room = 0")
        w.top.append(f"{acc} = {w.function(f'view_{suffix}')}(scratch, room)")
        w.top.append(f"room = room + {BLOCK * size * LEVELS}")
        w.scratch.append(((), BLOCK * size * LEVELS))
        operand = w.read(v.inputs[0], everything)
        if v.inputs[0].value.dtype is not v.dtype:
            operand = f"{w.function(f'cast_{suffix}')}({operand})"
        start = w.constant(identity(v), v.dtype)
        clear.append(f"{acc}[k] = {start}")
        w.loop.append(f"{acc}[j - first] = {merge(w, v, f'{acc}[j - first]', operand)}")
        at = f"{acc}[level * {BLOCK} + k]"
        stacks.append((acc, merge(w, v, at, f"{acc}[k]")))
        out = w.param(("own", v.id), "out", suffix + "*", ("own", v))
        close.append(f"{out}[first + k] = {acc}[k]")
    for v in w.stored:
        if v.kind != "reduce":
            w.store(v, group.place[v])
    body = column_body(w, n_rows, n_cols, clear, stacks, close)
    units = ("blocks", nest.classes(nest.cols))
    return body, units, ("rows", nest.classes(nest.rows), BLOCK)


def column_body(
    w: Writer,
    n_rows: str,
    n_cols: str,
    clear: list[str],
    stacks: list[tuple[str, str]],
    close: list[str],
) -> list[str]:
    """Loops of a column reduction. Level 0 of each stack is the running chunk."""
    merged = [f"{acc}[k] = {text}" for acc, text in stacks]
    kept = [f"{acc}[level * {BLOCK} + k] = {acc}[k]" for acc, _ in stacks]
    lowest = [f"{acc}[k] = {acc}[level * {BLOCK} + k]" for acc, _ in stacks]
    chunk = [
        "for k in range(width):",
        *indent(clear),
        f"for line in range(begin, min(begin + {ROWS}, {n_rows})):",
        *indent([*decompose(w, "line"), *w.row, "for j in range(first, first + width):"]),
        *indent([*split_column(w), *(w.loop or [])], 2),
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
        f"first = u * {BLOCK}",
        f"width = min({BLOCK}, {n_cols} - first)",
        "count = 0",
        f"for begin in range(0, {n_rows}, {ROWS}):",
        *indent(chunk),
        "level = 1",
        "bits = count",
        "if count == 0:",
        *indent(["for k in range(width):", *indent(clear)]),
        "else:",
        *indent(finish_stack),
        "for k in range(width):",
        *indent(close),
    ]
    return ["for u in range(lo, hi):", *indent(unit)]


def split_column(w: Writer) -> list[str]:
    """Column variables from the flat column j, where the columns are several axes."""
    cols = w.nest.cols
    out = []
    flat = "j"
    for k in range(len(cols) - 1, 0, -1):
        n = w.size(w.nest.classes([cols[k]]))
        name = w.nest.variables[cols[k]]
        out += [f"p{k} = {flat} // {n}", f"{name} = {flat} - p{k} * {n}"]
        flat = f"p{k}"
    if len(cols) > 1:
        out.append(f"{w.nest.variables[cols[0]]} = {flat}")
    return out


def identity(v: Value) -> object:
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


# -- products of matrices -----------------------------------------------------------------------


def _matmul(w: Writer) -> tuple[list[str], Spec, Spec]:
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
    offsets = {left: f"first * {row_step}", right: ""}
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
        for x, p in ((a, left), (b, right)):
            step = f"{name} * {w.stride(x, i, p)}"
            offsets[p] = f"{offsets[p]} + {step}" if offsets[p] else step
    epilogue = [x for x in w.stored if x is not v]
    if v in w.stored:
        out = w.param(("own", v.id), "out", suffix + "*", ("own", v))
        lines.append(f"panel = {w.function('at')}({out}, (batch * {m} + first) * {n})")
    else:
        w.top.append(f"panel = {w.function(f'view_{suffix}')}(scratch, 0)")
        w.scratch.append((("panel", v), v.dtype.itemsize))  # type: ignore[arg-type]
    fn = w.function(f"gemm_{suffix}")
    zero = w.constant(0, v.dtype)
    at = w.function("at")
    right_at = f"{at}({right}, {offsets[right]})" if offsets[right] else right
    lines.append(
        f"{fn}({ta}, {tb}, high, {n}, {k}, {at}({left}, {offsets[left]}), {lda}, "
        f"{right_at}, {ldb}, {zero}, panel, {n})"
    )
    if epilogue:
        lines += epilogue_lines(w, v, epilogue, m, n)
    body = ["for u in range(lo, hi):", *indent(lines)]
    return body, ("panels", v), ("panel", v)


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
    rows = decompose(w, f"batch * {m} + first + line") if has_rows else []
    if has_rows and not rows:
        rows = [f"r = batch * {m} + first + line"]
    inner = [*rows, *w.row]
    if has_cols:
        inner += [f"for {column_name} in range({n}):", *indent(w.loop)]
    return ["for line in range(high):", *indent(inner)]


_SHAPES = {
    "scalar": _scalar,
    "flat": _flat,
    "rows": _rows,
    "partial": _partial,
    "column": _column,
    "matmul": _matmul,
}

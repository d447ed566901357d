"""Kernels that reduce everything to one element: a value per chunk, combined by a later step.

Entry: `partials`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import CHUNK, Filled, Writer
from jitgrad.compiler.values import Access


def partials(w: Writer) -> tuple[list[str], Spec, Spec]:
    """Units are chunks of the row-major sequence; each leaves one value per reduction."""
    nest = w.nest
    everything = tuple(range(len(w.group.domain)))
    total = w.size(nest.classes(nest.axes))
    before: list[str] = []
    finals: list[str] = []
    w.loop = []
    flat = not nest.rows
    w.filled = Filled("base", "end", "j - base", CHUNK)
    if not flat:
        column = nest.variables[nest.cols[0]]
        ends = ("position", "position + stop - start")
        w.filled = Filled(*ends, f"{column} - start", CHUNK)
    for v in w.group.values:
        if v.kind != "partial":
            continue
        access = v.inputs[0]
        suffix = access.value.dtype.suffix
        run = direct_flat(w, access, everything) if flat else None
        if run is None:
            name = w.scratch_run(f"{v.op}_chunk", suffix, CHUNK)
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
        inner = [*w.row, "for j in range(base, end):", *indent(w.loop)] if w.loop else []
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

"""A group becomes a Kernel: the loops its kind needs around the expressions of `source.Writer`.

Entry: `write(group, stored, inline) -> Kernel`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler import columns, partials, products, routines, rows
from jitgrad.compiler.cuts import cut
from jitgrad.compiler.groups import Group
from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.loops import indent
from jitgrad.compiler.source import RUN, Filled, Writer
from jitgrad.compiler.text import assemble, kernel_name
from jitgrad.compiler.values import Value


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
        serial or w.group.kind == "combine",
        w.checks,
        w.operations(),
        product,
        (product.inputs[0], -1) if product is not None else None,
    )


def _scalar(w: Writer) -> tuple[list[str], Spec, Spec]:
    for v in w.stored:
        w.store(v, ())
    return [], ("size", ()), ("size", ())


def _flat(w: Writer) -> tuple[list[str], Spec, Spec]:
    """One merged axis: the range is over elements; run by run where it takes several loops."""
    w.filled = Filled("base", "end", "j - base", RUN)
    if all(v.store is None for v in w.group.values):  # stores into one buffer keep their order
        cut(w)
    bodies: list[list[str]] = []

    def loop(w: Writer, body: list[str]) -> list[str]:
        bodies.append(body)
        return ["for j in range(base, end):", *indent(body)]

    rows.stages(w, rows.reduce_row, loop)
    if len(bodies) == 1 and not w.draws:
        body = ["for j in range(lo, hi):", *indent(bodies[0])]
    else:
        run = [f"end = min(base + {RUN}, hi)", *w.row]
        body = [f"for base in range(lo, hi, {RUN}):", *indent(run)]
    return body, ("size", w.nest.classes(w.nest.axes)), ("size", ())


_SHAPES = {
    "scalar": _scalar,
    "flat": _flat,
    "rows": rows.rows,
    "partial": partials.partials,
    "column": columns.columns,
    "combine": columns.combines,
    "matmul": products.products,
}

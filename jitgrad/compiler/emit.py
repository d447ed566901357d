"""A group becomes a Kernel: the loops its kind needs around the expressions of `source.Writer`.

Entry: `write(group, stored, inline) -> Kernel`. Imports: compiler.
"""

from __future__ import annotations

import hashlib

from jitgrad.compiler import columns, partials, products, routines, rows
from jitgrad.compiler.cuts import cut
from jitgrad.compiler.groups import Group
from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.loops import indent
from jitgrad.compiler.names import module_of
from jitgrad.compiler.source import RUN, TAB, Filled, Writer
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


def assemble(
    functions: set[str],
    runs: set[str],
    constants: dict[tuple[str, str], str],
    params: list[tuple[str, str]],
    body: list[str],
) -> tuple[str, list[tuple[str, str]]]:
    """Source text of a module; the function is called KERNEL."""
    lines = ["import numpy as np", "", *imports(functions)]
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


def imports(functions: set[str]) -> list[str]:
    """Lines that import functions of kernels/."""
    modules: dict[str, list[str]] = {}
    for fn in sorted(functions):
        modules.setdefault(module_of(fn), []).append(fn)
    return [
        f"from jitgrad.kernels.{module} import {', '.join(names)}"
        for module, names in sorted(modules.items())
    ]


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

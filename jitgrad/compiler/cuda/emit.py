"""A group becomes a DeviceKernel: the loops its kind needs around the elements of `DeviceWriter`.

Entry: `CUDA`, the Target; `write(group, stored, inline) -> DeviceKernel`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.cuda import chunks, columns, elements, routines, rows
from jitgrad.compiler.cuda.kernel import DeviceKernel
from jitgrad.compiler.cuda.text import assemble
from jitgrad.compiler.cuda.writer import DeviceWriter
from jitgrad.compiler.groups import Group
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.schedule import Target
from jitgrad.compiler.text import kernel_name
from jitgrad.compiler.values import Value

_UNITS = ("units", "i64")
_EXTRA = {
    "elements": (_UNITS,),
    "rows": (_UNITS, ("team", "i64")),
    "chunks": (_UNITS,),
    "single": (),
}


def write(group: Group, stored: set[Value], inline: set[Value]) -> DeviceKernel:
    """The kernel of a group; `stored` are the values other kernels or the user read."""
    if group.kind == "routine":
        return routines.routine(group.values[0])
    if group.kind == "matmul":
        (product,) = group.values
        floats = product.dtype.kind == "f"
        return routines.product(product) if floats else routines.integer_product(product)
    w, kernel = _written(DeviceWriter(group, stored, inline, True))
    if w.wide and not w.pays:
        _, kernel = _written(DeviceWriter(group, stored, inline, False))
    return kernel


def _kind(group: Group) -> str:
    if group.kind in ("map", "row") and not group.domain:
        return "single"
    return {"map": "elements", "row": "rows", "partial": "chunks", "column": "columns"}[group.kind]


def _written(w: DeviceWriter) -> tuple[DeviceWriter, DeviceKernel]:
    """The kernel, and what its writing found."""
    kind = _kind(w.group)
    finish: list[str] = []
    results: dict[str, str] = {}
    if kind == "columns":
        body, finish, made, units, unit_size = columns.columns(w)
        extra, results = tuple(made.extra), made.results
    else:
        body, units, unit_size = _LOOPS[kind](w)
        extra = _EXTRA[kind]
    if w.scratch:
        extra = (*extra, ("scratch", "u8*"), ("per_team", "i64"))
    if w.wide:
        w.constants["count", str(w.count)] = "WIDE"
    body = [*w.top, *body]
    text = assemble(w.functions, w.constants, w.params, extra, body, finish)
    name = kernel_name(w.group.values, text, w.params)
    single = kind == "single"
    kernel = DeviceKernel(
        name, text.replace("KERNEL", name), tuple(w.params), tuple(w.specs), units, unit_size,
        w.scratch, single, single, w.checks, w.operations(), launch=kind,
        wide=w.count if w.wide else 1, extra=extra, results=results,
    )  # fmt: skip
    return w, kernel


def _single(w: DeviceWriter) -> tuple[list[str], Spec, Spec]:
    """A few numbers: one block computes, its first thread writes."""
    for v in w.stored:
        w.store(v, ())
    return [], ("size", ()), ("size", ())


_LOOPS = {
    "single": _single,
    "elements": elements.elements,
    "rows": rows.rows,
    "chunks": chunks.chunks,
}

CUDA = Target(write, epilogues=False)

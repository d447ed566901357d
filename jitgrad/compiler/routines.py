"""Kernels around a hand-written routine over row-major operands: scans, sorts, scatters.

Entry: `write(value) -> Kernel`. Each routine is a function of `ROUTINES` that answers with the
body, the work range and the elements per unit. Imports: compiler.
"""

from __future__ import annotations

from collections.abc import Callable

from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.loops import indent
from jitgrad.compiler.names import literal
from jitgrad.compiler.source import TAB
from jitgrad.compiler.text import assemble, kernel_name
from jitgrad.compiler.values import ONE, Access, Value

PIECE = 64  # columns of a table that a thread puts rows into


class Routine:
    """Parameters and functions of one routine while its body is put together."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self.params: list[tuple[str, str]] = []
        self.specs: list[Spec] = []
        self.functions: set[str] = set()
        self.scratch: list[tuple[Spec, int]] = []
        self.checks: list[int] = []
        for k, access in enumerate(value.inputs):
            if access.value.kind != "const":
                self.add(f"x{k}", access.value.dtype.suffix + "*", ("memory", access))
        self.add("out", value.dtype.suffix + "*", ("own", value))

    def add(self, name: str, kind: str, spec: Spec) -> str:
        """A parameter; adding it again is harmless."""
        if (name, kind) not in self.params:
            self.params.append((name, kind))
            self.specs.append(spec)
        return name

    def element(self, k: int, index: str) -> str:
        """Source of an element of operand k, which may be one number everywhere."""
        source = self.value.inputs[k].value
        if source.kind == "const":
            return literal(source.attrs[0], source.dtype)
        return f"x{k}[{index}]"

    def call(self, name: str) -> str:
        """A kernel function."""
        self.functions.add(name)
        return name

    def extent(self, access: Access, axis: int, name: str) -> str:
        """The size of one axis of an operand."""
        return self.add(name, "i64", ("extent", access, axis))

    def product(self, access: Access, axes: range, stem: str) -> str:
        """Source of the product of some sizes."""
        names = [self.extent(access, a, f"{stem}{a}") for a in axes]
        return " * ".join(names) or "1"

    def check(self, index: str, size: str) -> list[str]:
        """Lines that leave the kernel when `index` is outside [0, size)."""
        self.call("fail")
        self.checks.append(self.value.source)
        number = len(self.checks) - 1
        return [f"if {index} < 0 or {index} >= {size}:",
                f"{TAB}return fail(error, {number}, {index})"]  # fmt: skip


def _lines(r: Routine, access: Access, axis: int) -> list[str]:
    """Per unit u: `base` of a line along `axis`, its length n and step."""
    rank = len(access.dims)
    n = r.extent(access, axis, "n")
    inner = r.product(access, range(axis + 1, rank), "d")
    return [f"step = {inner}", "outer = u // step", f"base = outer * {n} * step + u - outer * step"]


def _others(access: Access, axis: int) -> Spec:
    return ("extents", access, tuple(a for a in range(len(access.dims)) if a != axis))


def _scan(r: Routine) -> tuple[list[str], Spec, Spec]:
    x, axis = r.value.inputs[0], r.value.attrs[0]
    fn = r.call(f"{r.value.op}_{r.value.dtype.suffix}")
    at = r.call("at")
    body = [*_lines(r, x, axis), f"{fn}({at}(x0, base), n, step, {at}(out, base), step)"]
    return body, _others(x, axis), ("extents", x, (axis,))


def _argsort(r: Routine) -> tuple[list[str], Spec, Spec]:
    x = r.value.inputs[0]
    axis, descending = r.value.attrs
    suffix, size = x.value.dtype.suffix, x.value.dtype.itemsize
    view, index_view = r.call(f"view_{suffix}"), r.call("view_i64")
    r.scratch += [(("extent", x, axis), 2 * size + 16), (("fixed", 1), 256)]
    body = [
        *_lines(r, x, axis),
        f"room = (n * {size} + 63) // 64 * 64",
        "index_room = (n * 8 + 63) // 64 * 64",
        f"keys = {view}(scratch, 0)",
        f"spare = {view}(scratch, room)",
        f"index = {index_view}(scratch, 2 * room)",
        f"spare_index = {index_view}(scratch, 2 * room + index_room)",
        "for k in range(n):",
        f"{TAB}keys[k] = x0[base + k * step]",
        f"{r.call('fill_index')}(index, n)",
        f"{r.call('sort_' + suffix)}(keys, index, spare, spare_index, n, {bool(descending)})",
        "for k in range(n):",
        f"{TAB}out[base + k * step] = index[k]",
    ]
    return body, _others(x, axis), ("extents", x, (axis,))


def _scatter_add(r: Routine) -> tuple[list[str], Spec, Spec]:
    """A unit is one line of x along the axis; additions in the order of index."""
    x, index, src = r.value.inputs
    axis = r.value.attrs[0]
    rank = len(x.dims)
    n = r.extent(x, axis, "n")
    body = [*_lines(r, x, axis)]
    body += ["for k in range(n):", f"{TAB}out[base + k * step] = x0[base + k * step]"]
    left = "u"
    inside = []
    places = {}
    for a in range(rank - 1, -1, -1):
        if a == axis:
            continue
        size = r.extent(x, a, f"d{a}")
        body += [f"q{a} = {left} // {size}", f"c{a} = {left} - q{a} * {size}"]
        left = f"q{a}"
        places[a] = f"c{a}"
        inside.append(f"c{a} < {r.extent(index, a, f'i{a}')}")
    starts = {}
    for access, stem in ((index, "i"), (src, "s")):
        terms = []
        for a in places:
            inner = r.product(access, range(a + 1, rank), stem)
            terms.append(f"{places[a]} * ({inner})")
        starts[stem] = " + ".join(terms) or "0"
        body.append(f"{stem}_at = {starts[stem]}")
        body.append(f"{stem}_step = {r.product(access, range(axis + 1, rank), stem)}")
    m = r.extent(index, axis, f"i{axis}")
    cast = r.call(f"cast_{r.value.dtype.suffix}")
    if r.value.dtype.kind == "b":
        added = "bool(out[place] | x2[s_at + k * s_step])"
    else:
        added = f"{cast}(out[place] + x2[s_at + k * s_step])"
    loop = [
        f"for k in range({m}):",
        *indent(["to = x1[i_at + k * i_step]", *r.check("to", n), "place = base + to * step",
                 f"out[place] = {added}"]),
    ]  # fmt: skip
    body += [f"if {' and '.join(inside)}:", *indent(loop)] if inside else loop
    return body, _others(x, axis), ("extents", x, (axis,))


def _put_add(r: Routine) -> tuple[list[str], Spec, Spec]:
    """A unit is a piece of the columns; rows are added in the order of index."""
    index = r.value.inputs[1]
    x = Access(r.value, (), r.value.dims)
    n = r.extent(x, 0, "n")
    width = r.product(x, range(1, len(x.dims)), "d")
    count = r.product(index, range(len(index.dims)), "i")
    cast = r.call(f"cast_{r.value.dtype.suffix}")
    body = [
        f"width = {width}",
        f"first = u * {PIECE}",
        f"last = min(first + {PIECE}, width)",
        "for k in range(n):",
        f"{TAB}for j in range(first, last):",
        f"{TAB}{TAB}out[k * width + j] = {r.element(0, 'k * width + j')}",
        f"for k in range({count}):",
        *indent([
            "to = x1[k]", *r.check("to", n),
            "for j in range(first, last):",
            f"{TAB}out[to * width + j] = {cast}(out[to * width + j] + x2[k * width + j])",
        ]),
    ]  # fmt: skip
    columns = ("extents", x, tuple(range(1, len(x.dims))))
    return body, ("pieces", columns, PIECE), ("extents", index, tuple(range(len(index.dims))))


def _put_rows(r: Routine) -> tuple[list[str], Spec, Spec]:
    """As `_put_add`, but a row replaces what was there: the last one wins."""
    body, units, size = _put_add(r)
    body[-1] = f"{TAB}{TAB}out[to * width + j] = x2[k * width + j]"
    return body, units, size


def _linear_scan(r: Routine) -> tuple[list[str], Spec, Spec]:
    """h[t] = a[t] * h[t - 1] + b[t] along the lines of an axis."""
    a, b = r.value.inputs
    axis = r.value.attrs[0]
    body = [
        *_lines(r, b, axis),
        f"h = {r.call('zero_of')}(out)",
        "for k in range(n):",
        f"{TAB}h = x0[base + k * step] * h + x1[base + k * step]",
        f"{TAB}out[base + k * step] = h",
    ]
    return body, _others(b, axis), ("extents", b, (axis,))


ROUTINES: dict[str, Callable[[Routine], tuple[list[str], Spec, Spec]]] = {
    "cumsum": _scan,
    "cumprod": _scan,
    "argsort": _argsort,
    "scatter_add": _scatter_add,
    "put_add": _put_add,
    "put_rows": _put_rows,
    "linear_scan": _linear_scan,
}


def write(value: Value) -> Kernel:
    """The kernel of a routine."""
    r = Routine(value)
    try:
        routine = ROUTINES[value.op]
    except KeyError:
        raise NotImplementedError(f"{value.op}: no kernel for this op") from None
    body, units, unit_size = routine(r)
    lines = ["for u in range(lo, hi):", *indent(body)]
    text, params = assemble(r.functions, set(), {}, r.params, lines)
    name = kernel_name([value], text, params)
    return Kernel(
        name, text.replace("KERNEL", name), tuple(params), tuple(r.specs), units, unit_size,
        r.scratch, False, False, r.checks, operations(value),
    )  # fmt: skip


_OPERATIONS = {"cumsum": 1, "cumprod": 1, "linear_scan": 2}


def operations(value: Value) -> list[tuple[int, tuple[int, ...]]]:
    """(operations, axis classes) terms of a routine that computes with each element."""
    if value.op not in _OPERATIONS:
        return []
    return [(_OPERATIONS[value.op], tuple(c for c in value.dims if c != ONE))]

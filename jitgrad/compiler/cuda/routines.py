"""Kernels around a routine: a thread a unit. Matrix products of floats are library calls.

Entry: `routine`, `product`, `integer_product`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.cuda.kernel import DeviceKernel
from jitgrad.compiler.cuda.text import assemble
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import indent
from jitgrad.compiler.names import NUMPY
from jitgrad.compiler.routines import ROUTINES, Routine, operations
from jitgrad.compiler.source import TAB
from jitgrad.compiler.text import kernel_name
from jitgrad.compiler.values import ONE, Value


class DeviceRoutine(Routine):
    """A routine whose failed checks end the thread, not the kernel."""

    def check(self, index: str, size: str) -> list[str]:
        self.checks.append(self.value.source)
        number = len(self.checks) - 1
        return [
            f"if {index} < 0 or {index} >= {size}:",
            f"{TAB}{self.call('report')}(error, {number}, {index})",
            f"{TAB}return",
        ]


def routine(value: Value) -> DeviceKernel:
    """The kernel of a routine: each thread does units by itself, in the order of the CPU."""
    r = DeviceRoutine(value)
    try:
        write = ROUTINES[value.op]
    except KeyError:
        raise NotImplementedError(f"{value.op}: no kernel for this op") from None
    return wrapped(r, *write(r))


def wrapped(r: Routine, body: list[str], units: Spec, unit_size: Spec) -> DeviceKernel:
    """The kernel whose threads stride over units, each with `body`."""
    lines = [f"for u in {r.call('strides')}(cuda.grid(1), units, cuda.gridsize(1)):", *indent(body)]
    extra = [("units", "i64")]
    if r.scratch:
        extra += [("scratch", "u8*"), ("per_thread", "i64")]
        lines.insert(0, f"scratch = {r.call('at')}(scratch, cuda.grid(1) * per_thread)")
    text = assemble(r.functions, {}, r.params, extra, lines)
    name = kernel_name([r.value], text, r.params)
    return DeviceKernel(
        name, text.replace("KERNEL", name), tuple(r.params), tuple(r.specs), units, unit_size,
        r.scratch, checks=r.checks, flops=operations(r.value), launch="units", extra=tuple(extra),
    )  # fmt: skip


def product(value: Value) -> DeviceKernel:
    """A matrix product of floats: the arguments of a library call, no source."""
    a, b = value.inputs
    suffix = value.dtype.suffix
    params: list[tuple[str, str]] = []
    specs: list[Spec] = []

    def add(name: str, kind: str, spec: Spec) -> None:
        params.append((name, kind))
        specs.append(spec)

    for name, access in (("a", a), ("b", b)):
        add(name, suffix + "*", ("memory", access))
        add(f"{name}_t", "i64", ("flag", access))
        add(f"{name}_ld", "i64", ("leading", access))
        for axis in range(len(access.dims) - 2):
            add(f"{name}_s{axis}", "i64", ("stride", access, axis))
    add("out", suffix + "*", ("own", value))
    for name, access, axis in (("rows", a, -2), ("cols", b, -1), ("depth", a, -1)):
        add(name, "i64", ("extent", access, axis))
    batch = ("size", tuple(c for c in a.dims[:-2] if c != ONE))
    return DeviceKernel(
        f"matmul_{suffix}", "", tuple(params), tuple(specs), batch, ("size", ()),
        product=value, depth=(a, -1), launch="library",
    )  # fmt: skip


def integer_product(value: Value) -> DeviceKernel:
    """A matrix product of integers, which no library multiplies: a thread an element."""
    r = DeviceRoutine(value)
    a, b = value.inputs
    rows, cols = r.extent(a, -2, "rows"), r.extent(b, -1, "cols")
    depth, number = r.extent(a, -1, "depth"), NUMPY[value.dtype.suffix]
    body = [
        f"row = {r.call('over')}(u, {cols})",
        f"left = row * {depth}",
        f"right = {r.call('over')}(row, {rows}) * {depth} * {cols} + u - row * {cols}",
        f"total = {number}(0)",
        f"for k in range({depth}):",
        f"{TAB}total = {number}(total + x0[left + k] * x1[right + k * {cols}])",
        "out[u] = total",
    ]
    units = ("size", tuple(c for c in value.dims if c != ONE))
    kernel = wrapped(r, body, units, ("extent", a, -1))
    kernel.product, kernel.depth = value, (a, -1)
    return kernel

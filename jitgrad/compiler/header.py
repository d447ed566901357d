"""The docstring at the top of a kernel's source: what it computes, for which lines, from what.

It is written when somebody looks (`debug.explain`, `debug.eject`, JITGRAD_DEBUG=4) and is no part
of the kernel: one kernel serves every place whose computation has its form. Entry: `headed`.
Imports: ir, compiler.
"""

from __future__ import annotations

import os
import textwrap
from typing import Any

from jitgrad.compiler.cuda.kernel import DeviceKernel
from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.schedule import Schedule, Step
from jitgrad.compiler.values import ONE, Dims, Value
from jitgrad.ir.node import Node

WIDTH = 96
_SILENT = {"const", "scalar", "buffer", "reshape", "permute", "expand", "slice"}
_WHAT = {
    "chunks": "chunks of a reduction",
    "row chunks": "chunks of 64 rows",
    "blocks": "blocks of 128 columns",
    "lanes": "lanes that rows of a chunk take turns at",
    "tiles": "the tiled product's address, 0 to call OpenBLAS",
    "row_parts": "parts the rows are cut into: one call each",
    "column_parts": "parts the columns are cut into",
    "part": "elements of the largest part",
    "operand": "elements of the right operand's largest part",
    "leading": "step between rows of the matrix",
    "flag": "1 if the matrix is read transposed",
}


def headed(schedule: Schedule, step: Step, nodes: list[Node]) -> str:
    """The source of a step's kernel under its docstring; sizes and lines are those of `nodes`."""
    kernel = step.kernels[0]
    about = _Header(schedule, nodes)
    ops = [nodes[i].op.name for i in step.sources[0] if nodes[i].op.name not in _SILENT]
    lines = [
        *_wrapped(f"{kernel.name}: {', '.join(ops) or 'copy'}.", ""),
        "",
        *_wrapped("Serves " + ", ".join(_lines(step, nodes)) + ".", ""),
    ]
    if len(step.kernels) > 1:
        lines.append(f"Runs over {len(step.kernels)} segments; this is the first.")
    lines += ["", "Parameters, with the sizes of this run (the code serves any):"]
    for (name, kind, *_), spec in zip(kernel.params, kernel.specs, strict=True):
        lines += _wrapped(f"{name}: {about.parameter(kind, spec)}", "    ")
    if isinstance(kernel, DeviceKernel):
        lines += _launched(kernel)
        body = kernel.source or "# A library call: there is no source.\n"
    else:
        unit = about.unit(kernel)
        lines += _wrapped(f"lo, hi: the range of work units; a unit is {unit}", "    ")
        lines += ["    error: int64[4], filled when the kernel fails; scratch: bytes of one thread"]
        lines += [
            "",
            "Step through it with JITGRAD_JIT=0, or copy it out with jitgrad.debug.eject.",
        ]
        body = kernel.source
    return "\n".join(['"""' + lines[0], *lines[1:], '"""', "", body])


def _launched(kernel: DeviceKernel) -> list[str]:
    """What the launch of a CUDA kernel adds to its arguments."""
    lines = []
    for name, _ in kernel.extra:
        what = _LAUNCH.get(name) or f"partial results, from which {kernel.finish} makes the whole"
        lines += _wrapped(f"{name}: {what}", "    ")
    return [*lines, "    error: int64[4], filled by the first thread whose check fails"]


def served(step: Step, nodes: list[Node]) -> list[str]:
    """The user's lines whose ops a step computes, in order."""
    sites = [nodes[i].site for sources in step.sources for i in sources]
    return list(dict.fromkeys(map(place, sites)))


def _lines(step: Step, nodes: list[Node]) -> list[str]:
    """The same, one entry a line: `net.py:12 (forward, grad of tanh, mul)`."""
    notes: dict[str, dict[str, None]] = {}
    for sources in step.sources:
        for i in sources:
            file, line, note = nodes[i].site
            notes.setdefault(place((file, line, "")), {})[note] = None
    out = []
    for where, found in notes.items():
        grads = [n.removeprefix("grad of ") for n in found if n.startswith("grad of ")]
        words = [n or "forward" for n in found if not n.startswith("grad of ")]
        if grads:
            words.append("grad of " + ", ".join(grads))
        out.append(where if words == ["forward"] else f"{where} ({', '.join(words)})")
    return out


def place(site: tuple[str, int, str]) -> str:
    """A site as short text."""
    file, line, note = site
    return f"{os.path.basename(file)}:{line}" + (f" ({note})" if note else "")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


_LAUNCH = {
    "units": "how many pieces of work the grid strides over",
    "team": "threads that take a row together: those of a warp, or of the block",
    "scratch": "memory of all teams or threads; null where a team's is shared memory",
    "per_team": "bytes of scratch of a team",
    "per_thread": "bytes of scratch of a thread",
    "span": "rows of a part",
    "width": "threads of a block that stand side by side",
    "parts": "spans that the rows are cut into",
}


class _Header:
    """Words for the arguments of the kernels of one schedule."""

    def __init__(self, schedule: Schedule, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.sizes = {c: nodes[i].shape[axis] for c, (i, axis) in schedule.classes.items()}

    def type(self, value: Value, dims: Dims) -> str:
        """A type as `f32[64,784]`."""
        sizes = ",".join("1" if c == ONE else str(self.sizes[c]) for c in dims)
        return f"{value.dtype.suffix}[{sizes}]"

    def chunks(self, value: Value) -> str:
        """The type of the first half of a reduction: an element or a row for each chunk."""
        sizes = ["chunks", *(str(self.sizes[c]) for c in value.space)]
        return f"{value.dtype.suffix}[{','.join(sizes)}]"

    def result(self, value: Value) -> str:
        """Where a value comes from."""
        node = self.nodes[value.source]
        half = " (first half)" if value.half else ""
        return f"{value.op}{half}, {place(node.site)}"

    def parameter(self, kind: str, spec: Spec) -> str:
        """What one argument is."""
        what = spec[0]
        if what == "memory":
            access = spec[1]
            value = access.value
            if value.kind == "leaf":
                origin = f"input, {place(self.nodes[value.source].site)}"
            else:
                origin = f"result of {self.result(value)}"
            seen = "" if access.dims == value.dims else f", read as {self.type(value, access.dims)}"
            if value.half:
                return f"{origin}, {self.chunks(value)}"
            return f"{origin}, {self.type(value, value.dims)}{seen}"
        if what == "own":
            value = spec[1]
            if value.half:
                return f"result of {self.result(value)}, {self.chunks(value)}"
            where = " (written into its base)" if value.store is not None else ""
            return f"result of {self.result(value)}, {self.type(value, value.dims)}{where}"
        if what == "scalar":
            node = self.nodes[spec[1]]
            number = f"{node.data:.6g}" if isinstance(node.data, float) else str(node.data)
            return f"the number {number}, {place(node.site)}"
        if what == "slot":
            node = self.nodes[spec[1]]
            name = ("shape", "dtype", "seed", "draw number")[spec[2]]
            return f"{name} of {node.op.name}, {place(node.site)}"
        if what == "size":
            return f"size {self.product(spec[1])}"
        if what == "stride":
            return f"stride of axis {spec[2]} of {self.operand(spec[1].value)}"
        if what == "extent":
            access, axis = spec[1], spec[2]
            axis += len(access.dims) if axis < 0 else 0
            size = self.product((access.dims[axis],))
            return f"size {size}: axis {axis} of {self.operand(access.value)}"
        if what in ("leading", "flag"):
            return f"{_WHAT[what]}: {self.operand(spec[1].value)}"
        return _WHAT[what]

    def operand(self, value: Value) -> str:
        """An operand in few words."""
        if value.kind == "leaf":
            return f"the input of {place(self.nodes[value.source].site)}"
        return f"the result of {value.op}"

    def product(self, classes: tuple[Any, ...]) -> str:
        """Sizes multiplied, as text."""
        return " * ".join("1" if c == ONE else str(self.sizes[c]) for c in classes) or "1"

    def unit(self, kernel: Kernel) -> str:
        """What a unit of work is."""
        what = kernel.units[0]
        if what == "size":
            row = kernel.unit_size[1]
            return f"a row of {self.product(row)}" if row else "an element"
        return {
            "chunks": "a chunk of 4096 elements",
            "row chunks": "a chunk of 64 rows",
            "blocks": "a block of 128 columns",
            "pieces": "a piece of 64 columns",
            "parts": "a part of the product",
            "extents": "a line along one axis",
        }.get(what, "an element")

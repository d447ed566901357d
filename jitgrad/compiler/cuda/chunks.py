"""Kernels that reduce everything to one element: a block a chunk, its threads one value together.

Entry: `chunks`. Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.columns import identity, merge
from jitgrad.compiler.cuda.reduce import operand
from jitgrad.compiler.cuda.writer import DeviceWriter, Once
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import CHUNK


def chunks(w: DeviceWriter) -> tuple[list[str], Spec, Spec]:
    """Units are chunks of the row-major sequence; each leaves one value per reduction."""
    nest = w.nest
    w.wide = w.wide and not nest.rows
    w.once = Once(row="j == 0")
    everything = tuple(range(len(w.group.domain)))
    total = w.size(nest.classes(nest.axes))
    w.loop = []
    clear: list[str] = []
    close: list[str] = []
    for v in w.group.values:
        if v.kind != "partial":
            continue
        value = operand(w, v, v.inputs[0], everything)
        acc = w.fresh(f"{v.op}_acc")
        clear.append(f"{acc} = {w.constant(identity(v), v.dtype)}")
        w.loop.append(f"{acc} = {merge(w, v, acc, value)}")
        out = w.param(("own", v.id), f"{v.op}_part", v.dtype.suffix + "*", ("own", v))
        whole = w.fresh(v.op)
        team = w.function(f"team_{v.op}_{v.dtype.suffix}")
        close += [f"{whole} = {team}({acc}, cuda.blockDim.x)",
                  "if cuda.threadIdx.x == 0:", f"    {out}[u] = {whole}"]  # fmt: skip
    for v in w.stored:
        if v.kind != "partial":
            w.store(v, w.group.place[v])
    every = "base + cuda.threadIdx.x", "end", "cuda.blockDim.x"
    if w.wide:
        loop = [
            w.strides("first", "base + WIDE * cuda.threadIdx.x", "end", "WIDE * cuda.blockDim.x"),
            *indent(["left = end - first", *w.columns(w.loop)]),
        ]
    elif not nest.rows:
        loop = [w.strides("j", *every), *indent(w.loop)]
    else:
        n = w.size(nest.classes(nest.cols))
        inner = [f"line = {w.quotient('i', n)}", f"{nest.variables[nest.cols[0]]} = i - line * {n}"]
        inner += [*decompose(w, "line"), *w.row, *w.loop]
        loop = [w.strides("i", *every), *indent(inner)]
    body = [
        w.strides("u", "cuda.blockIdx.x", "units", "cuda.gridDim.x"),
        *indent([f"base = u * {CHUNK}", f"end = min(base + {CHUNK}, {total})"]),
        *indent([*clear, *loop, *close]),
    ]
    return body, ("chunks", nest.classes(nest.axes)), ("fixed", CHUNK)

"""Operands that a matrix product's kernel computes for itself.

A product reads its right operand in parts, to pack them. Where products alone read it and it is a
light expression of one operand of its size (scaled, shifted, converted), their kernels compute
these parts into scratch: it never is in memory as a whole. Each part serves some hundred rows of
the result; of the left operand one would serve few columns, so that is always read. Entry:
`prologues` (which values), `operand` (their lines in the kernel).
Imports: compiler.
"""

from __future__ import annotations

from jitgrad.compiler.again import expression, others
from jitgrad.compiler.fuse import Fusion
from jitgrad.compiler.groups import Group
from jitgrad.compiler.loops import decompose, indent
from jitgrad.compiler.source import Writer, costly
from jitgrad.compiler.values import ONE, Access, Value, memory_of

_PLAIN = {"reshape", "permute"}  # view steps that neither leave out elements nor repeat them


def prologues(fusion: Fusion, stored: set[Value], light: set[Value]) -> set[Value]:
    """Those of `stored`, and values behind them, that products compute; `light` are not stored."""
    written = {memory_of(v) for v in fusion.of if v.store is not None}
    out: set[Value] = set()
    for v in sorted(stored & fusion.of.keys(), key=lambda v: v.id):
        if v.kind != "map" or v.store is not None or v in fusion.outputs:
            continue
        readers = others(v, fusion)
        if not readers or not all(packs(r, v) for r in readers):
            continue
        found = expression(v, fusion, stored, written, light)
        if found is None:
            continue
        behind, large = found
        if len(large) <= 1 and not any(costly(x) for x in behind):
            out |= behind
    return out


def packs(r: Value, v: Value) -> bool:
    """Whether `r` is a product of float32 whose right operand alone is all of the matrix `v`."""
    if r.kind != "matmul" or r.dtype.suffix != "f32" or r.inputs[0].value is v:
        return False
    right = r.inputs[1]
    return (
        len(right.dims) == 2
        and ONE not in right.dims
        and all(name in _PLAIN for name, _, _ in right.moves)
        and v.dims[-1] == right.dims[-2 if turned(right) else -1]
    )


def turned(right: Access) -> bool:
    """Whether the matrix in memory is the operand transposed."""
    return right.tags()[-1] != "u"


def operand(w: Writer, product: Value, depth: str) -> tuple[list[str], str, str]:
    """Lines that compute the columns begin .. end of the right operand, the scratch they fill, row
    after row as the operand would lie in memory, and the length of such a row."""
    right = product.inputs[1]
    v = right.value
    axes = len(v.space)
    place = tuple(range(axes))
    group = Group(w.group.id, "map", v.space, axes - 1, [v], {v: place})
    inner = Writer(group, set(), w.nest.inline_values)
    for shared in ("params", "specs", "spec_names", "functions", "runs", "constants", "names",
                   "taken", "checks", "scratch", "top"):  # fmt: skip
        setattr(inner, shared, getattr(w, shared))
    inner.loop = []
    name = inner.value(v, place)
    w.flops.append((inner.cost, v.space))
    most = w.param(("operand", product.id), "operand_most", "i64", ("operand", product))
    length = f"({most} * {v.dtype.itemsize} + 63) // 64 * 64"
    block = w.room("operand", v.dtype.suffix, length, ("operand", product))
    (column,) = [inner.nest.variables[axis] for axis in inner.nest.cols]
    if turned(right):
        rows, row, columns, step, at = "width", "begin + line", f"range({depth})", depth, column
    else:
        rows, row, columns, step = depth, "line", "range(begin, end)", "width"
        at = f"{column} - begin"
    lines = [
        *decompose(inner, row),
        *inner.row,
        f"for {column} in {columns}:",
        *indent([*inner.loop, f"{block}[line * {step} + {at}] = {name}"]),
    ]
    return [f"for line in range({rows}):", *indent(lines)], block, step

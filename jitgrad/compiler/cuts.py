"""Long loops over columns or elements, cut around the functions that take long.

A processor looks ahead some hundred instructions. In a loop of that length each element waits for
the polynomial of tanh, say, alone; in a loop of its own the polynomials of many elements overlap.
So the function and, where it is long, its argument become stages, whose results stay in scratch.
Entry: `cut(writer)`. Imports: ops, compiler.
"""

from __future__ import annotations

from jitgrad.compiler.names import module_of
from jitgrad.compiler.source import CALL, Writer
from jitgrad.compiler.values import Value
from jitgrad.ir.op import OPS

MOST = 8  # functions in a loop that is cut: each loop takes time to compile
REST = 12  # other operations in a loop from which on a function is cut out of it
ARGUMENT = 5  # operations of an argument from which on it gets a loop too


def cut(w: Writer) -> None:
    """Choose the cuts and number the stages anew."""
    nest = w.nest
    loops: dict[int, list[Value]] = {}
    for v in w.group.values:
        if v.kind == "map" and w.level(w.group.place[v]) == "col":
            loops.setdefault(nest.stage[v], []).append(v)
    for inside in loops.values():
        work = sum(map(operations, inside))
        long = [v for v in inside if is_long(v) and work - operations(v) >= REST]
        for v in long if len(long) <= MOST else ():
            nest.cuts.add(v)
            operand = v.inputs[0].value
            if operand in inside and chain(operand, set(inside)) >= ARGUMENT:
                nest.cuts.add(operand)
    if nest.cuts:
        nest.stage = nest.stages()


def is_long(v: Value) -> bool:
    """Whether the value is a polynomial of one operand."""
    if len(v.inputs) != 1 or v.op not in OPS:
        return False
    dtype = v.inputs[0].value.dtype
    call = CALL.match(OPS[v.op].code_for(dtype))
    return call is not None and module_of(f"{call[1]}_{dtype.suffix}") in ("math", "math64")


def operations(v: Value) -> int:
    """About how many machine operations an elementwise value is."""
    return 16 if is_long(v) else 1


def chain(v: Value, inside: set[Value]) -> int:
    """Operations behind `v` among the values `inside`."""
    seen, stack = {v}, [v]
    while stack:
        for a in stack.pop().inputs:
            if a.value in inside and a.value not in seen:
                seen.add(a.value)
                stack.append(a.value)
    return sum(map(operations, seen))

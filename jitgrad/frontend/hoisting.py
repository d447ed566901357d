"""What is the same at every turn of a Loop is computed once, before it.

Entry: `hoist(body, reads, inputs, given, also)`, `invariant(body, same)`. Imports: ir.
"""

from __future__ import annotations

from collections.abc import Iterable

from jitgrad.ir import site as ir_site
from jitgrad.ir.call import Body
from jitgrad.ir.loop import Read
from jitgrad.ir.node import Node


def invariant(body: Body, same: Iterable[int]) -> set[int]:
    """Positions of what follows from the inputs `same` alone, constants and numbers aside."""
    bound = set(same)
    free: set[int] = set()
    for at, (_, ins, *_) in enumerate(body.steps, body.count):
        if all(i in bound or i in free for i in ins):
            (free if bound.isdisjoint(ins) else bound).add(at)
    return bound.difference(range(body.count))


def hoist(
    body: Body, reads: list[Read], inputs: list[Node], given: list[tuple[int, int]],
    also: Iterable[int] = (),
) -> None:  # fmt: skip
    """Add to `inputs` and `given` what is computed from the inputs that stay the same and read by
    what does not, or at one of the positions `also`; views are left to the turns."""
    same = [at for at, (kind, *_) in enumerate(reads) if kind == "same"]
    fixed = invariant(body, same)
    if not fixed:
        return
    wanted = set(also)
    for at, (_, ins, *_) in enumerate(body.steps, body.count):
        if at not in fixed:
            wanted.update([_computed(body, i) for i in ins if i in fixed])
    known = {at: inputs[i] for at, i in given}
    known |= {at: inputs[read[1]] for at, read in enumerate(reads) if read[0] == "same"}
    for at in sorted(wanted & fixed):
        given.append((at, len(inputs)))
        inputs.append(_node(body, at, known))


def _computed(body: Body, at: int) -> int:
    """The position of what a view at a position looks at."""
    while at >= body.count and body.steps[at - body.count][0].kind == "movement":
        at = body.steps[at - body.count][1][0]
    return at


def _node(body: Body, at: int, known: dict[int, Node]) -> Node:
    """The value at a position as a node outside, over those `known`."""
    file, line, own = ir_site.here()
    stack = [at]
    while stack:
        k = stack[-1]
        op, ins, attrs, shape, dtype, note, data = body.steps[k - body.count]
        missing = [i for i in ins if i not in known]
        if missing:
            stack += missing
            continue
        stack.pop()
        if k not in known:
            operands = tuple([known[i] for i in ins])
            site = (file, line, note or own)
            known[k] = Node(op, operands, attrs, shape, dtype, "cpu", site, data)
    return known[at]

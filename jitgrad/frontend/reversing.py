"""The reverse of one step of a scan, as a Body that is a step itself.

It carries the gradients of what the step carries, and adds up those of what is closed over. Of the
step's values it reads what was kept, one slice a turn: either what its rules read, or what that can
be computed again from (results of costly ops), whichever takes less memory.
Entry: `reverse(step, given) -> Reverse`, `kept(step)`. Imports: stepping, calls.
"""

from __future__ import annotations

import math
from typing import Any

from jitgrad.frontend.calls import gradient_of, hole, through, tracing
from jitgrad.frontend.hoisting import invariant
from jitgrad.frontend.state import local
from jitgrad.frontend.stepping import Step
from jitgrad.frontend.tape import deposit
from jitgrad.ir.apply import const, expand_node
from jitgrad.ir.call import Body
from jitgrad.ir.node import Node

Given = tuple[bool, ...]


class Reverse:
    """Inputs of `body`: gradients of carried values, of results, sums so far, values of the step.

    Attributes:
        carried: (number of the carried value, position of its new gradient, whether that comes from
            the rules: zeros where it does not).
        results: numbers of the results with gradients, counted with what is carried.
        slices: (number of the slice, position of its gradient).
        sums: (number of the leaf, position of the new sum).
        reads: positions in the step of the values read.
    """

    __slots__ = ("body", "carried", "reads", "results", "slices", "sums")
    body: Body
    carried: list[tuple[int, int, bool]]
    results: list[int]
    slices: list[tuple[int, int]]
    sums: list[tuple[int, int]]
    reads: tuple[int, ...]


def reverse(step: Step, given: Given) -> Reverse:
    """The gradients of a step's leaves from those of its outs, of which some are `given`."""
    found = step.gradients.get(given)
    if found is None:
        found = step.gradients[given] = _reversed(step, given)
    return found


def kept(step: Step) -> tuple[int, ...]:
    """Positions of all values that the reverse of a step may read."""
    return reverse(step, tuple([end is not None for end in step.ends])).reads


def _reversed(step: Step, given: Given) -> Reverse:
    state = local.state
    before = state.grad
    with tracing(state, rule=True):
        state.grad = False
        try:
            there = list(given)
            while True:  # what is carried has a gradient at every turn if it has at some
                gs, results = _walked(step, there)
                more = list(there)
                for k in range(step.carried):
                    more[k] |= results[k] is not None and step.ends[k] is not None
                if more == there:
                    break
                there = more
            made = [_body(step, gs, results, places) for places in _places(step)]
        finally:
            state.grad = before
    return min(made, key=lambda one: _room(step, one.reads))


def _walked(step: Step, there: list[bool]) -> tuple[list[Any], list[Any]]:
    """(gradients of the outs, gradients of the leaves): nodes, or None."""
    facts = [step.body.facts[at][:2] for at in step.outs]
    gs = [hole(*fact) if x else None for fact, x in zip(facts, there, strict=True)]
    grads: dict[Any, Any] = {}
    for end, g in zip(step.ends, gs, strict=True):
        if g is not None:
            deposit(grads, end, g)
    found = through(step.edges, grads)
    return gs, [None if leaf is None else found.get(leaf) for leaf in step.leaves]


def _body(step: Step, gs: list[Any], results: list[Any], places: dict[int, int]) -> Reverse:
    """What was found, as a Body."""
    made = Reverse()
    outs: list[Node] = []
    carry: list[Node] = []
    numbers = []
    for k in range(step.carried):
        g, x = gs[k], results[k]
        if g is None and x is None:
            continue
        shape, dtype, _ = step.body.facts[k]
        carry.append(hole(shape, dtype) if g is None else g)
        outs.append(expand_node(const(0, dtype), shape) if x is None else x)
        numbers.append((k, x is not None))
    made.results = [k for k in range(step.carried, len(gs)) if gs[k] is not None]
    sums = [k for k in range(step.given, len(results)) if results[k] is not None]
    slices = [k for k in range(step.carried, step.given) if results[k] is not None]
    so_far = [hole(results[k].shape, results[k].dtype) for k in sums]
    outs += [results[k] for k in slices]
    outs += [total + results[k] for total, k in zip(so_far, sums, strict=True)]
    holes = [*carry, *[gs[k] for k in made.results], *so_far]
    gradient = gradient_of(step.body.name, holes, [*outs], places)
    at: list[Any] = gradient.results
    first, last = len(carry), len(carry) + len(slices)
    made.body, made.reads = gradient.body, gradient.reads
    made.carried = [(k, at[i], led) for i, (k, led) in enumerate(numbers)]
    made.slices = list(zip(slices, at[first:last], strict=True))
    made.sums = list(zip(sums, at[last:], strict=True))
    return made


def _places(step: Step) -> list[dict[int, int]]:
    """Which values of a step may be kept, by id, in two ways: any that are computed; or results of
    costly ops alone, from which the reverse computes the others again."""
    always: dict[int, int] = {}
    computed: dict[int, int] = {}
    costly: dict[int, int] = {}
    fixed: set[int] = set()
    for at, node in enumerate(step.nodes):
        if at < step.body.count or node.op.name == "scalar":
            always[id(node)] = at
        elif all(id(x) in fixed for x in node.inputs):
            fixed.add(id(node))
        elif node.op.kind != "movement":
            computed[id(node)] = at
            if node.op.cost == "keep":
                costly[id(node)] = at
    return [{**always, **computed}, {**always, **costly}]


def _room(step: Step, reads: tuple[int, ...]) -> int:
    """Bytes kept of each turn, but for results, which are kept anyway, and what is always the
    same."""
    free = invariant(step.body, range(step.given, step.given + step.closed))
    free |= {*range(step.body.count), *step.outs[step.carried :]}
    facts = [step.body.facts[at] for at in reads if at not in free]
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype, _ in facts)

"""The Bodies of a composed function: what it does, and what backward through it does, recorded on
stand-ins for its arguments.

Entry: `record(function, args, kwargs, numbers)`; `agree` compares two recordings. Imports: `calls`,
the recorder, the tape, ir.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jitgrad.frontend.calls import Recorded, gradient_of, hole, through, tracing
from jitgrad.frontend.hostscalar import Event, HostFloat, numbered
from jitgrad.frontend.record import Base, wrap
from jitgrad.frontend.state import local
from jitgrad.frontend.tape import Box, Edge, Leaf
from jitgrad.frontend.types import Slot
from jitgrad.ir.call import HOLE, Body
from jitgrad.ir.node import Node, walk

FLOATS = frozenset([float, Slot, HostFloat])  # classes of numbers that may differ from use to use
_DRAWS = frozenset(["uniform", "normal", "random_bits"])


class Function:
    """A function whose uses are to be Calls. `label` is the name its result's history prints; its
    own numbers are Const if it is a `rule`, written as those of ops are.
    """

    __slots__ = ("fn", "label", "rule")

    def __init__(self, fn: Callable[..., Any], label: str, rule: bool) -> None:
        self.fn = fn
        self.label = label
        self.rule = rule


class Steered(Exception):
    """The values of number arguments decide what is recorded."""


def record(
    function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], numbers: list[float]
) -> Recorded | None:
    """Run the function on stand-ins for its Tensor arguments and, if there are `numbers`, for its
    floats, which have these values. None if a use of it is no Call: what it returns is a view of
    an argument, say, or several results with gradients.

    Raises:
        Steered: if the values of numbers were looked at.
    """
    event = Event(lambda: numbers)
    given = iter(numbered(event))
    try:
        made = _recorded(function, args, kwargs, given)
    except Exception:
        if event.looked:
            raise Steered from None
        raise
    if event.looked:
        raise Steered
    event.values = ()
    if made is not None:
        made.recorded_with(numbers)
        bodies = [made.body] if made.gradient is None else [made.body, made.gradient.body]
        if any(type(a) is HostFloat for body in bodies for step in body.steps for a in step[2]):
            raise Steered  # an attribute, which is no slot
    return made


def _recorded(
    function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], given: Iterator[HostFloat]
) -> Recorded | None:
    state = local.state
    holes: list[Node] = []
    leaves: list[Leaf | None] = []
    stand_ins: list[Any] = []

    def stand_in(x: Any) -> Any:
        if not isinstance(x, Base):
            return next(given, x) if type(x) in FLOATS else x
        leaf = None
        if state.grad and x._edge() is not None:
            leaf = Leaf(x._shape, x._dtype, Box())
        holes.append(hole(x._shape, x._dtype))
        leaves.append(leaf)
        stand_ins.append(wrap(holes[-1], leaf))
        return stand_ins[-1]

    with tracing(state, function.rule):
        args = tuple([stand_in(a) for a in args])
        out = function.fn(*args, **{name: stand_in(a) for name, a in kwargs.items()})
        made = Recorded()
        made.single = not isinstance(out, tuple)
        results = [out] if made.single else list(out)
        made.outs, nodes, roots = [], [], []
        for x in results:
            at = next((i for i, other in enumerate(stand_ins) if other is x), None)
            if at is not None:
                made.outs.append(("argument", at))
                continue
            node = x._storage.node if isinstance(x, Base) and x._view is None else None
            if node is None or node.op is HOLE:
                return None
            nodes.append(node)
            made.outs.append(("value", 0))
            if x._track.edge is not None:
                roots.append((node, x._track.edge))
        order = [node for node in walk(nodes) if node.op is not HOLE]
        if len(roots) > 1 or not nodes or any(node.realised for node in order):
            return None
        assert not any(node.op.name in _DRAWS for node in order), "draws are arguments"
        made.body = Body(function.label or function.fn.__name__, holes, order)
        made.places = {id(node): i for i, node in enumerate([*holes, *order])}
        values = iter(nodes)
        made.outs = [(k, made.places[id(next(values))]) if k == "value" else (k, i)
                     for k, i in made.outs]  # fmt: skip
        made.leaves, made.label, made.gradient, made.saved = leaves, function.label, None, ()
        made.frees, made.root, made.edges = False, -1, []
        if roots:
            return _differentiated(made, *roots[0], order)
    return made


def _differentiated(made: Recorded, y: Node, root: Any, order: list[Node]) -> Recorded | None:
    """Add what backward records; None if there is history of some other kind inside."""
    edges = _inside(root, made.leaves)
    if edges is None:
        return None
    made.edges, made.root = edges, made.places[id(y)]
    made.label = root.label = made.label or root.label
    constant = _constants(order)
    saved = {id(x): x for e in edges for x in e.saved if isinstance(x, Node)}
    made.saved = tuple(sorted([made.places[i] for i in saved]))
    made.frees = any(i not in constant for i in saved)
    state = local.state
    state.rule, state.grad, before = True, False, state.grad
    try:
        g = hole(y.shape, y.dtype)
        found = through(edges, {edges[-1]: g})
    finally:
        state.grad = before
    results = [None if leaf is None else found.get(leaf) for leaf in made.leaves]
    made.gradient = gradient_of(made.label, [g], results, made.places)
    made.saved = tuple(sorted({*made.saved, *made.gradient.reads}))
    return made


def agree(a: Recorded, b: Recorded) -> bool:
    """Whether two recordings of a signature differ in numbers that are slots, if in anything."""
    if (a.outs, a.saved, a.root, a.frees) != (b.outs, b.saved, b.root, b.frees):
        return False
    pairs = [(a.body, b.body)]
    if a.gradient is not None and b.gradient is not None:
        pairs.append((a.gradient.body, b.gradient.body))
    attrs = [[_plain(x) for e in r.edges for x in e.attrs] for r in (a, b)]
    return attrs[0] == attrs[1] and all(_steps(x) == _steps(y) for x, y in pairs)


def _steps(body: Body) -> list[Any]:
    return [(*step[:6], _plain(step[6])) for step in body.steps]


def _plain(x: Any) -> Any:
    return HostFloat if type(x) is HostFloat else x


def _inside(root: Any, leaves: list[Leaf | None]) -> list[Edge] | None:
    """The Edges from `root` to the leaves, oldest first."""
    known, found, stack = set(leaves), {root}, [root]
    while stack:
        edge = stack.pop()
        if type(edge) is not Edge:
            return None
        for x in edge.inputs:
            if x is not None and x not in found and x not in known:
                found.add(x)
                stack.append(x)
    return sorted(found, key=lambda edge: edge.seq)


def _constants(order: list[Node]) -> set[int]:
    """The ids of nodes that no argument has a part in."""
    out: set[int] = set()
    for node in order:
        if all(id(x) in out for x in node.inputs) and node.op is not HOLE:
            out.add(id(node))
    return out

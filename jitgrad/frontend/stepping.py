"""One step of a scan, recorded once: its Body and its Edges; see `reversing` for its gradient.

The function runs on stand-ins for what is carried and for one slice of the operands. What it reads
besides (weights) becomes inputs of the Body as well, and so do its random draws, which are new ones
at every step. What it recorded is known again by its form: weights, draws and numbers differ.
Entry: `recorded(...) -> Use`; None if a step is no Call. Imports: calls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.calls import hole, tracing
from jitgrad.frontend.record import wrap
from jitgrad.frontend.state import local
from jitgrad.frontend.storage import snapshot
from jitgrad.frontend.tape import Box, Edge, Leaf, order
from jitgrad.frontend.tree import filled, form, leaves
from jitgrad.frontend.views import numpy_view
from jitgrad.ir.call import HOLE, Body
from jitgrad.ir.node import Node
from jitgrad.ir.op import OPS

KNOWN = 64  # steps remembered
_HINT = "carry what changes from step to step, and choose with where() instead of `if`"
_INSIDE = ""  # the file of what is recorded while tracing
_SCALAR = OPS["scalar"]
_known: OrderedDict[Any, Step] = OrderedDict()


class Step:
    """A step in one form. Inputs of `body`: carried values, slices, what is closed over, draws.

    Attributes:
        leaves: a stand-in Edge for each carried value and slice (None: no gradient), then one for
            each Edge that closed-over Tensors have.
        edges: those recorded inside, oldest first, over `nodes`, which hold no values.
        carried: how many values are carried. `given`: those and the slices. `closed`: how many
            values are closed over.
        outs: positions of the new carried values and of the results.
        ends: their Edges, among `edges` or `leaves`.
        gradients: what `reversing` has found.
    """

    __slots__ = (
        "body", "carried", "closed", "edges", "ends", "given", "gradients", "leaves", "nodes",
        "outs", "places",
    )  # fmt: skip

    def __init__(
        self, body: Body, edges: list[Edge], ends: list[Any], leaves: list[Any], at: dict[int, int],
        counts: tuple[int, int, int], outs: list[int],
    ) -> None:  # fmt: skip
        """`edges` as recorded over nodes whose positions are in `at`."""
        self.body = body
        self.carried, self.given, self.closed = counts
        self.outs = outs
        self.gradients: dict[Any, Any] = {}
        # Nodes over nothing: what was recorded leads to weights, which are not to be kept alive.
        nodes = [hole(shape, dtype) for shape, dtype, _ in body.facts[: body.count]]
        for op, ins, attrs, shape, dtype, note, data in body.steps:
            inputs = tuple([nodes[i] for i in ins])
            nodes.append(Node(op, inputs, attrs, shape, dtype, "cpu", (_INSIDE, 0, note), data))
        self.nodes = nodes
        self.places = {id(node): i for i, node in enumerate(nodes)}
        table = {i: nodes[place] for i, place in at.items()}
        links: dict[Any, Any] = {None: None, **{leaf: leaf for leaf in leaves if leaf is not None}}
        for edge in edges:
            links[edge] = edge.over(tuple([links[x] for x in edge.inputs]), table)
        self.leaves = leaves
        self.edges = [links[edge] for edge in edges]
        self.ends = [links[edge] for edge in ends]


class Use:
    """What one recording found.

    Attributes:
        closed: nodes closed over. `outer`: the Edges they have.
        draws: (generator, node) of each random draw that is used, `drawn` of all, in order.
        numbers: numbers of the body by position.
        result: what the function returned, its Tensors being stand-ins.
    """

    __slots__ = ("closed", "drawn", "draws", "numbers", "outer", "result", "step")
    closed: list[Node]
    drawn: list[tuple[Any, Node]]
    draws: list[tuple[Any, Node]]
    numbers: dict[int, Any]
    outer: list[Any]
    result: tuple[Any, Any]
    step: Step


class Unfit(Exception):
    """The step has history of another kind than ops have."""


class _Reads:
    """What the recorder tells while a step is recorded, in place of a compiled function's capture,
    which is told in turn."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture
        self.eager = local.state.eager if capture is None else capture.eager
        self.draws: list[tuple[Any, Node]] = []
        self.made: dict[int, Node] = {}
        self.own: dict[int, Any] = {}
        self.deferred = False

    def read(self, storage: Any) -> None:
        if self._capture is not None:
            self._capture.read(storage)

    def attribute(self, holder: Any, name: str, label: str) -> None:
        if self._capture is not None:
            self._capture.attribute(holder, name, label)

    def write(self, storage: Any) -> None:
        node = storage.node
        if node is not None and node.op is HOLE:
            self.refuse(
                "an in-place write to what it was given", "write `h = h + x` in place of `h += x`"
            )
        if node is None or not (inside(node) or id(node) in self.made):
            self.refuse("a write to a tensor from outside")

    def external(self, storage: Any, chain: Any, where: Any) -> Node:
        if self._capture is not None:
            return self._capture.external(storage, chain, where)
        return snapshot(numpy_view(storage.external, chain))

    def drew(self, generator: Any, node: Node, number: int) -> None:
        self.draws.append((generator, node))

    def value(self, storage: Any, why: str) -> None:
        self.refuse(f"{why}(), which reads a value,")

    def fail(self, reason: str) -> None:
        if self._capture is not None:
            self._capture.fail(reason)

    def refuse(self, what: str, hint: str = _HINT) -> None:
        raise RuntimeError(
            f"scan: {what} in the function, which is recorded once for all steps; {hint}"
        )

    def grad_box(self, t: Any, read: bool = True) -> Any:
        return self.refuse("the use of .grad")

    def box(self, box: Any, leaf: Any = None, read: bool = True) -> None:
        self.refuse("a backward() to .grad")

    def optimizer(self, optimizer: Any) -> None:
        self.refuse("an optimizer's step")

    def write_external(self, storage: Any, chain: Any, value: Node, where: Any) -> None:
        self.refuse("a write to a NumPy array")


def inside(node: Node) -> bool:
    """Whether `node` was recorded while tracing."""
    return node.site[0] == _INSIDE


def recorded(
    fn: Callable[..., Any], arguments: Any, facts: list[Any], carried: int, wanted: list[bool]
) -> Use | None:
    """Run `fn` on stand-ins, of `facts` (shape, dtype), for the Tensors in its two `arguments`, of
    which the first `carried` are the carry's; gradients are `wanted` of some. None if what it
    records is no Body."""
    state = local.state
    reads = _Reads(state.capture)
    with tracing(state, rule=False):
        state.capture = reads
        start = next(order)
        holes = [hole(*fact) for fact in facts]
        stand_ins = [
            Leaf(shape, dtype, Box()) if want else None
            for (shape, dtype), want in zip(facts, wanted, strict=True)
        ]
        given = [wrap(node, leaf) for node, leaf in zip(holes, stand_ins, strict=True)]
        result = fn(*filled(arguments, given))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError("scan: the function must return a pair (carry, y)")
        tensors = leaves(result)
        outs = [t._pair(state)[0] for t in tensors]
        ends = [t._edge() for t in tensors]
    try:
        return _use(reads, holes, carried, stand_ins, start, result, outs, ends)
    except Unfit:
        return None


def _use(
    reads: _Reads, holes: list[Node], carried: int, stand_ins: list[Any], start: int,
    result: Any, outs: list[Node], ends: list[Any],
) -> Use:  # fmt: skip
    use = Use()
    nodes, use.closed, drawn = _below(outs, holes, reads)
    use.drawn = reads.draws
    use.draws = [(g, node) for g, node in reads.draws if id(node) in drawn]
    edges, use.outer = _tape(ends, stand_ins, start)
    given = [*holes, *use.closed, *[node for _, node in use.draws]]
    body = Body("scan", given, nodes)
    at = {id(node): i for i, node in enumerate([*given, *nodes])}
    use.numbers = {at[id(node)]: node.data for node in nodes if node.op is _SCALAR}
    closed = {edge: Leaf(edge.shape, edge.dtype, Box()) for edge in use.outer}
    for edge in edges:
        edge.inputs = tuple([closed.get(x, x) for x in edge.inputs])
    links = [*stand_ins, *closed.values()]
    ends = [closed.get(x, x) for x in ends]
    positions = [at[id(node)] for node in outs]
    counts = carried, len(holes), len(use.closed)
    key = (body.form(), tuple(_forms(edges, ends, links, at)), tuple(positions), counts)
    step = _known.get(key)
    if step is None:
        step = _known[key] = Step(body, edges, ends, links, at, counts, positions)
        if len(_known) > KNOWN:
            _known.popitem(last=False)
    use.step = step
    use.result = form(result)
    return use


def _below(
    outs: list[Node], holes: list[Node], reads: _Reads
) -> tuple[list[Node], list[Node], set[int]]:
    """What was recorded inside below `outs`, each after its inputs; what it reads from outside;
    ids of the draws among that."""
    drawn = {id(node) for _, node in reads.draws}
    seen = set(map(id, holes))
    nodes: list[Node] = []
    closed: list[Node] = []
    used: set[int] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(outs)]
    while stack:
        node, done = stack.pop()
        if done:
            nodes.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            if id(node) in drawn:
                used.add(id(node))
            elif node.realised or not (inside(node) or node.op.name in ("const", "scalar")):
                closed.append(node)
            elif node.op is HOLE:
                raise RuntimeError("scan: the function uses tensors of another scan's function")
            else:
                stack.append((node, True))
                stack += [(x, False) for x in reversed(node.inputs)]
    return nodes, closed, used


def _tape(ends: list[Any], stand_ins: list[Any], start: int) -> tuple[list[Edge], list[Any]]:
    """The Edges recorded inside, oldest first, and those outside that they lead to."""
    known = {leaf for leaf in stand_ins if leaf is not None}
    found: set[Any] = set()
    stack = [edge for edge in ends if edge is not None]
    while stack:
        edge = stack.pop()
        if edge in found or edge in known or edge.seq < start:
            continue
        if type(edge) is not Edge or edge.hooks:
            raise Unfit
        found.add(edge)
        stack += [x for x in edge.inputs if x is not None]
    edges = sorted(found, key=lambda e: e.seq)
    outer: dict[Any, None] = {}
    for x in [x for e in edges for x in e.inputs] + ends:
        if x is not None and x not in found and x not in known:
            outer[x] = None
    return edges, list(outer)


def _forms(edges: list[Edge], ends: list[Any], links: list[Any], at: dict[int, int]) -> Any:
    """The tape as a key."""
    number: dict[Any, Any] = {x: i for i, x in enumerate([*links, *edges]) if x is not None}
    yield tuple([x is None for x in links])
    for e in edges:
        saved = tuple([at[id(x)] if isinstance(x, Node) else x for x in e.saved])
        inputs = tuple([number.get(x) for x in e.inputs])
        yield (e.label, e.rule, inputs, repr(e.attrs), e.shape, e.dtype, saved, e.frees)
    yield tuple([number.get(x) for x in ends])

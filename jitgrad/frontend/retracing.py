"""The history of a replayed call's results: an Edge whose gradient is a program of its own, or the
very Edges that recording the call would have made.

Entry: `Retrace`, made from a `History` whose values are computed. Imports: the tape, gradients.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.gradprogram import Gradient
from jitgrad.frontend.history import History
from jitgrad.frontend.state import local
from jitgrad.frontend.tape import Edge, Leaf, run
from jitgrad.ir.node import Node, skeleton, walk
from jitgrad.ir.op import OPS
from jitgrad.runtime import switches

_BUFFER = OPS["buffer"]
_SITE = ("<compiled>", 0, "backward")
_SEED, _DRAW = 2, 3  # attributes of a random op
Values = tuple[Node, ...]
Draws = tuple[tuple[int, int], ...]


class Retrace:
    """What the calls share: the graph of saved values and gradients, without its memory.

    A call gives its own `values`, the nodes at the leaves of that graph, its `draws`, and the
    `outer` Edges that its history leads to.

    Attributes:
        leaves: nodes of the recording whose values each call has to give, in that order.
        drawn: the numbers of the random draws, in the order of `draws`.
        order: of a single root, the outer Edge of each contribution to a gradient, by its number.
    """

    def __init__(self, history: History, random: list[Node]) -> None:
        """`random`: the draws of the recording."""
        root = history.roots[0]
        self.label, self.site = root.label, root.site
        self.shape, self.dtype = root.shape, root.dtype
        assert root.shape is not None and root.dtype is not None, "it is no Function's"
        g = Node(_BUFFER, (), (), root.shape, root.dtype, "cpu", _SITE)
        single = len(history.roots) == 1
        self.order, grads = _contributions(history, g) if single else ([], [])
        nodes = walk([*history.saved(), *grads, g])
        table = dict(zip(map(id, nodes), skeleton(nodes), strict=True))
        number = {id(n): i for i, n in enumerate(random)}
        self.leaves = [n for n in nodes if n.realised and n is not g]
        self.drawn = [number[id(n)] for n in nodes if id(n) in number]
        self._random = [table[id(n)] for n in nodes if id(n) in number]
        self._leaves = [table[id(n)] for n in self.leaves]
        self._g, self._grads = table[id(g)], [table[id(n)] for n in grads]
        # The tape itself, over the graph without memory; where it ends, leaves stand for others.
        self._ends = [_end(e) for e in history.outer]
        links: dict[int, Any] = {id(e): x for e, x in zip(history.outer, self._ends, strict=True)}
        self._edges = _over(history.edges, table, links)
        self.roots = [links[id(e)] for e in history.roots]
        self._gradients: dict[tuple[bool, bool], Gradient] = {}  # by the switches

    def forget(self) -> None:
        """Let go of the nodes of the recording."""
        del self.leaves

    def edges(self, values: Values, draws: Draws, outer: tuple[Any, ...]) -> list[Any]:
        """A tape like the one recorded, over the values of a call: all its Edges, roots last."""
        table = self._table(values, draws)
        copied([n for e in self._edges for n in e.held()], table)
        links: dict[int, Any] = {id(e): x for e, x in zip(self._ends, outer, strict=True)}
        return [*_over(self._edges, table, links), *[links[id(e)] for e in self.roots]]

    def gradients(self, values: Values, draws: Draws, g: Node) -> tuple[Node, ...]:
        """Of a single root: the contributions to the gradients of its outer Edges."""
        kernels = switches.switched().kernels
        if kernels in self._gradients:
            return self._gradients[kernels](values, draws, g)
        values = tuple([_twin(n) for n in values])  # no two are one, as other calls may have it
        g = _twin(Gradient.whole(g))
        table = self._table(values, draws)
        table[id(self._g)] = g
        copied(self._grads, table)
        grads = [table[id(n)] for n in self._grads]
        random = [table[id(n)] for n in self._random]
        self._gradients[kernels] = Gradient([*values, g], random, grads, self.label)
        return tuple(grads)

    def _table(self, values: Values, draws: Draws) -> dict[int, Node]:
        """The leaves of the graph: what a call has in their places."""
        table = dict(zip(map(id, self._leaves), values, strict=True))
        for n, (seed, number) in zip(self._random, draws, strict=True):
            attrs = (*n.attrs[:_SEED], seed, number, *n.attrs[_DRAW + 1 :])
            table[id(n)] = Node(n.op, (), attrs, n.shape, n.dtype, n.device, n.site)
        return table


class Replayed(Edge):
    """The history of the one differentiable result of a replayed call.

    Where its gradient is recorded, the Edges that recording the call would have made stand for it;
    once there are any they always do, as other histories may lead through them.
    """

    __slots__ = ("draws", "outer", "root", "trace", "values")
    opens = True
    fixed = False
    trace: Retrace
    values: Values
    draws: Draws
    outer: tuple[Any, ...]
    root: Edge | None

    def backward(self, g: Any, create: bool) -> Any:
        return self.trace.gradients(self.values, self.draws, g)

    def inner(self, recorded: bool) -> Edge:
        """The Edge that stands for this one."""
        if self.root is None:
            if not recorded or self.saved is None:
                return self
            edges = self.trace.edges(self.values, self.draws, self.outer)
            for i, edge in enumerate(edges[:-1], 1):  # in this one's place among all others
                edge.seq = self.seq - 1 + i / len(edges)
            self.root = edges[-1]
            self.values = ()
        self.root.hooks = self.hooks
        return self.root

    def release(self) -> None:
        self.saved = None
        self.values = ()


def replayed(trace: Retrace, values: Values, draws: Draws, outer: tuple[Any, ...]) -> Replayed:
    """The Edge of a call's one differentiable result."""
    inputs = tuple([outer[i] for i in trace.order])
    edge = Replayed(trace.label, None, inputs, (), trace.shape, trace.dtype, trace.site)
    edge.trace, edge.values, edge.draws, edge.outer = trace, values, draws, outer
    edge.root = None
    return edge


def retraced(trace: Retrace, values: Values, draws: Draws, outer: tuple[Any, ...]) -> list[Edge]:
    """The Edges of a call's several differentiable results, which may lead through one another."""
    return trace.edges(values, draws, outer)[-len(trace.roots) :]


def _over(edges: list[Edge], table: dict[int, Node], links: dict[int, Any]) -> list[Edge]:
    """Copies of `edges`, oldest first, over other values; `links` has what they lead to, by id, and
    gets the copies."""
    out = []
    for e in edges:
        inputs = tuple([None if x is None else links[id(x)] for x in e.inputs])
        out.append(e.over(inputs, table))
        links[id(e)] = out[-1]
    return out


def copied(nodes: list[Node], table: dict[int, Node]) -> None:
    """Add copies of all nodes at and below `nodes` to `table`, which has the leaves."""
    for n in walk(nodes):
        if id(n) not in table:
            inputs = tuple([table[id(x)] for x in n.inputs])
            table[id(n)] = Node(n.op, inputs, n.attrs, n.shape, n.dtype, n.device, n.site, n.data)


def _twin(n: Node) -> Node:
    twin = Node(n.op, (), (), n.shape, n.dtype, n.device, n.site, n.data)
    twin.strides, twin.offset = n.strides, n.offset
    return twin


def _end(edge: Any) -> Leaf:
    """Stands for an Edge outside; no gradient is put into it, so it has no box."""
    box: Any = None
    return Leaf(edge.shape, edge.dtype, box)


def _contributions(history: History, g: Node) -> tuple[list[int], list[Node]]:
    """What backward from the one root, with gradient `g`, adds to the gradients of outer Edges, in
    that order: (number of the outer Edge, gradient). They are not added up, as others may come
    between them and the first of them."""
    at = {id(e): i for i, e in enumerate(history.outer)}
    copies: dict[int, Any] = {}
    ends: list[tuple[int, Leaf]] = []
    for e in history.edges:
        inputs: list[Any] = []
        own: list[tuple[int, Leaf]] = []
        for x in e.inputs:
            if x is None or id(x) in copies:
                inputs.append(x and copies[id(x)])
                continue
            inputs.append(_end(x))
            own.append((at[id(x)], inputs[-1]))
        copies[id(e)] = e.over(tuple(inputs), None)
        ends[:0] = own  # backward takes the youngest Edge first
    state = local.state
    eager, state.eager = state.eager, False
    try:
        found = run(
            [(copies[id(history.roots[0])], g)],
            retain=True, create=False, targets=[leaf for _, leaf in ends], accumulate=_nowhere,
        )  # fmt: skip
    finally:
        state.eager = eager
    ends = [(i, leaf) for i, leaf in ends if leaf in found]
    return [i for i, _ in ends], [found[leaf] for _, leaf in ends]


def _nowhere(leaf: Leaf, g: Any, create: bool) -> None:
    raise AssertionError("a leaf that was no target")

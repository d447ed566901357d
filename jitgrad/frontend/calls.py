"""A composed function as a Call: recorded once per signature, from then on one record a use.

The function runs on stand-ins for its arguments; what it recorded becomes a Body, and what backward
records through it another one. The use of it has one Edge, whatever the mode: gradients that an
argument gets from several places inside are added up before they leave it.
Entry: `Recorded` (one signature, made by `bodies`), `Recorded.use`. Imports: the recorder, the
tape, ir.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.record import finished
from jitgrad.frontend.state import State, place
from jitgrad.frontend.tape import Edge, Leaf, deposit, passing
from jitgrad.frontend.types import slot
from jitgrad.ir import site as ir_site
from jitgrad.ir.call import HOLE, Body, Call
from jitgrad.ir.node import Node, walk

_NOWHERE = ("", 0, "")


def hole(shape: Any, dtype: Any) -> Node:
    """A node in the place of one that a Call will be given."""
    return Node(HOLE, (), (), shape, dtype, "cpu", _NOWHERE)


@contextmanager
def tracing(state: State, rule: bool) -> Iterator[None]:
    """Inside, what is recorded belongs to a Body: nothing is computed, drawn or captured."""
    names = ("tracing", "rule", "forced", "capture", "eager", "base", "pending", "limit")
    before = [getattr(state, name) for name in names]
    site = ir_site.swap(_NOWHERE)
    state.tracing, state.rule, state.forced, state.capture = True, rule, True, None
    state.eager, state.base, state.pending = False, None, []
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(state, name, value)
        ir_site.swap(site)


class Gradient:
    """What backward records through a use: a Body over the gradient of the result and some of the
    values of the forward Body (`reads`: their positions). `results` has, for each argument, the
    position of its gradient, or None; `slots` as in `Recorded`.
    """

    __slots__ = ("body", "reads", "results", "slots")

    def __init__(self, body: Body, reads: tuple[int, ...], results: list[int | None]) -> None:
        self.body = body
        self.reads = reads
        self.results = results
        self.slots = _slots(body)


class Recorded:
    """A composed function under one signature.

    `outs` has for each result ("value", its position) or ("argument", which is handed back);
    `single` tells that there is one result, not a tuple. `saved` are the positions of values that
    backward may read; without `gradient` there is nothing to differentiate. `slots` has, by
    position, what its number arguments become; `numbers` are their values when it was recorded,
    None once there may be others (`free`: all may), see `composing`.
    """

    __slots__ = (
        "body", "edges", "free", "frees", "gradient", "label", "leaves", "numbers", "outs",
        "places", "root", "saved", "single", "slots",
    )  # fmt: skip

    body: Body
    edges: list[Edge]  # those recorded inside, oldest first
    free: bool
    frees: bool  # whether a second backward would miss something
    gradient: Gradient | None
    label: str
    leaves: list[Leaf | None]  # of the stand-ins
    numbers: list[Any]
    outs: list[tuple[str, int]]
    places: dict[int, int]  # id of a node recorded inside -> position
    root: int  # position of the result that can be differentiated
    saved: tuple[int, ...]
    single: bool
    slots: list[tuple[int, HostFloat]]

    def takes(self, numbers: list[float]) -> bool:
        """Whether the recording is known to hold for `numbers`."""
        return self.free or all(
            a is None or a == b for a, b in zip(self.numbers, _exact(numbers), strict=True)
        )

    def admit(self, numbers: list[float]) -> None:
        """It has turned out the same for `numbers`: those that differ may have any value."""
        for i, x in enumerate(_exact(numbers)):
            if self.numbers[i] != x:
                self.numbers[i] = None
        self.free = all(x is None for x in self.numbers)

    def recorded_with(self, numbers: list[float]) -> None:
        """It was recorded with these values of its number arguments."""
        self.numbers, self.free = _exact(numbers), not numbers
        self.slots = _slots(self.body)

    def use(self, tensors: list[Any], numbers: list[float], state: State) -> Any:
        """The results of the function for its Tensor and its number arguments, in order."""
        here = None if state.forced else place(state)
        site = ir_site.here() if here is None else here.site
        nodes: list[Node] = []
        edges: list[Any] = []
        depth = 1
        for t in tensors:
            node, history = t._pair(state)
            if node.inputs and t._storage.depth >= depth:
                depth = t._storage.depth + 1
            nodes.append(node)
            edges.append(history)
        call = Call(self.body, tuple(nodes), site)
        if self.slots:
            call.numbers = {at: number.get(numbers) for at, number in self.slots}
        edge: Any = None
        if self.gradient is not None:
            shape, dtype, _ = self.body.facts[self.root]
            edge = CallEdge(self.label, None, tuple(edges), (), shape, dtype, site)
            edge.recorded, edge.numbers, edge.root = self, numbers, None
            if self.saved:
                edge.saved, edge.frees = call, self.frees
                keep(edge, call, self.saved)
            if state.capture is not None:  # which looks at histories Edge by Edge
                edge = edge.inner(True)
        if self.single:
            kind, at = self.outs[0]
            if kind == "argument":
                return tensors[at]
            return finished(state, here, call.part(at), edge, depth)
        out: list[Any] = []
        # All parts before the first is computed, which expands the Call in eager mode.
        parts = [call.part(at) if kind == "value" else None for kind, at in self.outs]
        for part, (_, at) in zip(parts, self.outs, strict=True):
            if part is None:
                out.append(tensors[at])
            else:
                out.append(finished(state, here, part, edge if at == self.root else None, depth))
                here = None
        return tuple(out)


def keep(edge: Edge, call: Call, saved: tuple[int, ...]) -> None:
    """Have the values at the positions `saved`, in order, kept until `edge` is gone or freed."""
    call.edge = weak = ref(edge)
    call.saved = saved
    for at in saved:
        if at >= len(call.inputs):
            break
        node = call.inputs[at]
        if node.inputs:
            if node.keepers is None:
                node.keepers = []
            node.keepers.append(weak)


class CallEdge(Edge):
    """The Edge of one use of a composed function; `saved` is its Call.

    Where its gradient is itself recorded, Edges like those that were recorded inside stand for it,
    and ever after: `root` is the last of them.
    """

    __slots__ = ("numbers", "recorded", "root")
    opens = True
    numbers: list[float]
    recorded: Recorded
    root: Edge | None

    def backward(self, g: Any, create: bool) -> Any:
        gradient: Any = self.recorded.gradient
        inputs = (g, *[self.saved.part(at) for at in gradient.reads])
        call = Call(gradient.body, inputs, ir_site.here())
        if gradient.slots:
            call.numbers = {at: number.get(self.numbers) for at, number in gradient.slots}
        return tuple([None if at is None else call.part(at) for at in gradient.results])

    def inner(self, recorded: bool) -> Edge:
        """The Edge that stands for this one."""
        if self.root is None:
            if not recorded or self.saved is None:
                return self
            edges = self._edges()
            for i, edge in enumerate(edges, 1):  # in this one's place among all others
                edge.seq = self.seq - 1 + i / len(edges)
            self.root = edges[-1]
            if self.saved:
                self.saved.edge, self.saved = None, ()
        self.root.hooks = self.hooks
        return self.root

    def _edges(self) -> list[Edge]:
        """Edges over the values of this use, oldest first: a gate for each argument, where its
        gradients meet before they leave, the last argument's first, then those inside."""
        recorded, call = self.recorded, self.saved
        file, line, _ = self.site
        twins: dict[Any, Any] = {None: None}
        for leaf, outer in reversed(list(zip(recorded.leaves, self.inputs, strict=True))):
            if leaf is not None:
                twins[leaf] = passing(outer, leaf.shape, leaf.dtype)
        for edge in recorded.edges:
            inputs = tuple([twins[x] for x in edge.inputs])
            site = (file, line, edge.site[2])
            attrs = edge.attrs
            if any(type(a) is HostFloat for a in attrs):
                given = self.numbers
                attrs = tuple([slot(a.get(given)) if type(a) is HostFloat else a for a in attrs])
            twin = Edge(edge.label, edge.rule, inputs, attrs, edge.shape, edge.dtype, site)
            twin.frees = edge.frees
            twin.saved = tuple(
                [
                    call.part(recorded.places[id(x)]) if isinstance(x, Node) else x
                    for x in edge.saved
                ]
            )
            for node in twin.saved:
                if isinstance(node, Node) and node.inputs:
                    node.keepers = [*(node.keepers or ()), ref(twin)]
            twins[edge] = twin
        edges = [edge for edge in twins.values() if edge is not None]
        edges[-1].label = self.label
        return edges


def through(edges: list[Any], grads: dict[Any, Any]) -> dict[Any, Any]:
    """Walk backward over `edges`, which are all there are, oldest first, from the gradients that
    some have: the gradients by Edge of those that none of them made."""
    for edge in reversed(edges):
        if edge not in grads:
            continue
        file, line, _ = edge.site
        ir_site.swap((file, line, f"grad of {edge.label}"))
        out = edge.backward(grads.pop(edge), False)
        for into, x in zip(edge.inputs, out if type(out) is tuple else (out,), strict=False):
            if into is not None and x is not None:
                deposit(grads, into, x)
    return grads


def gradient_of(
    label: str, gs: list[Node], results: list[Node | None], places: dict[int, int]
) -> Gradient:
    """`results` as a Body over the gradients `gs` and nodes of the forward Body, by `places`."""
    wanted = [x for x in results if x is not None]
    below = walk(wanted)
    needed = set(map(id, wanted))
    given = set(map(id, gs))
    reads, nodes = [], []
    for node in reversed(below):
        if id(node) not in needed or id(node) in given:
            continue
        if id(node) in places:
            reads.append(node)
        else:
            nodes.append(node)
            needed.update(map(id, node.inputs))
    reads.sort(key=lambda node: places[id(node)])
    nodes.reverse()
    body = Body(f"grad of {label}", [*gs, *reads], nodes)
    place = {id(node): i for i, node in enumerate([*gs, *reads, *nodes])}
    return Gradient(
        body,
        tuple([places[id(node)] for node in reads]),
        [None if x is None else place[id(x)] for x in results],
    )


def _exact(numbers: list[float]) -> list[Any]:
    """The values, not counted as looked at; -0.0 is another one than 0.0."""
    return [float.__float__(x) or repr(float.__float__(x)) for x in numbers]


def _slots(body: Body) -> list[tuple[int, HostFloat]]:
    """The numbers of a Body that follow from arguments, by position."""
    steps = enumerate(body.steps, body.count)
    return [(at, step[6]) for at, step in steps if type(step[6]) is HostFloat]

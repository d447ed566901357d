"""`Call`: a graph recorded once (its `Body`) applied to inputs, of which it makes one record.

A result of a Call is a node of op "part". Whoever walks the graph finds the plain nodes that it
stands for: `walk` expands a Call before it goes below one of its parts. Only what never looks
inside (recording, differentiating, finding a known plan) gets by without expanding; so a Call
changes how long things take and nothing else.
Entry: `Body`, `Call`, `meant`. Imports: ir only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import ref

from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import Op
from jitgrad.ir.site import Site


def _unexpanded(*_: Any) -> Any:
    raise AssertionError("a Call is expanded before anything in it is computed")


def _part() -> None:
    """A result of a Call, which is its first attribute; the other is the position in its Body."""


def _hole() -> None:
    """An input of a Body, in the place of what a Call will be given."""


_OPTIONS = {"numpy": _unexpanded, "shape": _unexpanded, "promote": _unexpanded, "gradient": None}
PART = Op("call", _part, {"name": "part", **_OPTIONS})
HOLE = Op("source", _hole, {"name": "hole", **_OPTIONS})

# One node of a Body: op, positions of its inputs, attrs, shape, dtype, note of its site, data.
Step = tuple[Op, tuple[int, ...], tuple[Any, ...], Shape, Any, str, Any]


class Body:
    """A recorded graph. Positions count its inputs first, then its nodes, each after what it needs.

    `name` is the function's, `facts` has (shape, dtype, op) at each position.
    """

    __slots__ = ("count", "facts", "name", "steps")

    def __init__(self, name: str, holes: list[Node], nodes: Iterable[Node]) -> None:
        """`holes` stand for the inputs; `nodes` are in recorded order, and none of the holes."""
        at = {id(hole): i for i, hole in enumerate(holes)}
        self.name = name
        self.count = len(holes)
        self.facts = [(hole.shape, hole.dtype, hole.op) for hole in holes]
        self.steps: list[Step] = []
        for node in nodes:
            ins = tuple([at[id(x)] for x in node.inputs])
            at[id(node)] = self.count + len(self.steps)
            note = node.site[2]
            step = (node.op, ins, node.attrs, node.shape, node.dtype, note, node.data)
            self.steps.append(step)
            self.facts.append((node.shape, node.dtype, node.op))

    def form(self) -> Any:
        """What two Bodies share that differ in numbers alone, as a key."""
        steps = [
            (op, ins, repr(attrs) if op.name == "const" else attrs, shape, dtype, note)
            for op, ins, attrs, shape, dtype, note, _ in self.steps
        ]
        return (tuple([fact[:2] for fact in self.facts[: self.count]]), tuple(steps))


class Call:
    """One application of a Body.

    `numbers` has the data of its scalars that differ from call to call: position -> number. `edge`
    refers weakly to the Edge that saved values, `saved` has their positions; when the Call is
    expanded, `values` gets those nodes, and the list `seen` of who looks at the graph gets all.
    """

    __slots__ = ("body", "edge", "inputs", "numbers", "parts", "saved", "seen", "site", "values")

    def __init__(self, body: Body, inputs: tuple[Node, ...], site: Site) -> None:
        self.body = body
        self.inputs = inputs
        self.site = site
        self.parts: dict[int, Any] = {}  # position -> weak reference to the node that stands for it
        self.numbers: dict[int, Any] = {}
        self.edge: Any = None
        self.saved: tuple[int, ...] = ()
        self.values: dict[int, Node] | None = None
        self.seen: list[Node] | None = None

    def part(self, at: int) -> Node:
        """The node that stands for the value at a position."""
        if self.values is not None:
            return self.values[at]
        if at < self.body.count:
            return self.inputs[at]
        weak = self.parts.get(at)
        node = None if weak is None else weak()
        if node is None:
            shape, dtype, _ = self.body.facts[at]
            node = Node(PART, self.inputs, (self, at), shape, dtype, "cpu", self.site)
            self.parts[at] = ref(node)
        return node

    @property
    def needed(self) -> bool:
        """Whether backward will read what was saved."""
        edge = None if self.edge is None else self.edge()
        return edge is not None and edge.saved is not None

    def expand(self) -> None:
        """Turn every part into the plain node it stands for."""
        file, line, own = self.site
        values = list(self.inputs)
        parts, numbers = self.parts, self.numbers
        at = len(values)
        for op, ins, attrs, shape, dtype, note, data in self.body.steps:
            weak = parts.get(at)
            node = None if weak is None else weak()
            if node is None or node.op is PART:
                inputs = tuple([values[i] for i in ins])
                site = (file, line, note or own)
                if at in numbers:
                    data = numbers[at]
                if node is None:
                    node = Node(op, inputs, attrs, shape, dtype, "cpu", site, data)
                else:
                    node.op, node.inputs, node.attrs = op, inputs, attrs
                    node.site, node.data = site, data
            values.append(node)  # one that was realised before stands as it is
            at += 1
        if self.seen is not None:
            self.seen += values
            self.seen = None
        self.values = {}
        if self.needed:
            for at in self.saved:
                node = self.values[at] = values[at]
                if node.inputs and at >= self.body.count:
                    node.keepers = [*(node.keepers or ()), self.edge]
        self.inputs = ()
        self.parts = {}


def meant(node: Node) -> tuple[Op, tuple[Any, ...]]:
    """The op and attributes of the plain node that `node` is or, part of a Call, stands for."""
    if node.op is not PART:
        return node.op, node.attrs
    call, at = node.attrs
    step = call.body.steps[at - call.body.count]
    return step[0], step[2]

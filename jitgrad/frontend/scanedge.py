"""The Edge of a scan: its backward is a Loop from the other end; see `reversing` for one turn.

Where the gradient is itself recorded, the steps are recorded again, one by one, with Edges like
those of the one that was. Entry: `ScanEdge`, `Saved`. Imports: reversing, the tape.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.hoisting import hoist
from jitgrad.frontend.joint import Joint, nowhere
from jitgrad.frontend.record import movement_edge
from jitgrad.frontend.reversing import kept, reverse
from jitgrad.frontend.state import local
from jitgrad.frontend.stepping import Step
from jitgrad.frontend.tape import Edge, passing, run
from jitgrad.ir import site as ir_site
from jitgrad.ir.apply import const, expand_node, make_source
from jitgrad.ir.call import Call
from jitgrad.ir.dtype import DType
from jitgrad.ir.loop import Loop, Read
from jitgrad.ir.node import Node, Shape
from jitgrad.ops.arrange import stack
from jitgrad.ops.fill import zeros_of
from jitgrad.ops.library import barrier
from jitgrad.ops.movement import permute, reshape, slice_


class Saved:
    """What backward reads: the inputs of the forward Loop, and values of all its turns.

    Attributes:
        stacks: by position, the values that `reversing.kept` tells, and what was carried.
        generators: those of the draws among the inputs.
    """

    __slots__ = ("generators", "given", "inputs", "loop", "stacks")

    def __init__(self, step: Step, loop: Loop, generators: list[Any]) -> None:
        self.loop, self.inputs, self.generators = loop, loop.inputs, generators
        self.given = {at: self.inputs[i] for at, i in loop.given}
        self.stacks: dict[int, Node] = {}
        for at in kept(step):
            if at < step.carried:
                at = step.outs[at]
            elif at < step.body.count or at in self.given:
                continue
            self.stacks[at] = loop.stack(at)

    def read(self, step: Step, at: int, inputs: list[Node]) -> Read:
        """How the Loop of the gradients, with these `inputs`, reads the value at a position."""
        loop, count = self.loop, len(inputs)
        if at in self.given:
            inputs.append(self.given[at])
            return ("same", count)
        if at >= step.body.count:
            inputs.append(self.stacks[at])
            return ("slice", count, 0)
        kind, i, *rest = loop.reads[at]
        inputs.append(self.inputs[i])
        if kind == "carry":
            inputs.append(self.stacks[rest[0]])
            return ("ahead", count, count + 1)
        if kind == "draw":  # the last step's come first
            return ("draw", count, -rest[0], rest[0] * (loop.times - 1))
        return (kind, count, *rest)


def _later(node: Node, steps: int) -> Node:
    """The draw `steps` after that of a random node."""
    shape, dtype, seed, number = node.attrs
    return make_source(node.op.name, shape=shape, dtype=dtype, seed=seed, draw=number + steps)


class ScanEdge(Joint):
    """The Edge of all steps; `saved` is what they left. `stack`: axes of the stacked results."""

    __slots__ = ("stack", "step")
    stack: list[int]
    step: Step

    def held(self) -> list[Node]:
        return []

    def backward(self, g: Any, create: bool) -> Any:
        arrived = self.arrived()
        grads = [arrived.get(i) for i in range(len(self.step.outs))]
        return self._tape(grads) if create else self._loop(grads)

    def _loop(self, grads: list[Any]) -> tuple[Any, ...]:
        """The gradients of the first carry, of what is stepped through, of what is closed over."""
        step, saved = self.step, self.saved
        back = reverse(step, tuple([g is not None for g in grads]))
        inputs: list[Node] = []
        reads: list[Read] = []
        for k, at, _ in back.carried:
            shape, dtype, _ = step.body.facts[k]
            reads.append(("carry", len(inputs), at))
            inputs.append(zeros(shape, dtype) if grads[k] is None else in_memory(grads[k]))
        for k in back.results:
            reads.append(("slice", len(inputs), self.stack[k - step.carried]))
            inputs.append(grads[k])
        for _, at in back.sums:
            reads.append(("carry", len(inputs), at))
            inputs.append(zeros(*back.body.facts[at][:2]))
        reads += [saved.read(step, at, inputs) for at in back.reads]
        given: list[tuple[int, int]] = []
        hoist(back.body, reads, inputs, given)
        forward = saved.loop
        loop = Loop(back.body, forward.times, not forward.reverse, tuple(inputs), tuple(reads),
                    tuple(given), ir_site.here(), forward)  # fmt: skip
        out: list[Any] = [None] * len(step.leaves)
        for i, (k, _, led) in enumerate(back.carried):
            out[k] = loop.last(i) if led else None
        for k, at in back.slices:
            out[k] = moved(loop.stack(at), 0, forward.reads[k][2])
        for i, (k, _) in enumerate(back.sums, len(back.carried) + len(back.results)):
            out[k] = loop.last(i)
        return tuple(out)

    def _tape(self, grads: list[Any]) -> tuple[Any, ...]:
        """The same as Tensors that can be differentiated: the steps are Calls, which compute what
        was computed, with one set of Edges each."""
        step, saved, site = self.step, self.saved, ir_site.here()
        count, end, loop = step.carried, step.given, saved.loop
        stops: list[Any] = []
        for k, (leaf, outer) in enumerate(zip(step.leaves, self.inputs, strict=True)):
            if leaf is None:
                stops.append(None)
            elif count <= k < end:  # one for each slice
                shape, axis = saved.inputs[loop.reads[k][1]].shape, loop.reads[k][2]
                stops.append([_stop(outer, shape, axis, t) for t in range(loop.times)])
            else:
                stops.append(passing(outer, leaf.shape, leaf.dtype))
        links: dict[Any, Any] = {None: None}
        values = [saved.inputs[loop.reads[k][1]] for k in range(count)]
        before, roots = stops[:count], []
        for turn in range(loop.times):
            t = loop.times - 1 - turn if loop.reverse else turn
            sources = [*before, *[s and s[t] for s in stops[count:end]], *stops[end:]]
            links |= dict(zip(step.leaves, sources, strict=True)) | {None: None}
            call = Call(step.body, (*values, *self._given(turn, t)), site)
            call.numbers = {at: x.data for at, x in saved.given.items() if x.op.name == "scalar"}
            table = {id(node): call.part(at) for at, node in enumerate(step.nodes)}
            for edge in step.edges:
                links[edge] = edge.over(tuple([links[x] for x in edge.inputs]), table)
            values = [call.part(at) for at in step.outs[:count]]
            before = [links[edge] for edge in step.ends[:count]]
            for edge, g, axis in zip(step.ends[count:], grads[count:], self.stack, strict=True):
                if g is not None:
                    roots.append((links[edge], row(g, axis, t)))
        roots += [(edge, g) for edge, g in zip(before, grads, strict=False) if g is not None]
        flat = [x for s in stops if s for x in (s if type(s) is list else [s])]
        found = run(roots, retain=True, create=True, targets=flat, accumulate=nowhere)
        out: list[Any] = []
        for k, s in enumerate(stops):
            if not count <= k < end:
                out.append(found.get(s))
                continue
            parts = [found.get(x) for x in s or ()]
            some = next((x for x in parts if x is not None), None)
            parts = [zeros_of(some) if x is None else x for x in parts]
            out.append(None if some is None else stack(parts, axis=loop.reads[k][2]))
        return tuple(out)

    def _given(self, turn: int, t: int) -> list[Node]:
        """Slices, what is closed over and draws of one step."""
        saved, out = self.saved, []
        generators = iter(saved.generators)
        for kind, i, *rest in saved.loop.reads[self.step.carried :]:
            node = saved.inputs[i]
            if kind == "slice":
                node = row(node, rest[0], t)
            elif kind == "draw":
                node = _later(node, rest[0] * turn)
                if local.state.capture is not None:
                    local.state.capture.drew(next(generators), node, node.attrs[3])
            out.append(node)
        return out


def in_memory(node: Node) -> Node:
    """`node`, or a copy of it in row-major memory where it is a number or has other strides."""
    return node if node.inputs or (node.realised and node.strides is None) else barrier(node)


def zeros(shape: Shape, dtype: DType) -> Node:
    """Zeros of a shape."""
    return expand_node(const(0, dtype), shape)


def moved(x: Node, axis: int, to: int) -> Node:
    """`x` with one axis at another place."""
    order = [a for a in range(len(x.shape)) if a != axis]
    order.insert(to, axis)
    return x if axis == to else permute(x, order=tuple(order))


def row(x: Any, axis: int, t: int) -> Any:
    """Slice `t` of a Node or Tensor along `axis`, which vanishes."""
    moves = _moves(tuple(x.shape), axis, t)
    return reshape(slice_(x, **dict(zip(("starts", "steps", "sizes"), moves[0], strict=True))),
                   shape=moves[1])  # fmt: skip


def without(shape: Shape, axis: int) -> Shape:
    """`shape` less one axis."""
    return (*shape[:axis], *shape[axis + 1 :])


def _moves(shape: Shape, axis: int, t: int) -> tuple[tuple[Shape, Shape, Shape], Shape]:
    starts = tuple([t if i == axis else 0 for i in range(len(shape))])
    sizes = tuple([1 if i == axis else n for i, n in enumerate(shape)])
    return (starts, (1,) * len(shape), sizes), without(shape, axis)


def _stop(outer: Edge, shape: Shape, axis: int, t: int) -> Edge:
    """An Edge for slice `t` of what `outer` made, which has `shape`."""
    starts, less = _moves(shape, axis, t)
    sliced = movement_edge(outer, "slice", starts, shape)
    less_edge = movement_edge(sliced, "reshape", (less,), starts[2])
    return passing(less_edge, less, outer.dtype)  # type: ignore[arg-type]  # of one result

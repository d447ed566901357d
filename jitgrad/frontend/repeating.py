"""`scan`: a function repeated along an axis with carried values; see `stepping` for one step.

Each step is one Call of the same Body. All have one Edge together, whose backward is a scan in the
other direction: Calls of one gradient Body, the gradients of slices joined along the axis.
Entry: `scan`. Imports: calls, the recorder, the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.frontend import pending
from jitgrad.frontend.calls import keep
from jitgrad.frontend.joint import Joint, nowhere, output
from jitgrad.frontend.record import Base, finished, movement_edge
from jitgrad.frontend.shaping import axis_of
from jitgrad.frontend.state import State, local, place
from jitgrad.frontend.stepping import Step, Use, recorded
from jitgrad.frontend.tape import Edge, passing, run
from jitgrad.frontend.tree import filled, form, leaves
from jitgrad.ir import site as ir_site
from jitgrad.ir.apply import make_source
from jitgrad.ir.call import Call
from jitgrad.ir.node import Node, Shape
from jitgrad.ops.arrange import stack
from jitgrad.ops.fill import zeros_of
from jitgrad.ops.movement import reshape, slice_


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    dim: int = 0,
) -> tuple[Any, Any]:
    """`carry, y = f(carry, x)` for each slice `x` of `xs` along `dim`, beginning with `init`.

    Returns the last carry and all y, stacked along `dim`. Carry, `xs` and y are Tensors, or tuples,
    lists and dicts of them (None where there is nothing). `f` runs once; what it does is recorded
    and repeated, so it must not depend on values, nor write to tensors from outside. It may read
    them (weights), and they have gradients as anything else. Random draws in it are new ones at
    each step. Backward is a scan from the other end.

    Args:
        f: one step. The carry that it returns has the form, shapes and dtypes of `init`.
        init: the first carry.
        xs: what to step through; None if `length` says how often.
        length: the number of steps, as it follows from `xs`, too.
        reverse: begin with the last slice; each y stands where its slice stood.
        dim: the axis of `xs`, and that of the stacked y.

    >>> import jitgrad as jg
    >>> total, sums = jg.scan(lambda s, x: (s + x, s + x), jg.tensor(0), jg.tensor([1, 2, 3]))
    >>> total, sums
    (tensor(6), tensor([1, 3, 6]))
    >>> w = jg.tensor(0.5, requires_grad=True)
    >>> jg.scan(lambda h, _: (h * w, None), jg.tensor(8.0), length=3)[0].backward()
    >>> w.grad
    tensor(6.)
    """
    for what, value in (("init", init), ("xs", xs)):
        mapped_only(what, value)
    rows = leaves(xs)
    axes = [axis_of("scan", dim, len(x._shape)) for x in rows]
    steps = _length([x._shape[a] for x, a in zip(rows, axes, strict=True)], length)
    state = local.state
    if state.tracing or state.rule or any(t.device.type != "cpu" for t in [*leaves(init), *rows]):
        return _loop(f, init, xs, steps, reverse, dim)
    carry = [t._pair(state) for t in leaves(init)]
    sliced = [t._pair(state) for t in rows]
    facts = [(node.shape, node.dtype) for node, _ in carry]
    facts += [(_without(n.shape, a), n.dtype) for (n, _), a in zip(sliced, axes, strict=True)]
    use = _step(f, (init, xs), facts, [e for _, e in carry], [e for _, e in sliced], state)
    if use is None:
        return _loop(f, init, xs, steps, reverse, dim)
    depth = max([t._storage.depth for t in [*leaves(init), *rows]], default=0)
    return _Scan(use, carry, sliced, axes, steps, reverse, dim).record(state, depth)


def mapped_only(what: str, value: Any) -> None:
    """Refuse what is no Tensor, None, tuple, list or dict."""
    if isinstance(value, Base) or value is None:
        return
    if isinstance(value, (tuple, list)) or type(value) is dict:
        for v in value.values() if isinstance(value, dict) else value:
            mapped_only(what, v)
        return
    raise TypeError(f"scan: {what} must consist of Tensors, not of {type(value).__name__}")


def _length(found: list[int], length: int | None) -> int:
    sizes = {*found, *([] if length is None else [length])}
    if len(sizes) != 1:
        what = "neither xs nor length is given" if not sizes else f"lengths differ: {sorted(sizes)}"
        raise ValueError(f"scan: {what}")
    (steps,) = sizes
    if steps < 1:
        raise ValueError(f"scan: there must be at least one step, not {steps}")
    return steps


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def row(x: Any, axis: int, t: int) -> Any:
    """Slice `t` of a Node or Tensor along `axis`, which vanishes."""
    moves = _moves(tuple(x.shape), axis, t)
    return reshape(slice_(x, **dict(zip(("starts", "steps", "sizes"), moves[0], strict=True))),
                   shape=moves[1])  # fmt: skip


def _moves(shape: Shape, axis: int, t: int) -> tuple[tuple[Shape, Shape, Shape], Shape]:
    starts = tuple([t if i == axis else 0 for i in range(len(shape))])
    sizes = tuple([1 if i == axis else n for i, n in enumerate(shape)])
    return (starts, (1,) * len(shape), sizes), _without(shape, axis)


def _turns(steps: int, reverse: bool) -> list[int]:
    return list(range(steps))[:: -1 if reverse else 1]


def _loop(f: Any, carry: Any, xs: Any, steps: int, reverse: bool, dim: int) -> tuple[Any, Any]:
    """The same, every op recorded at every step."""
    ys: list[Any] = [None] * steps
    for t in _turns(steps, reverse):
        carry_before = carry
        carry, ys[t] = f(carry, filled(form(xs), [x.select(dim, t) for x in leaves(xs)]))
        _same(_facts(carry_before), _facts(carry))
    columns = list(zip(*[leaves(y) for y in ys], strict=True))
    out = [stack(list(c), axis=axis_of("scan", dim, len(c[0]._shape) + 1)) for c in columns]
    return carry, filled(form(ys[0]), out)


def _facts(carry: Any) -> tuple[Any, list[Any]]:
    return form(carry), [(tuple(t._shape), t._dtype) for t in leaves(carry)]


def _same(before: tuple[Any, list[Any]], after: tuple[Any, list[Any]]) -> None:
    """Refuse another carry than the one that came."""
    if before != after:
        raise TypeError(
            "scan: the carry that the function returns must have the form, shapes and dtypes of "
            f"the one it gets: it gets {before[1]} and returns {after[1]}"
        )


def _step(
    f: Any, arguments: tuple[Any, Any], facts: list[Any], first: list[Any], rows: list[Any],
    state: State,
) -> Use | None:  # fmt: skip
    """Record one step. A carried value has a gradient if the first has, or a later one comes to."""
    wanted = [state.grad and dtype.kind == "f" for _, dtype in facts[: len(first)]]
    wanted += [state.grad and edge is not None for edge in rows]
    while True:
        use = recorded(f, arguments, facts, len(first), wanted)
        if use is None:
            return None
        outs = [use.step.body.facts[at][:2] for at in use.step.outs]
        _same(_facts(arguments[0]), (use.result[0], outs[: _count(use.result[0])]))
        true = _reached(use.step, first, wanted)
        if true == wanted:
            return use
        wanted = true
        for generator, node in reversed(use.drawn):
            generator._draw = node.attrs[3]


def _count(value: Any) -> int:
    return len(leaves(value))


def _reached(step: Step, first: list[Any], wanted: list[bool]) -> list[bool]:
    """Of which inputs a gradient is wanted, if some carried values turn out to need none."""
    stand_ins = step.leaves[: len(wanted)]
    true = [w and e is not None for w, e in zip(wanted, first, strict=False)]
    true += wanted[len(first) :]
    while True:
        live = {x for x, w in zip(stand_ins, true, strict=True) if w}
        live |= set(step.leaves[len(wanted) :])
        for edge in step.edges:
            if not live.isdisjoint(edge.inputs):
                live.add(edge)
        new = [
            w or (at is not None and end in live)
            for w, at, end in zip(true, stand_ins, step.ends, strict=False)
        ]
        new += true[len(new) :]
        if new == true:
            return true
        true = new


class _Scan:
    """One use: what its steps have in common."""

    def __init__(
        self, use: Use, carry: list[Any], sliced: list[Any], axes: list[int], steps: int,
        reverse: bool, dim: int,
    ) -> None:  # fmt: skip
        self.use, self.step = use, use.step
        self.carry, self.sliced, self.axes = carry, sliced, axes
        self.turns = _turns(steps, reverse)
        facts = use.step.body.facts
        self.stack = [
            axis_of("scan", dim, len(facts[at][0]) + 1) for at in use.step.outs[len(carry) :]
        ]

    def record(self, state: State, depth: int) -> tuple[Any, Any]:
        """All steps; the results."""
        here = place(state)
        edge = self._edge(here.site)
        before = ir_site.swap(here.site)
        try:
            carry, ys = self._forward(edge, state)
            outs = [*carry, *[stack(y, axis=axis) for y, axis in zip(ys, self.stack, strict=True)]]
        finally:
            ir_site.swap(before)
        tensors = []
        for i, node in enumerate(outs):
            differentiable = edge is not None and self.step.ends[i] is not None
            if i < len(carry):
                differentiable = differentiable and self.step.leaves[i] is not None
            own = output(edge, i, node) if edge is not None and differentiable else None
            tensors.append(finished(state, here if i == 0 else None, node, own, depth + 1))
        return filled(self.use.result, tensors)

    def _edge(self, site: Any) -> _ScanEdge | None:
        if not any(end is not None for end in self.step.ends):
            return None
        edges = [e for _, e in [*self.carry, *self.sliced]] + self.use.outer
        inputs = [e if leaf is not None else None
                  for e, leaf in zip(edges, self.step.leaves, strict=True)]  # fmt: skip
        edge = _ScanEdge("scan", None, tuple(inputs), (), None, None, site)
        edge.grads, edge.frees = {}, True
        edge.step, edge.turns = self.step, self.turns
        edge.rows = [(node.shape, axis) for (node, _), axis in zip(self.sliced, self.axes,
                                                                   strict=True)]  # fmt: skip
        edge.stack, edge.saved = self.stack, [None] * len(self.turns)
        return edge

    def _forward(
        self, edge: _ScanEdge | None, state: State
    ) -> tuple[list[Node], list[list[Node]]]:  # fmt: skip
        step, use, site = self.step, self.use, ir_site.here()
        carry = [node for node, _ in self.carry]
        ys: list[list[Any]] = [[None] * len(self.turns) for _ in self.stack]
        draws = [node for _, node in use.draws]
        for turn, t in enumerate(self.turns):
            if turn:
                draws = [_again(g, node) for g, node in use.draws]
            if state.capture is not None:
                for (g, _), node in zip(use.draws, draws, strict=True):
                    state.capture.drew(g, node, node.attrs[3])
            rows = [row(x, a, t) for (x, _), a in zip(self.sliced, self.axes, strict=True)]
            call = Call(step.body, (*carry, *rows, *use.closed, *draws), site)
            call.numbers = use.numbers
            if edge is not None:
                edge.saved[t] = call
                keep(edge, call, step.saved)
            outs = [call.part(at) for at in step.outs]
            if state.eager:
                pending.flush(outs)
            carry = outs[: len(carry)]
            for y, node in zip(ys, outs[len(carry) :], strict=True):
                y[t] = node
        return carry, ys


def _again(generator: Any, node: Node) -> Node:
    """A new draw like `node`."""
    shape, dtype, *_ = node.attrs
    seed, number = generator.next_draw()
    return make_source(node.op.name, shape=shape, dtype=dtype, seed=seed, draw=number)


class _ScanEdge(Joint):
    """The Edge of all steps; `saved` has their Calls by place along the axis.

    Attributes:
        turns: places in the order of the steps.
        rows: shape and axis of what is stepped through. `stack`: axes of the stacked results.
    """

    __slots__ = ("rows", "stack", "step", "turns")
    rows: list[tuple[Shape, int]]
    stack: list[int]
    step: Step
    turns: list[int]

    def held(self) -> list[Node]:
        return []

    def backward(self, g: Any, create: bool) -> Any:
        grads = self.arrived()
        count = len(self.step.outs) - len(self.stack)
        carry = [grads.get(i) for i in range(count)]
        ys = [grads.get(count + i) for i in range(len(self.stack))]
        make = self._tape if create else self._calls
        first, rows, closed = make(carry, ys)
        found: list[Any] = []
        for parts, (_, axis) in zip(rows, self.rows, strict=True):
            some = next((x for x in parts if x is not None), None)
            if some is not None:
                parts = [zeros_of(some) if x is None else x for x in parts]
                found.append(stack(parts, axis=axis))
            else:
                found.append(None)
        return (*first, *found, *closed)

    def _slices(self, ys: list[Any], t: int) -> list[Any]:
        return [None if y is None else row(y, a, t) for y, a in zip(ys, self.stack, strict=True)]

    def _calls(self, carry: list[Any], ys: list[Any]) -> Any:
        """The gradients as Calls: of the first carry, of slices, of what is closed over."""
        state, step, site = local.state, self.step, ir_site.here()
        count, end = len(carry), len(carry) + len(self.rows)
        rows: list[list[Any]] = [[None] * len(self.turns) for _ in self.rows]
        closed: list[Any] = [None] * (len(step.leaves) - end)
        for t in reversed(self.turns):
            gs = [*carry, *self._slices(ys, t)]
            given = tuple([x is not None for x in gs])
            if not any(given):
                continue
            gradient = step.gradient(given)
            there = [x for x in gs if x is not None]
            reads = [self.saved[t].part(at) for at in gradient.reads]
            call = Call(gradient.body, (*there, *reads), site)
            out = [None if at is None else call.part(at) for at in gradient.results]
            carry = out[:count]
            for parts, x in zip(rows, out[count:end], strict=True):
                parts[t] = x
            for k, x in enumerate(out[end:]):
                if x is not None:
                    closed[k] = x if closed[k] is None else closed[k] + x
            if state.eager:
                pending.flush([x for x in [*out, *closed] if x is not None])
        return carry, rows, closed

    def _tape(self, carry: list[Any], ys: list[Any]) -> Any:
        """The same as Tensors that can be differentiated: by Edges like those recorded inside, one
        set for each step."""
        step = self.step
        count, end = len(carry), len(carry) + len(self.rows)
        stops: list[Any] = []
        for k, (leaf, outer) in enumerate(zip(step.leaves, self.inputs, strict=True)):
            if leaf is None:
                stops.append(None)
            elif count <= k < end:  # one for each slice
                stops.append([_stop(outer, *self.rows[k - count], t) for t in sorted(self.turns)])
            else:
                stops.append(passing(outer, leaf.shape, leaf.dtype))
        links: dict[Any, Any] = {None: None}
        before, roots = stops[:count], []
        for t in self.turns:
            sources = [*before, *[s and s[t] for s in stops[count:end]], *stops[end:]]
            links |= dict(zip(step.leaves, sources, strict=True)) | {None: None}
            call = self.saved[t]
            table = {id(step.nodes[at]): call.part(at) for at in step.saved}
            for edge in step.edges:
                links[edge] = edge.over(tuple([links[x] for x in edge.inputs]), table)
            before = [links[edge] for edge in step.ends[:count]]
            there = zip(step.ends[count:], self._slices(ys, t), strict=True)
            roots += [(links[edge], g) for edge, g in there if g is not None]
        roots += [(edge, g) for edge, g in zip(before, carry, strict=True) if g is not None]
        flat = [x for s in stops if s for x in (s if type(s) is list else [s])]
        found = run(roots, retain=True, create=True, targets=flat, accumulate=nowhere)
        rows = [[found.get(x) for x in s] if s else [None] for s in stops[count:end]]
        return (
            [found.get(x) for x in stops[:count]], rows, [found.get(x) for x in stops[end:]]
        )  # fmt: skip


def _stop(outer: Edge, shape: Shape, axis: int, t: int) -> Edge:
    """An Edge for slice `t` of what `outer` made, which has `shape`."""
    starts, less = _moves(shape, axis, t)
    sliced = movement_edge(outer, "slice", starts, shape)
    less_edge = movement_edge(sliced, "reshape", (less,), starts[2])
    return passing(less_edge, less, outer.dtype)  # type: ignore[arg-type]  # of one result

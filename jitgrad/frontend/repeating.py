"""`scan`: a function repeated along an axis with carried values; see `stepping` for one step.

All steps are one Loop. They have one Edge, whose backward is a Loop in the other direction.
Entry: `scan`. Imports: stepping, the recorder, the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.frontend import pending
from jitgrad.frontend.creation import zeros
from jitgrad.frontend.hoisting import hoist
from jitgrad.frontend.joint import output
from jitgrad.frontend.record import Base, finished
from jitgrad.frontend.reversing import kept
from jitgrad.frontend.scanedge import Saved, ScanEdge, in_memory, moved, without
from jitgrad.frontend.shaping import axis_of
from jitgrad.frontend.state import State, local, place
from jitgrad.frontend.stepping import Step, Use, recorded
from jitgrad.frontend.tree import filled, form, leaves
from jitgrad.ir import site as ir_site
from jitgrad.ir.apply import make_source, scalar
from jitgrad.ir.loop import Loop
from jitgrad.ir.node import Node
from jitgrad.ops.arrange import stack


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
    lists and dicts of them (None where there is nothing). `f` runs once or twice, whatever the
    length; what it does is recorded and repeated, so it must not depend on values, nor write in
    place to what it is given or to tensors from outside. It may read them (weights), and they have
    gradients as anything else. Random draws in it are new ones at each step. Backward is a scan
    from the other end.

    Args:
        f: one step. The carry that it returns has the form, shapes and dtypes of `init`.
        init: the first carry.
        xs: what to step through; None if `length` says how often.
        length: the number of steps, as it follows from `xs`, too. If it is 0, `init` and empty ys
            are returned.
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
    if not all(x._shape for x in rows):
        raise ValueError(
            "scan: xs holds a tensor of no dimensions, which cannot be stepped through"
        )
    axes = [axis_of("scan", dim, len(x._shape)) for x in rows]
    steps = _length([x._shape[a] for x, a in zip(rows, axes, strict=True)], length)
    state = local.state
    if not steps:
        return _none(f, init, xs, axes, dim, state)
    if state.tracing or state.rule or any(t.device.type != "cpu" for t in [*leaves(init), *rows]):
        return _loop(f, init, xs, steps, reverse, dim)
    carry = [t._pair(state) for t in leaves(init)]
    sliced = [t._pair(state) for t in rows]
    facts = [(node.shape, node.dtype) for node, _ in carry]
    facts += [(without(n.shape, a), n.dtype) for (n, _), a in zip(sliced, axes, strict=True)]
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
    if steps < 0:
        raise ValueError(f"scan: {steps} steps")
    return steps


def _turns(steps: int, reverse: bool) -> list[int]:
    return list(range(steps))[:: -1 if reverse else 1]


def _loop(f: Any, carry: Any, xs: Any, steps: int, reverse: bool, dim: int) -> tuple[Any, Any]:
    """The same, every op recorded at every step."""
    ys: list[Any] = [None] * steps
    for t in _turns(steps, reverse):
        carry_before = carry
        carry, ys[t] = f(carry, filled(form(xs), [x.select(dim, t) for x in leaves(xs)]))
        mapped_only("y", ys[t])
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
            f"the one it gets: it gets {filled(*before)} and returns {filled(*after)}"
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
        mapped_only("y", use.result[1])
        outs = [use.step.body.facts[at][:2] for at in use.step.outs]
        _same(_facts(arguments[0]), (use.result[0], outs[: _count(use.result[0])]))
        _take_back(use)  # each step has numbers of its own
        true = _reached(use.step, first, wanted)
        if true == wanted:
            return use
        wanted = true


def _take_back(use: Use) -> None:
    """As if it had drawn nothing."""
    for generator, node in reversed(use.drawn):
        generator._draw = node.attrs[3]


def _none(
    f: Any, init: Any, xs: Any, axes: list[int], dim: int, state: State
) -> tuple[Any, Any]:  # fmt: skip
    """No step: `f` runs only to tell what its results are."""
    first = leaves(init)
    facts = [(tuple(t._shape), t._dtype) for t in first]
    rows = list(zip(leaves(xs), axes, strict=True))
    before, state.grad = state.grad, False
    try:
        if any(t.device.type != "cpu" for t in [*first, *leaves(xs)]):  # nothing runs or is drawn
            slices = [zeros(without(x._shape, a), dtype=x._dtype, device=x.device) for x, a in rows]
            result = f(init, filled(form(xs), slices))
            outs = [(tuple(t._shape), t._dtype) for t in leaves(result)]
        else:
            facts += [(without(x._shape, axis), x._dtype) for x, axis in rows]
            use = recorded(f, (init, xs), facts, len(first), [False] * len(facts))
            assert use is not None, "without gradients everything is a Body"
            _take_back(use)
            result = use.result
            outs = [use.step.body.facts[at][:2] for at in use.step.outs]
    finally:
        state.grad = before
    mapped_only("y", result[1])
    _same(_facts(init), (form(result[0]), outs[: len(first)]))
    ys = []
    for shape, dtype in outs[len(first) :]:
        axis = axis_of("scan", dim, len(shape) + 1)
        device = first[0].device if first else "cpu"
        ys.append(zeros((*shape[:axis], 0, *shape[axis:]), dtype=dtype, device=device))
    return init, filled(form(result[1]), ys)


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
    """One use: a Loop over what its steps have in common."""

    def __init__(
        self, use: Use, carry: list[Any], sliced: list[Any], axes: list[int], steps: int,
        reverse: bool, dim: int,
    ) -> None:  # fmt: skip
        self.use, self.step = use, use.step
        self.carry, self.sliced, self.axes = carry, sliced, axes
        self.steps, self.reverse = steps, reverse
        facts = use.step.body.facts
        self.stack = [
            axis_of("scan", dim, len(facts[at][0]) + 1) for at in use.step.outs[len(carry) :]
        ]

    def record(self, state: State, depth: int) -> tuple[Any, Any]:
        """The Loop and its Edge; the results."""
        here = place(state)
        before = ir_site.swap(here.site)
        try:
            loop = self._loop(state)
            edge = self._edge(loop, here.site)
            count = len(self.carry)
            outs = [loop.last(k) for k in range(count)]
            for at, axis in zip(self.step.outs[count:], self.stack, strict=True):
                outs.append(moved(loop.stack(at), 0, axis))
            if state.eager:
                pending.flush(outs)
        finally:
            ir_site.swap(before)
        tensors = []
        for i, node in enumerate(outs):
            differentiable = edge is not None and self.step.ends[i] is not None
            if i < count:
                differentiable = differentiable and self.step.leaves[i] is not None
            own = output(edge, i, node) if edge is not None and differentiable else None
            tensors.append(finished(state, here if i == 0 else None, node, own, depth + 1))
        return filled(self.use.result, tensors)

    def _loop(self, state: State) -> Loop:
        step, use = self.step, self.use
        inputs = [in_memory(node) for node, _ in self.carry]
        reads: list[Any] = [("carry", k, step.outs[k]) for k in range(len(inputs))]
        for (node, _), axis in zip(self.sliced, self.axes, strict=True):
            reads.append(("slice", len(inputs), axis))
            inputs.append(node)
        for node in use.closed:
            reads.append(("same", len(inputs)))
            inputs.append(node)
        for generator, node in use.draws:
            reads.append(("draw", len(inputs), self._draws(generator), 0))
            inputs.append(_first(state, generator, node))
        for generator in {id(g): g for g, _ in use.draws}.values():
            generator._draw += (self.steps - 1) * self._draws(generator)
        given = []
        for at, value in use.numbers.items():
            given.append((at, len(inputs)))
            inputs.append(scalar(value, step.body.facts[at][1]))
        hoist(step.body, reads, inputs, given, kept(step) if self._differentiable() else ())
        return Loop(step.body, self.steps, self.reverse, tuple(inputs), tuple(reads),
                    tuple(given), ir_site.here())  # fmt: skip

    def _differentiable(self) -> bool:
        return any(end is not None for end in self.step.ends)

    def _draws(self, generator: Any) -> int:
        """How many numbers of a generator one step draws."""
        return sum(g is generator for g, _ in self.use.draws)

    def _edge(self, loop: Loop, site: Any) -> ScanEdge | None:
        step = self.step
        if not self._differentiable():
            return None
        edges = [e for _, e in [*self.carry, *self.sliced]] + self.use.outer
        inputs = [e if leaf is not None else None
                  for e, leaf in zip(edges, step.leaves, strict=True)]  # fmt: skip
        edge = ScanEdge("scan", None, tuple(inputs), (), None, None, site)
        edge.grads, edge.frees = {}, True
        edge.step, edge.stack = step, self.stack
        edge.saved = Saved(step, loop, [g for g, _ in self.use.draws])
        return edge


def _first(state: State, generator: Any, node: Node) -> Node:
    """A new draw like `node`: that of the first step."""
    shape, dtype, *_ = node.attrs
    seed, number = generator.next_draw()
    node = make_source(node.op.name, shape=shape, dtype=dtype, seed=seed, draw=number)
    if state.capture is not None:
        state.capture.drew(generator, node, number)
    return node

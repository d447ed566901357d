"""A part of a graph that backward records a second time instead of keeping what it saved.

The function runs as usual; then one Edge takes the place of all that it recorded. It holds the
arguments' values, from which backward runs the function again: behind a `barrier`, so that nothing
of it is merged with the first run, nor computed before the gradient has arrived. Gradients go where
the first run's would have gone, one by one and in the same order: they add up to the same bits.
Entry: `checkpointed`. Imports: the recorder, the tape, draws.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from weakref import ref

from jitgrad.frontend.draws import default_generator
from jitgrad.frontend.joint import Joint, nowhere, output
from jitgrad.frontend.record import make, wrap
from jitgrad.frontend.state import State, local, site
from jitgrad.frontend.storage import Storage, Track
from jitgrad.frontend.tape import Leaf, order, passing, run
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.tree import filled, form, leaves, mapped
from jitgrad.ir import site as ir_site
from jitgrad.ir.node import Node
from jitgrad.ops import RECORDERS


class CheckpointError(RuntimeError):
    """The function did something else when backward ran it again."""


class _Run:
    """One run of the function: its results, and what of the tape is its own.

    Attributes:
        results: Tensors, in order.
        edges: recorded inside and leading to a result, oldest first.
        ends: (Edge, operand) where these lead outside, in the order in which backward gets there.
    """

    def __init__(self, value: Any, start: int) -> None:
        """`value` is what the function returned; younger Edges than `start` are its own."""
        self.results = leaves(value)
        found: dict[int, Any] = {}
        stack = [t._edge() for t in self.results]
        while stack:
            edge = stack.pop()
            if edge is None or id(edge) in found or edge.seq < start:
                continue
            if type(edge) is Leaf:
                raise NotImplementedError(
                    "checkpoint: the function makes a tensor with requires_grad=True, whose "
                    "gradient would belong to another tensor each time it runs"
                )
            found[id(edge)] = edge
            stack += edge.inputs
        self.edges = sorted(found.values(), key=lambda e: e.seq)
        self.ends = [
            (e, i)
            for e in reversed(self.edges)
            for i, x in enumerate(e.inputs)
            if x is not None and id(x) not in found
        ]

    @property
    def outer(self) -> tuple[Any, ...]:
        """The Edges that it leads to, once for each way there."""
        return tuple([e.inputs[i] for e, i in self.ends])

    def facts(self) -> Any:
        """What two runs must share: results and saved values by shape and dtype."""
        return (
            [(t._shape, t._dtype, t._edge() is None) for t in self.results],
            [(e.label, e.shape, e.dtype) for e in self.edges],
        )


class _Segment(Joint):
    """The Edge of one use: collects the gradients of all results, then runs the function again.

    `saved` has the values of Tensor arguments; `again(arguments)` runs the function on Tensors in
    their places. `facts` are those of the first run, None if they are not to be compared; `outer`
    are the Edges that it led to (in a segment inside another, others may stand for the inputs).
    """

    __slots__ = ("again", "arguments", "facts", "outer")
    again: Callable[[list[Any]], Any]
    arguments: list[Any]  # their Edges
    facts: Any
    outer: tuple[Any, ...]

    def backward(self, g: Any, create: bool) -> Any:
        state = local.state
        if state.capture is not None and self.seq < state.capture.began:
            state.capture.fail("backward goes through a checkpoint made outside")
        grads = self.arrived()
        after = [_node(x) for x in grads.values()]
        tensors = []
        for node, edge in zip(self.saved, self.arguments, strict=True):
            if not state.eager:  # where everything is computed as it is recorded
                node = RECORDERS["barrier"](node, *after)
            cell = Storage(node)  # nobody's to compute
            if state.capture is not None:
                state.capture.own[id(cell)] = cell
            tensors.append(make(Tensor, cell, Track(edge), None, node.shape, node.dtype))
        start = next(order)
        next(order)  # what is recorded from here on is younger than the stops of `_gradients`
        before = state.rule, state.forced, state.grad
        forced = ir_site.swap(None)
        state.rule, state.forced, state.grad = False, False, True
        try:
            second = _Run(self.again(tensors), start)
            self._compare(second)
            return self._gradients(second, grads, start, create)
        finally:
            state.rule, state.forced, state.grad = before
            ir_site.swap(forced)

    def _compare(self, second: _Run) -> None:
        outer = second.outer
        same = len(outer) == len(self.outer) and all(map(operator.is_, outer, self.outer))
        if not same or (self.facts is not None and second.facts() != self.facts):
            file, line, _ = self.site
            raise CheckpointError(
                f"checkpoint: the function used at {file}:{line} recorded something else when "
                "backward ran it again: results or saved values differ in number, shape or dtype, "
                "or depend on other tensors"
            )

    def _gradients(
        self, second: _Run, grads: dict[int, Any], start: int, create: bool
    ) -> tuple[Any, ...]:
        """What backward through the second run adds to the gradients outside, one by one."""
        stops = []
        for k, (edge, i) in enumerate(second.ends):
            x = edge.inputs[i]
            stop = passing(x, x.shape, x.dtype)
            stop.seq = start + (k + 1) / (len(second.ends) + 1)
            stop.inputs = ()
            edge.inputs = (*edge.inputs[:i], stop, *edge.inputs[i + 1 :])
            stops.append(stop)
        roots = [(second.results[i]._edge(), g) for i, g in grads.items()]
        found = run(roots, retain=create, create=create, targets=stops, accumulate=nowhere)
        for stop, x in zip(stops, self.inputs, strict=True):
            stop.inputs = (x,)  # where second derivatives go on
        return tuple([found.get(stop) for stop in stops])

    def release(self) -> None:
        self.saved = None
        self.arguments, self.outer = [], ()
        del self.again


def _node(g: Any) -> Node:
    return g if isinstance(g, Node) else g._pair(local.state)[0]


@contextmanager
def _drawing(numbers: tuple[int, int] | None) -> Iterator[None]:
    """Inside, the default generator starts from (seed, draw number); None leaves it."""
    generator = default_generator
    before = generator._seed, generator._draw
    if numbers is None:
        yield
        return
    generator._seed, generator._draw = numbers
    try:
        yield
    finally:
        generator._seed, generator._draw = before


def checkpointed(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    contexts: tuple[AbstractContextManager[Any], AbstractContextManager[Any]],
    draws: bool,
    check: bool,
) -> Any:
    """What `fn` returns; backward runs it again, in the second of `contexts`, with the same random
    numbers if `draws`. `check` compares what both runs recorded, by shape and dtype."""
    state = local.state
    numbers = (default_generator._seed, default_generator._draw) if draws else None
    pairs = [t._pair(state) for t in leaves((args, kwargs))]
    start = next(order)
    with contexts[0]:
        value = fn(*args, **kwargs)
    if not state.grad:
        return value
    first = _Run(value, start)
    if not first.edges:
        return value

    given = form((args, kwargs))  # which keeps no Tensor alive

    def again(stand_ins: list[Any]) -> Any:
        new_args, new_kwargs = filled(given, stand_ins)
        with _drawing(numbers), contexts[1]:
            return fn(*new_args, **new_kwargs)

    segment = _Segment("checkpoint", None, first.outer, (), None, None, site(state))
    segment.again, segment.grads, segment.outer = again, {}, first.outer
    segment.facts = first.facts() if check else None
    segment.arguments = [edge for _, edge in pairs]
    segment.saved = tuple([node for node, _ in pairs])
    segment.frees = True
    for node in segment.saved:
        if node.inputs:
            node.keepers = [*(node.keepers or ()), ref(segment)]
    return _results(value, first, segment, state)


def _results(value: Any, first: _Run, segment: _Segment, state: State) -> Any:
    """`value` with the one Edge as the history of its Tensors."""
    own = set(map(id, first.edges))
    numbers = iter(range(len(first.results)))

    def result(t: Any) -> Any:
        i = next(numbers)
        edge = t._edge()
        if id(edge) not in own:
            return t
        node = t._pair(state)[0]
        return wrap(node, output(segment, i, node))

    return mapped(value, result)

"""`Function`: an operation of the user with its own gradient.

Entry: `Function`. Imports: the front end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.frontend.record import wrap
from jitgrad.frontend.state import local, site
from jitgrad.frontend.tape import Edge, Fact, node_of
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir import site as ir_site
from jitgrad.ops.fill import zeros_of


class Context:
    """What `forward` leaves for `backward`."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.non_differentiable: set[int] = set()
        self.materialize = True
        self._freed = False

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep Tensors for `backward`, with the values that they have now."""
        # Inputs and constants keep their history; a result must not hold its own Edge.
        self._saved = tuple([_as_is(t) if isinstance(t, Tensor) else t for t in tensors])

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The Tensors that were saved."""
        if self._freed:
            raise RuntimeError(
                "saved_tensors: trying to backward through the graph a second time; specify "
                "retain_graph=True in the first backward"
            )
        return self._saved

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that these results have no gradient."""
        self.non_differentiable.update(map(id, outputs))

    def mark_dirty(self, *tensors: Any) -> None:
        """Say that these inputs were written in place: nothing to do, values never change."""

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients of results arrive as zeros (the default) or None."""
        self.materialize = value


def _as_is(t: Tensor) -> Tensor:
    """`t` over a cell of its own: what is written to `t` later does not reach it."""
    return wrap(node_of(t), t._edge())


class _Call(Edge):
    """The Edge of a call: collects the gradients of all results, then calls `backward`."""

    __slots__ = ("context", "function", "grads", "outputs")
    fixed = False  # what the user wrote may look at anything
    context: Context
    function: type[Function]
    grads: dict[int, Any]
    outputs: list[Fact]

    def backward(self, g: Any, create: bool) -> Any:
        context = self.context
        if context._freed:
            context.saved_tensors  # noqa: B018  (raises)
        grads = [self.grads.pop(i, None) for i in range(len(self.outputs))]
        if context.materialize:
            one = next(x for x in grads if x is not None)
            grads = [
                zeros_of(fact, one) if x is None else x
                for x, fact in zip(grads, self.outputs, strict=True)
            ]
        state = local.state
        before, forced = (state.rule, state.forced), ir_site.swap(None)
        state.rule = state.forced = False
        try:
            given = [x if create or x is None else wrap(x) for x in grads]
            out = self.function.backward(context, *given)
        finally:
            state.rule, state.forced = before
            ir_site.swap(forced)
        results = out if isinstance(out, tuple) else (out,)
        spare = any(x is not None for x in results[len(self.inputs) :])
        if len(results) < len(self.inputs) or spare:
            raise RuntimeError(
                f"{self.label}: backward returned {len(results)} gradients for "
                f"{len(self.inputs)} inputs"
            )
        for k, (x, edge) in enumerate(zip(results, self.inputs, strict=False)):
            if x is not None and edge is not None:
                self._check(k, x, edge.shape)
        return tuple(x if x is None or create else node_of(x) for x in results)

    def _check(self, k: int, x: Any, shape: Any) -> None:
        """A gradient is a Tensor to which its input broadcasts."""
        if not isinstance(x, Tensor):
            raise TypeError(f"{self.label}: backward returned {type(x).__name__} as gradient {k}")
        have = tuple(x.shape)
        tail = have[len(have) - len(shape) :]
        if len(have) < len(shape) or any(n not in (1, m) for n, m in zip(shape, tail, strict=True)):
            raise RuntimeError(
                f"{self.label}: backward returned a gradient of shape {have} for input {k} of "
                f"shape {tuple(shape)}"
            )

    def release(self) -> None:
        self.context._freed = True
        self.context._saved = ()

    @property
    def freed(self) -> bool:
        return self.context._freed

    def name(self) -> str:
        return f"{self.label}Backward"


class _Result(Edge):
    """The Edge of one result of a call."""

    __slots__ = ("index",)
    index: int

    def backward(self, g: Any, create: bool) -> Any:
        call = self.inputs[0]
        call.grads[self.index] = g
        return g

    def name(self) -> str:
        return f"{self.label}Backward"


class Function:
    """Subclass with static `forward(ctx, *inputs)` and `backward(ctx, *grads)`; use `.apply`.

    >>> import jitgrad as jg
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = jg.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    setup_context: Callable[[Context, tuple[Any, ...], Any], None]  # then forward takes no ctx

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """The values."""
        raise NotImplementedError("Function: define forward")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """A gradient for each argument of `forward`, None where there is none."""
        raise NotImplementedError("Function: define backward")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call `forward` and record one Edge for it."""
        state = local.state
        context = Context()
        edges = tuple(a._edge() if isinstance(a, Tensor) else None for a in args)
        wanted = state.grad and any(e is not None for e in edges)
        context.needs_input_grad = tuple(e is not None for e in edges)
        before, state.grad = state.grad, False
        try:
            if hasattr(cls, "setup_context"):
                out = cls.forward(*args)
                cls.setup_context(context, args, out)
            else:
                out = cls.forward(context, *args)
        finally:
            state.grad = before
        if not wanted:
            return out
        return _recorded(cls, context, edges, out)


def _recorded(cls: Any, context: Context, edges: tuple[Any, ...], out: Any) -> Any:
    """The results with history; inputs returned as they are become new Tensors."""
    results = out if isinstance(out, tuple) else (out,)
    where = site(local.state)
    call = _Call(cls.__name__, None, edges, (), None, None, where)
    call.context, call.function, call.grads = context, cls, {}
    made: list[Any] = []
    facts: list[Any] = []
    for x in results:
        if not isinstance(x, Tensor):
            made.append(x)
            continue
        node = node_of(x)
        edge = None
        if id(x) not in context.non_differentiable and x.dtype.kind == "f":
            edge = _Result(cls.__name__, None, (call,), (), node.shape, node.dtype, where)
            edge.index = len(facts)
        facts.append(node)
        made.append(wrap(node, edge))
    call.outputs = [Fact(n.shape, n.dtype) for n in facts]
    return tuple(made) if isinstance(out, tuple) else made[0]

"""The autograd tape: `Edge`, one per op recorded with gradient on, and the walk backward over them.

An Edge knows its op, the Edges of its operands and the Nodes its rule reads. Nothing points from a
Node or an Edge to a Tensor, so there are no cycles; all walks are loops.
Entry: `Edge`, `Leaf`, `run`. Imports: ir, ops.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any
from weakref import ref

from jitgrad.frontend.pending import flush
from jitgrad.frontend.rules import SHAPE, UNUSED, VALUE, Rule
from jitgrad.frontend.state import local, rebound
from jitgrad.ir import site as ir_site
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape
from jitgrad.ir.site import Site
from jitgrad.ops import FUNCTIONS, RECORDERS

order = count(1)  # Edges are younger than what they use: the order of backward


# What PyTorch calls by another name; the names of functions that end in a digit.
_NAMES = {
    "cast": "ToCopyBackward0", "clamp": "ClampBackward1", "copy": "CopyBackwards",
    "copy_slices": "CopySlices", "log1p": "Log1PBackward0", "matmul": "BmmBackward0",
    "square": "PowBackward0",
    **{name: f"{name.capitalize()}Backward0" for name in FUNCTIONS if name[-1].isdigit()},
}  # fmt: skip


class Box:
    """Holds a gradient: shared by a Tensor (`.grad`) and the Edge that fills it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None


class Fact:
    """Stands for an operand of which a rule reads only the shape and dtype."""

    __slots__ = ("device", "dtype", "ndim", "shape")

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = "cpu"
        self.ndim = len(shape)


class Edge:
    """One recorded op on the tape.

    `saved` holds, for y and each operand, the Node, (shape, dtype) or None, as the rule reads it;
    it becomes None when backward has freed it. `inputs` are the operands' Edges, None where no
    gradient is wanted.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "dtype",
        "frees",
        "hooks",
        "inputs",
        "label",
        "rule",
        "saved",
        "seq",
        "shape",
        "site",
    )
    opens = False  # whether other Edges may stand for this one, see `_inner`
    fixed = True  # whether the gradient depends on nothing but the values `held`

    def __init__(
        self,
        label: str,
        rule: Rule | None,
        inputs: tuple[Any, ...],
        attrs: tuple[Any, ...],
        shape: Shape | None,
        dtype: DType | None,
        site: Site,
    ) -> None:
        self.label = label
        self.rule = rule
        self.inputs = inputs
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.site = site
        self.saved: Any = ()
        self.frees = False  # whether a second backward would miss something
        self.hooks: Any = None
        self.seq: float = next(order)  # of one that stands for another: between whole numbers

    def save(self, y: Node, operands: Iterable[Node], numbers: int = 0) -> None:
        """Save what the rule reads; `numbers` has the bits of operands that are plain numbers."""
        rule = self.rule
        reads, rest = rule.reads, rule.rest  # type: ignore[union-attr]  # who saves has one
        named = len(reads)
        saved: list[Any] = []
        for i, node in enumerate((y, *operands)):
            level = reads[i] if i < named else rest
            if level == UNUSED:
                saved.append(None)
            elif level == SHAPE:
                saved.append((node.shape, node.dtype))
            else:
                saved.append(node)
                if not numbers >> i & 1:
                    self.frees = True
                    if node.inputs:
                        if node.keepers is None:
                            node.keepers = []
                        node.keepers.append(ref(self))
        self.saved = tuple(saved)

    def release(self) -> None:
        """Drop what was saved, unless it is nothing but numbers."""
        if self.frees:
            self.saved = None

    @property
    def freed(self) -> bool:
        """Whether what was saved has been dropped."""
        return self.saved is None

    def held(self) -> list[Node]:
        """The values that the gradient reads."""
        return [x for x in self.saved or () if isinstance(x, Node)]

    def over(self, inputs: tuple[Any, ...], table: dict[int, Node] | None) -> Edge:
        """A copy that leads to other Edges, its values replaced by `table` (None: the same)."""
        new = Edge(self.label, self.rule, inputs, self.attrs, self.shape, self.dtype, self.site)
        new.frees = self.frees
        new.saved = self.saved
        if table is not None:
            new.saved = tuple([table[id(x)] if isinstance(x, Node) else x for x in self.saved])
        return new

    def backward(self, g: Any, create: bool) -> Any:
        """The gradients of the operands; Nodes from a Node, Tensors from a Tensor."""
        if create:
            args = [self._operand(i, item) for i, item in enumerate(self.saved)]
        else:
            args = [Fact(*item) if type(item) is tuple else item for item in self.saved]
        return self.rule.fn(g, *args, *self.attrs)  # type: ignore[union-attr]  # as in `save`

    def _operand(self, position: int, item: Any) -> Any:
        """What was saved, as a Tensor."""
        if type(item) is tuple:
            return Fact(*item)
        if item is None:
            return None
        edge = self if position == 0 else self.inputs[position - 1]
        if edge is not None and (edge.shape != item.shape or edge.dtype is not item.dtype):
            edge = passing(edge, item.shape, item.dtype)  # the operand was cast or broadcast
        return _lift(item, edge)

    def name(self) -> str:
        """The name PyTorch would print."""
        label = self.label
        if label in _NAMES:
            return _NAMES[label]
        form = label[-1] if label[-1].isdigit() else "0"  # "sum1": the second form of sum
        words = label.rstrip("0123456789").split("_")
        return "".join(w[:1].upper() + w[1:] for w in words) + "Backward" + form

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The Edges of the operands, as pairs like PyTorch's."""
        return tuple((edge, 0) for edge in self.inputs)

    def register_hook(self, fn: Callable[..., Any]) -> Handle:
        """Call `fn(grad)` with the gradient of the result; what it returns replaces it."""
        return add_hook(self, fn)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Leaf:
    """Where the gradient of a leaf Tensor arrives."""

    __slots__ = ("__weakref__", "after", "box", "dtype", "hooks", "seq", "shape")
    inputs = ()
    opens = False
    next_functions = ()

    def __init__(self, shape: Shape, dtype: DType, box: Box) -> None:
        self.shape = shape
        self.dtype = dtype
        self.box = box
        self.hooks: Any = None
        self.after: Any = None  # hooks called when the gradient has been added
        self.seq = next(order)

    def name(self) -> str:
        """The name PyTorch would print."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


class Handle:
    """What registering a hook returns: `remove()` takes the hook away."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self._hooks = hooks
        self._key = key

    def remove(self) -> None:
        """Forget the hook."""
        rebound[0] += 1
        self._hooks.pop(self._key, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


def add_hook(edge: Any, fn: Callable[..., Any], slot: str = "hooks") -> Handle:
    """Register `fn` on an Edge or Leaf."""
    hooks = getattr(edge, slot)
    if hooks is None:
        hooks = {}
        setattr(edge, slot, hooks)
    key = next(order)
    hooks[key] = fn
    rebound[0] += 1
    return Handle(hooks, key)


_PASS = Rule(lambda g, *_: g, (), UNUSED)


def passing(edge: Any, shape: Shape, dtype: DType) -> Edge:
    """An Edge for a cast or broadcast form of what `edge` made: depositing undoes both."""
    return Edge("expand", _PASS, (edge,), (), shape, dtype, ("", 0, ""))


def _lift(node: Node, edge: Any) -> Any:
    from jitgrad.frontend.record import wrap

    return wrap(node, edge)


def fit(g: Any, shape: Shape, dtype: DType) -> Any:
    """Gradient `g` summed over broadcast axes and cast, for an operand of `shape` and `dtype`."""
    have = tuple(g.shape)
    if have != shape:
        lead = len(have) - len(shape)
        axes = tuple(i for i, n in enumerate(have) if i < lead or (n != 1 and shape[i - lead] == 1))
        if axes:
            g = RECORDERS["sum"](g, axes=axes)
        if tuple(g.shape) != shape:
            g = RECORDERS["reshape"](g, shape=shape)
    if g.dtype is not dtype:
        g = RECORDERS["cast"](g, dtype=dtype)
    return g


def deposit(grads: dict[Any, Any], edge: Any, g: Any) -> bool:
    """Add `g` to the gradient of what `edge` made; whether it is the first."""
    shape = edge.shape
    # None: the call of a Function, which keeps its own gradients
    if shape is not None and (g.shape != shape or g.dtype is not edge.dtype):
        g = fit(g, shape, edge.dtype)
    before = grads.get(edge)
    if before is None:
        grads[edge] = g
        return True
    if shape is not None:
        grads[edge] = before + g
    return False


def run(
    roots: list[tuple[Any, Any]],
    *,
    retain: bool,
    create: bool,
    targets: list[Any] | None = None,
    accumulate: Callable[[Leaf, Any, bool], None],
) -> dict[Any, Any]:
    """Walk backward from (Edge, gradient) pairs, youngest Edge first.

    Without `targets` gradients are given to `accumulate` at every leaf; else the gradients of the
    target Edges are returned and only what leads to them runs. Gradients are Nodes, or Tensors when
    they are to be differentiated again (`create`).
    """
    state = local.state
    recorded = create or state.capture is not None
    roots = [(_inner(edge, recorded), g) for edge, g in roots]
    goals = {_inner(edge, recorded): edge for edge in targets or ()}
    wanted = None
    if targets is not None:
        wanted = _leading_to([edge for edge, _ in roots], goals, recorded)
    found: dict[Any, Any] = {}
    grads: dict[Any, Any] = {}
    heap: list[tuple[int, Any]] = []

    before = state.rule, state.grad, state.forced
    forced = ir_site.swap(None)
    here = ir_site.here()
    ir_site.swap((here[0], here[1], "backward"))
    state.rule, state.grad, state.forced = True, create, True
    try:
        for edge, g in roots:
            if (wanted is None or edge in wanted) and deposit(grads, edge, g):
                heapq.heappush(heap, (-edge.seq, edge))
        while heap:
            edge = heapq.heappop(heap)[1]
            g = grads.pop(edge)
            if edge.hooks:
                g = _call_hooks(edge, g, create)
            if edge in goals:
                found[goals[edge]] = g
            if type(edge) is Leaf:
                if targets is None:
                    accumulate(edge, g, create)
                continue
            if wanted is not None and not any(_inner(e, recorded) in wanted for e in edge.inputs):
                continue
            if edge.saved is None:
                raise RuntimeError(_twice(edge))
            site = edge.site
            ir_site.swap((site[0], site[1], f"grad of {edge.label}"))
            out = edge.backward(g, create)
            if not retain:
                edge.release()
            if type(out) is not tuple:
                out = (out,)
            if state.eager and not create:
                flush([n for n in out if n is not None])
            for into, g in zip(edge.inputs, out, strict=False):
                if into is None or g is None:
                    continue
                into = into.inner(recorded) if into.opens else into
                if (wanted is None or into in wanted) and deposit(grads, into, g):
                    heapq.heappush(heap, (-into.seq, into))
    finally:
        state.rule, state.grad, state.forced = before
        ir_site.swap(forced)
    return found


def _twice(edge: Edge) -> str:
    file, line, _ = edge.site
    return (
        f"backward: trying to backward through the graph a second time: what {edge.label} "
        f"(recorded at {file}:{line}) saved was freed by the first backward; "
        "specify retain_graph=True there"
    )


def _inner(edge: Any, recorded: bool) -> Any:
    """The Edge that stands for `edge`: another where its gradient is `recorded`, and ever after."""
    return edge.inner(recorded) if edge is not None and edge.opens else edge


def _leading_to(roots: list[Any], goals: Iterable[Any], recorded: bool) -> set[Any]:
    """The Edges on a path from `roots` to `goals`, found by age: inputs are older."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for x in stack.pop().inputs:
            edge = _inner(x, recorded)
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    goals = set(goals)
    out: set[Any] = set()
    for edge in sorted(seen, key=lambda e: e.seq):
        if edge in goals or any(_inner(e, recorded) in out for e in edge.inputs):
            out.add(edge)
    return out


def _call_hooks(edge: Any, g: Any, create: bool) -> Any:
    """Pass `g` through the hooks, which see it as a Tensor; hooks run the user's code."""
    state = local.state
    before, forced = (state.rule, state.forced), ir_site.swap(None)
    state.rule = state.forced = False
    tensor = g if create else _lift(g, None)
    try:
        for hook in sorted(edge.hooks.items(), key=_retain_last):
            out = hook[1](tensor)
            if out is not None:
                tensor = out
    finally:
        state.rule, state.forced = before
        ir_site.swap(forced)
    return tensor if create else node_of(tensor)


def _retain_last(item: tuple[int, Any]) -> tuple[bool, int]:
    return (isinstance(item[1], Retain), item[0])


class Retain:
    """The hook of `retain_grad`: stores the gradient, after all other hooks."""

    __slots__ = ("box",)

    def __init__(self, box: Box) -> None:
        self.box = box

    def __call__(self, g: Any) -> None:
        from jitgrad.frontend.record import wrap

        kept = self.box.value
        if kept is not None:
            g = kept + g
        self.box.value = g if g.requires_grad else wrap(node_of(g), None)


def node_of(tensor: Any) -> Node:
    """The Node of a Tensor as it stands now."""
    return tensor._pair(local.state)[0]


__all__ = ["VALUE", "Box", "Edge", "Handle", "Leaf", "Retain", "add_hook", "fit", "node_of", "run"]

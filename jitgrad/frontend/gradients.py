"""Gradients on Tensors: `backward`, `grad`, and where leaf gradients go.

Entry: `backward`, `grad`. Imports: the tape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitgrad.frontend.pending import flush, grow
from jitgrad.frontend.record import Base, assign, wrap
from jitgrad.frontend.state import local, place
from jitgrad.frontend.tape import Leaf, node_of, run
from jitgrad.ir.apply import const
from jitgrad.ir.node import Node
from jitgrad.ops.fill import filled


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, Base) else tuple(value)


def _roots(outputs: tuple[Any, ...], grads: Any, create: bool) -> list[tuple[Any, Any]]:
    """Pairs of Edge and first gradient."""
    given = (None,) * len(outputs) if grads is None else _grads_tuple(grads)
    if len(given) != len(outputs):
        raise RuntimeError(
            f"backward: got {len(outputs)} tensors and {len(given)} gradients; "
            "give one gradient for each"
        )
    return [(y._edge(), _first(y, g, create)) for y, g in zip(outputs, given, strict=True)]


def _grads_tuple(grads: Any) -> tuple[Any, ...]:
    return (grads,) if isinstance(grads, Base) else tuple(grads)


def _first(y: Any, g: Any, create: bool) -> Any:
    if y._edge() is None:
        raise RuntimeError(
            "backward: element 0 of tensors does not require grad and does not have a grad_fn "
            f"(shape {tuple(y._shape)}, {y._dtype}); only floating tensors made from ones with "
            "requires_grad=True have gradients"
        )
    if g is None:
        if y.numel() != 1:
            raise RuntimeError(
                "backward: grad can be implicitly created only for scalar outputs, not for shape "
                f"{tuple(y._shape)}; pass a gradient of that shape or reduce the output first"
            )
        node = filled(1, y._shape, y._dtype, const(1, y._dtype, y.device.type))
        return wrap(node) if create else node
    if tuple(g._shape) != tuple(y._shape):
        raise RuntimeError(
            f"backward: Mismatch in shape: gradient has shape {tuple(g._shape)}, "
            f"the output {tuple(y._shape)}"
        )
    return g if create else node_of(g)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to `.grad` of the leaves (or of `inputs` only).

    >>> import jitgrad as jg
    >>> x = jg.tensor([1.0, 2.0], requires_grad=True)
    >>> jg.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    if grad_variables is not None:
        raise NotImplementedError("backward: grad_variables is deprecated; use grad_tensors")
    outputs = _tuple(tensors)
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, grad_tensors, create_graph)
    if inputs is None:
        state = local.state
        here = place(state)
        leaves: list[Leaf] = []

        def arrive(leaf: Leaf, g: Any, create: bool) -> None:
            leaves.append(leaf)
            _accumulate(leaf, g, create)

        run(roots, retain=retain, create=create_graph, accumulate=arrive)
        if leaves and not state.eager:  # gradients that only ever accumulate are a growing chain
            grow(state, here, max(leaf.box.value._storage.depth for leaf in leaves))
        return
    chosen = _tuple(inputs)
    if not chosen:
        raise RuntimeError("backward: inputs cannot be empty")
    edges = [_target(x) for x in chosen]
    found = run(roots, retain=retain, create=create_graph, targets=edges, accumulate=_accumulate)
    for x, edge in zip(chosen, edges, strict=True):
        if edge not in found:
            continue
        if type(edge) is Leaf:
            _accumulate(edge, found[edge], create_graph)
        else:
            g = found[edge]
            x.retain_grad()
            box = x._box
            tensor = g if create_graph else wrap(g)
            box.value = tensor if box.value is None else box.value + tensor


def _target(x: Any) -> Any:
    edge = x._edge()
    if edge is None:
        raise RuntimeError(
            f"grad: one of the inputs (shape {tuple(x._shape)}) does not require grad"
        )
    return edge


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, without touching `.grad`.

    >>> import jitgrad as jg
    >>> x = jg.tensor(3.0, requires_grad=True)
    >>> jg.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    if not only_inputs:
        raise NotImplementedError("grad: only_inputs=False is deprecated; use backward")
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched")
    chosen: Sequence[Any] = _tuple(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    edges = [_target(x) for x in chosen]
    roots = _roots(_tuple(outputs), grad_outputs, create_graph)
    found = run(roots, retain=retain, create=create_graph, targets=edges, accumulate=_accumulate)
    out: list[Any] = []
    for x, edge in zip(chosen, edges, strict=True):
        g = found.get(edge)
        if g is None:
            if materialize_grads:
                g = filled(0, x._shape, x._dtype, const(0, x._dtype, x.device.type))
            elif not allow_unused:
                raise RuntimeError(
                    "grad: One of the differentiated Tensors appears to not have been used in the "
                    f"graph (shape {tuple(x._shape)}). Set allow_unused=True if this is the "
                    "desired behavior."
                )
        out.append(wrap(g) if isinstance(g, Node) else g)
    if local.state.eager:
        flush([node_of(g) for g in out if g is not None])
    return tuple(out)


def _accumulate(leaf: Leaf, g: Any, create: bool) -> None:
    """Add `g` to the gradient of a leaf: in place, unless it is to be differentiated again."""
    box = leaf.box
    capture = local.state.capture
    if capture is not None:
        capture.box(box, leaf)
    kept = box.value
    if kept is None:
        box.value = wrap(node_of(g)) if create and not g.requires_grad else g if create else wrap(g)
    elif create or kept.requires_grad:
        box.value = kept + (g if create else wrap(g))
    else:
        assign(kept, wrap(node_of(kept) + g))
        kept._storage.depth += 1
    state = local.state
    if state.eager:
        flush([node_of(box.value)])
    if leaf.after:
        before, state.rule, state.forced = (state.rule, state.forced), False, False
        try:
            for fn in list(leaf.after.values()):
                fn()
        finally:
            state.rule, state.forced = before


__all__ = ["backward", "grad"]

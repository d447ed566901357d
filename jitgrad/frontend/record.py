"""Recording ops on Tensors: one Node now, and one Edge if a gradient may be wanted.

`Base` is what of a Tensor recording needs: storage, history, view. Every op of a Tensor comes
through `record` (any op), `elementwise` (the short way), `view` or `assign` (a write).
Imports: ir, ops' write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from jitgrad.frontend import meta, pending
from jitgrad.frontend.operands import (
    DTYPES_OF,
    OWN_DTYPES,
    broadcast,
    cast_node,
    conform,
    dtypes_of,
)
from jitgrad.frontend.recovery import recover
from jitgrad.frontend.rules import rule_for
from jitgrad.frontend.state import Place, State, local, place, rebound, site
from jitgrad.frontend.storage import Storage, Track, View
from jitgrad.frontend.tape import Edge, Leaf
from jitgrad.frontend.views import contiguous_strides, extend, overlaps, place_of
from jitgrad.frontend.writing import put, written_edge
from jitgrad.ir import apply
from jitgrad.ir import site as ir_site
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import OPS, Op

new = object.__new__
tensor_class: Any = None  # the class of results; `tensor` puts itself here


class Base:
    """A view of a Storage (`_view` None: all of it), with the history that `_track` holds."""

    __slots__ = ("_box", "_dtype", "_shape", "_storage", "_track", "_view")

    _storage: Storage
    _track: Any
    _view: View | None
    _shape: Shape
    _dtype: DType
    _box: Any

    if TYPE_CHECKING:  # most methods come from tables

        def __getattr__(self, name: str) -> Any: ...

    def _pair(self, state: State) -> tuple[Node, Any]:
        """The value and the history as they stand now."""
        view, storage = self._view, self._storage
        if state.capture is not None:
            state.capture.read(storage)
        if view is not None:
            return storage.read(view.chain, site(state)), self._edge()
        node = storage.node
        return storage.read((), None) if node is None else node, self._track.edge

    def _edge(self) -> Any:
        """The Edge that made this value; derived anew when the storage was written since."""
        root = self._track.edge
        view = self._view
        if view is None or root is None:
            return root
        if view.root is not root:
            edge, shape = root, self._storage.shape
            for name, attrs in view.chain:
                edge = movement_edge(edge, name, attrs, shape)
                shape = edge.shape or ()
            view.edge, view.root = edge, root
        return view.edge

    def _place(self) -> tuple[Shape, int]:
        """Strides and offset in the storage, in elements."""
        storage, view = self._storage, self._view
        if storage.node is None:
            size = storage.external.itemsize
            strides = tuple(s // size for s in storage.external.strides)
        else:
            strides = contiguous_strides(storage.node.shape)
        if view is None:
            return strides, 0
        if view.place is None:
            view.place = place_of(storage.shape, strides, view.chain)
            assert view.place is not None, "every view is strided"
        return view.place


def make(
    cls: Any, storage: Storage, track: Any, view: View | None, shape: Shape, dtype: DType
) -> Any:
    """A Tensor of class `cls`."""
    t = new(cls)
    t._storage = storage
    t._track = track
    t._view = view
    t._shape = shape
    t._dtype = dtype
    t._box = None
    return t


def label(t: Any, name: str) -> Any:
    """`t`, its history printing under the name of the function that composed it."""
    edge = t._track.edge if t._view is None else t._view.edge
    if isinstance(edge, Edge):
        edge.label = name
    return t


def wrap(node: Node, edge: Any = None) -> Any:
    """A Tensor over `node`, with history `edge`."""
    storage = Storage(node)
    if node.inputs:
        storage.depth = 1
        register(local.state, [storage])
    elif local.state.capture is not None:
        local.state.capture.own[id(storage)] = storage
    track = storage if edge is None else Track(edge)
    return make(tensor_class, storage, track, None, node.shape, node.dtype)


def register(state: State, storages: list[Storage]) -> None:
    """Storages got values that are pending."""
    state.pending += map(ref, storages)
    if len(state.pending) >= state.limit:
        pending.sweep(state)


def finished(state: State, here: Place | None, node: Node, edge: Any, depth: int) -> Any:
    """The Tensor of an op just recorded; computed at once in eager mode."""
    storage = new(Storage)
    storage.node = node
    storage.edge = None
    storage.version = 0
    storage.depth = depth
    storage.external = storage.settled = None
    t = new(tensor_class)
    t._storage = t._track = storage
    if edge is not None:
        t._track = new(Track)
        t._track.edge = edge
    t._view = t._box = None
    t._shape = node.shape
    t._dtype = node.dtype
    _recorded(state, here, storage, depth)
    return t


def _recorded(state: State, here: Place | None, storage: Storage, depth: int) -> None:
    if state.eager:
        if not state.forced:
            try:
                pending.flush((storage.node,))  # type: ignore[arg-type]  # just recorded
            except Exception as error:
                recover(state, [storage], error)
                raise
        return
    waiting = state.pending
    waiting.append(ref(storage))
    if len(waiting) >= state.limit:
        pending.sweep(state)
    if here is not None:  # as `pending.grow`, which is called too often to call
        if here.epoch != state.epoch or depth < here.depth:
            here.epoch = state.epoch
            here.count = 1
            here.depth = depth
        else:
            here.count += 1
            if depth - here.depth >= pending.LINKS - 1:
                pending.cut(state, here, depth)


# ---- ops


def elementwise(op: Op, args: tuple[Any, ...], attrs: tuple[Any, ...] = ()) -> Any:
    """Record an elementwise op on Tensors and numbers."""
    state = local.state
    here = None if state.forced else place(state)
    where = ir_site.here() if here is None else here.site
    nodes: list[Any] = []
    edges: list[Any] = []
    shape: Any = None
    dtype: Any = None
    device = "cpu"
    one_dtype = one_shape = True
    wanted = depth = 0
    for i, a in enumerate(args):
        if isinstance(a, Base):
            storage = a._storage
            if state.capture is not None:
                state.capture.read(storage)
            if a._view is None and storage.node is not None:
                node = storage.node
                edge = a._track.edge
            else:
                node, edge = a._pair(state)
            if node.inputs and storage.depth > depth:
                depth = storage.depth
            if edge is not None:
                wanted |= 1 << i
            edges.append(edge)
        elif isinstance(a, Node):
            node = a
            edges.append(None)
        else:
            nodes.append(a)
            edges.append(None)
            one_dtype = False
            continue
        nodes.append(node)
        if shape is None:
            shape, dtype, device = node.shape, node.dtype, node.device
        else:
            if node.device is not device:
                device = meta.together(op.name, args, nodes)
            if node.shape != shape:
                one_shape = False
            if node.dtype is not dtype:
                one_dtype = False
    numbers = 0
    if one_dtype and op.name not in OWN_DTYPES:
        if not one_shape:
            shape = broadcast(op, nodes, where)
        common, result = DTYPES_OF.get((op, dtype)) or dtypes_of(op, dtype)
        if common is not dtype:
            nodes = [cast_node(node, common, where) for node in nodes]
    else:
        shape, result, numbers = conform(op, nodes, attrs, state, where)
    node = Node(op, tuple(nodes), attrs, shape, result, device, where)
    edge = None
    if wanted and state.grad and result.kind == "f" and op.gradient is not None:
        edge = Edge(op.name, rule_for(op, wanted), tuple(edges), attrs, shape, result, where)
        edge.save(node, nodes, numbers)
    return finished(state, here, node, edge, depth + 1)


def cast(t: Any, dtype: DType) -> Any:
    """`t` converted to `dtype`; itself if it has it."""
    return t if t._dtype is dtype else elementwise(OPS["cast"], (t,), (dtype,))


def record(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Record any op with at least one Tensor among its operands (found by `ir.apply.call`)."""
    values = tuple(attrs[name] for name in op.attr_names)
    if len(values) != len(attrs):
        extra = ", ".join(sorted(set(attrs) - set(op.attr_names)))
        raise TypeError(f"{op.name}: unexpected argument {extra}")
    if op.kind == "elementwise":
        return elementwise(op, args, values)
    return general(op, args, values)


def general(op: Op, args: tuple[Any, ...], attrs: tuple[Any, ...], where: Any = None) -> Any:
    """Record a reduction, movement or library op; the result has its own storage.

    `where` is the site of an op that belongs to the one just recorded.
    """
    state = local.state
    here = None
    if where is None:
        if state.forced:
            where = ir_site.here()
        else:
            here = place(state)
            where = here.site
    nodes: list[Node] = []
    edges: list[Any] = []
    device: Any = None
    wanted = depth = mixed = 0
    for i, a in enumerate(args):
        if isinstance(a, Base):
            node, edge = a._pair(state)
            if node.inputs and a._storage.depth > depth:
                depth = a._storage.depth
            if edge is not None:
                wanted |= 1 << i
        elif isinstance(a, Node):
            node, edge = a, None
        else:
            raise TypeError(f"{op.name}: operand must be a Tensor, not {type(a).__name__}")
        if device is None:
            device = node.device
        elif node.device is not device:
            mixed = 1
        nodes.append(node)
        edges.append(edge)
    shape, result = apply.infer(op, tuple(nodes), attrs)
    if mixed:
        device = meta.together(op.name, args, nodes)
    node = Node(op, tuple(nodes), attrs, shape, result, device, where)
    edge = None
    if wanted and state.grad and result.kind == "f" and op.gradient is not None:
        edge = Edge(op.name, rule_for(op, wanted), tuple(edges), attrs, shape, result, where)
        edge.save(node, nodes)
    return finished(state, here, node, edge, depth + 1)


# ---- views


def movement_edge(edge: Any, name: str, attrs: tuple[Any, ...], shape: Shape) -> Edge:
    """The Edge of a movement step on what `edge` made."""
    op = OPS[name]
    out = Edge(
        name,
        rule_for(op, 1),
        (edge,),
        attrs,
        op.shape(shape, *attrs),
        edge.dtype,
        site(local.state),
    )
    out.saved = (None, (shape, edge.dtype))
    return out


def view(t: Any, name: str, attrs: tuple[Any, ...]) -> Any:
    """A Tensor that shares the storage of `t` through one more movement step."""
    shape = OPS[name].shape(t._shape, *attrs)
    old = t._view
    chain = extend(() if old is None else old.chain, name, attrs)
    track = t._track
    edge = root = None
    parent = t._edge()
    if parent is not None:
        if local.state.grad:
            edge, root = movement_edge(parent, name, attrs, t._shape), track.edge
        else:
            track = Track()
    seen = View(chain, edge, root)
    if old is not None and old.place is not None:
        place = place_of(t._shape, old.place[0], ((name, attrs),))
        seen.frozen = old.frozen
        seen.place = place and (place[0], old.place[1] + place[1])
    return make(tensor_class, t._storage, track, seen, shape, t._dtype)


# ---- writes


def check_writable(t: Any, name: str) -> None:
    """Refuse an in-place op that PyTorch refuses."""
    state = local.state
    if state.grad and type(t._track.edge) is Leaf:
        if state.capture is not None:
            state.capture.write(t._storage)  # a scan's stand-in is no leaf of the user's
        what = "a leaf Variable" if t._view is None else "a view of a leaf Variable"
        raise RuntimeError(
            f"{name}: {what} that requires grad is being used in an in-place operation; "
            "do it under no_grad(), or on a clone"
        )
    if t._view is None:
        return
    if t._view.frozen is not None:
        raise NotImplementedError(f"{name}: writing to {t._view.frozen}; write to its base")
    if overlaps(t._shape, t._place()[0]):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor of "
            f"shape {tuple(t._shape)} refers to a single memory location; clone() it first"
        )


def assign(t: Any, value: Any) -> Any:
    """Put `value`, a Tensor of the same shape and dtype, into the elements that `t` views."""
    state = local.state
    here = None if state.forced else place(state)
    where = ir_site.here() if here is None else here.site
    node, edge = value._pair(state)
    storage, seen, track = t._storage, t._view, t._track
    if state.capture is not None:
        state.capture.write(storage)
    depth = value._storage.depth if node.inputs else 0
    chain = () if seen is None else seen.chain
    if storage.node is not None and storage.node.device is not node.device:
        node = meta.crossing(storage.node, node)
    if state.grad and (edge is not None or track.edge is not None):
        rebound[0] += 1
        track.edge = written_edge(storage.shape, t._dtype, chain, track.edge, edge, where)
    if storage.node is not None and storage.node.inputs:
        depth = max(depth, storage.depth)
    put(storage, chain, node, where)
    storage.version += 1
    if storage.node is not None:
        storage.depth = depth
        _recorded(state, here, storage, depth)
    return t

"""What a capture amounts to: the graph, where its inputs come from, where its results go.

Entry: `Recording(capture, result)`; raises `Unfit` with the reason if later calls need Python.
Two recordings of one program `agree`. Imports: the capture.
"""

from __future__ import annotations

import dataclasses
import gc
from sys import getrefcount
from typing import Any

from jitgrad.frontend.argtree import ATOMS
from jitgrad.frontend.capture import Capture, Unfit
from jitgrad.frontend.history import History
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.pending import flush, kept
from jitgrad.frontend.record import Base
from jitgrad.frontend.storage import Storage
from jitgrad.frontend.tape import Box, Edge, Leaf
from jitgrad.ir.loop import LOOP
from jitgrad.ir.node import Node, walk
from jitgrad.ir.references import ASKING


class Shared(Unfit):
    """Several storages held one value, so that one cannot tell which of them was read."""

    def __init__(self, storages: list[Storage]) -> None:
        super().__init__("two tensors hold one value")
        self.storages = storages


@dataclasses.dataclass(slots=True)
class NewTensor:
    """A Tensor that every call makes: over a new storage, or as a view of one from before."""

    cls: type
    source: tuple[str, int]  # ("new", storage) or ("input", input)
    chain: Any
    shape: Any
    dtype: Any
    track: int | None  # which Track holds its history, among new ones; None: the storage
    # None, "leaf", ("freed", label, line) of an Edge whose values backward has freed, ("root", i):
    # that of `Recording.history`, or ("shared", i): the very one of `Recording.holders[i]`
    history: Any
    # Of a view, its own history: None, ("after", rank) if it follows from the other one and is made
    # in that order, or ("root", i)
    view: Any = None

    def key(self) -> Any:
        """What two recordings must share."""
        return (
            self.cls, self.source, self.chain, self.shape, self.dtype, self.track, self.history,
            self.view,
        )  # fmt: skip


class Recording:
    """One clean call.

    Attributes:
        history: of what is returned, None if nothing is differentiable; `outer`: where it ends.
        inputs: nodes read; `sources`: where each comes from ("keep", storage), ("box", box),
            ("arg", i), ("box of", i), ("batch", i) or ("external", storage).
        roots: nodes to compute; a value is ("out", root), ("in", input) or ("const", node).
        stores: (value, shape, dtype) of new storages. writes: (input, value, writes counted).
        boxes: (("box", box) or ("box of", i), whether there was a gradient (None: nobody looked),
            new content or "same" or None).
        result: nested description of what is returned.
    """

    def __init__(self, capture: Capture, result: Any, patient: bool = True) -> None:
        self.capture = capture
        self.patient = patient
        self.watch = capture.watch
        self.inputs: list[Node] = []
        self.sources: list[tuple[str, Any]] = []
        self.roots: list[Node] = []
        self.stores: list[tuple[Any, Any, Any]] = []
        self.writes: list[tuple[int, Any, int]] = []
        self.boxes: list[tuple[Any, bool | None, Any]] = []
        self.tensors: list[NewTensor] = []
        self._root_at: dict[int, int] = {}
        self._store_at: dict[int, int] = {}
        self._tensor_at: dict[int, int] = {}
        self._track_at: dict[int, int] = {}
        self._input_at: dict[int, int] = {}  # storage -> input
        self._node_at: dict[int, int] = {}  # node -> input
        self._fresh: dict[int, Storage] = {}
        if capture.reason:
            raise Unfit(capture.reason)
        if capture.modes_changed():
            raise Unfit("it changes the gradient mode")
        self.holders: list[Any] = []  # tensors from before
        self._edges: list[Edge] = []  # histories of results
        self._returned: list[Any] = []  # the new Tensors
        self._origins()
        self.result = self._describe(result)
        self._changes()
        self.history, self.outer = self._history()
        self._sort()
        self.order = walk(self.roots)
        self._leaves()
        self._escapes()
        if self.watch.drawn.used():
            raise Unfit("it draws random numbers that are not jitgrad's")
        changed = self.watch.changed()
        if changed is not None:
            raise Unfit(f"it changes {changed.label}")
        self.facts = [self._fact(n) for n in self.order]
        index = {id(n): i for i, n in enumerate(self.order)}
        self.wiring = [tuple([index[id(x)] for x in n.inputs]) for n in self.order]
        first = capture.generators
        self.draws = [(g, n, n.attrs[3] - first[id(g)][1]) for g, n in capture.draws]

    # ---- where storages come from

    def _origins(self) -> None:
        """Sources by storage: arguments, then gradients, then what guards have seen."""
        capture = self.capture
        self._origin: dict[int, tuple[str, Any]] = {}
        tensors = capture.pattern.tensors
        own_boxes: dict[int, tuple[str, Any]] = {}
        for t in self.watch.tensors.values():
            self._origin[id(t._storage)] = ("keep", t._storage)
            if t._box is not None:
                own_boxes[id(t._box)] = ("box", t._box)
        for i, t in enumerate(tensors):
            if t._box is not None:
                own_boxes.setdefault(id(t._box), ("box of", i))
            if i not in capture.pattern.batches:
                self._origin.setdefault(id(t._storage), ("arg", i))
        for key, (i, _, _) in capture.batches.items():
            self._origin[key] = ("batch", i)
        self._box_source = own_boxes
        for key, (_, before) in capture.boxes.items():
            if before is None or key not in own_boxes or key not in capture.looked:
                continue
            if before._view is not None or before._track.edge is not None:
                raise Unfit("a gradient is a view or has history")
            self._origin.setdefault(id(before._storage), own_boxes[key])

    def _input(self, storage: Storage, node: Node) -> int:
        at = self._input_at.get(id(storage))
        if at is None:
            source = self._origin.get(id(storage))
            if storage.external is not None and source is not None:
                source = ("external", source)
            if source is None:
                raise Unfit(f"it uses a tensor{tuple(node.shape)} that no guard can find again")
            self._owner(node)
            at = self._input_at[id(storage)] = len(self.inputs)
            self.inputs.append(node)
            self.sources.append(source)
            self._node_at[id(node)] = at
        return at

    def _owner(self, node: Node) -> Storage | None:
        """The storage to find `node` in at later calls."""
        found = [s for s in self.capture.of_node.get(id(node), ()) if id(s) in self._origin]
        if len(found) > 1:
            raise Shared(found)
        return found[0] if found else None

    def _value(self, node: Node) -> tuple[str, Any]:
        """What a storage holds at the end."""
        if node.realised:
            if id(node) in self.capture.made:
                return ("const", node)
            storage = self._owner(node)
            if storage is None:
                raise Unfit("a result was computed outside")
            at = self._input(storage, node)
            if self.sources[at][0] == "batch":
                raise Unfit("it copies an argument that is a view")
            return ("in", at)
        at = self._root_at.setdefault(id(node), len(self.roots))
        if at == len(self.roots):
            self.roots.append(node)
        return ("out", at)

    # ---- results

    def _describe(self, value: Any) -> Any:
        """The structure of what is returned."""
        if isinstance(value, Base):
            return self._tensor(value)
        kind = type(value)
        if kind is HostFloat:
            value.event.looked = True  # later calls would return this one
            return ("atom", float.__float__(value))
        if kind in ATOMS:
            return ("atom", value)
        if isinstance(value, (tuple, list)):
            return ("list", kind, [self._describe(v) for v in value])
        if kind is dict or (isinstance(value, dict) and not hasattr(value, "__dict__")):
            keys = list(value)
            return ("dict", kind, keys, [self._describe(v) for v in value.values()])
        if id(value) in self.watch.anchored:
            return ("same", value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [f.name for f in dataclasses.fields(value)]
            return ("fields", kind, names, [self._describe(getattr(value, n)) for n in names])
        raise Unfit(f"it returns a {kind.__name__}")

    def _tensor(self, t: Any) -> Any:
        for i, argument in enumerate(self.capture.pattern.tensors):
            if argument is t:
                return ("arg", i)
        if id(t) in self.watch.tensors:
            return ("same", t)
        for key, (box, before) in self.capture.boxes.items():
            if before is t and key in self._box_source and key in self.capture.looked:
                return ("held", self._box_source[key], box)
        return ("new", self._new(t))

    def _new(self, t: Any) -> int:
        at = self._tensor_at.get(id(t))
        if at is not None:
            return at
        if getattr(t, "__dict__", None):
            raise Unfit("it returns a tensor with attributes")
        if t._box is not None and t._box.value is not None:
            raise Unfit("it returns a tensor that has a gradient")
        storage = t._storage
        chain = None if t._view is None else t._view.chain
        source = self._storage(storage)
        at = self._tensor_at[id(t)] = len(self.tensors)
        self._returned.append(t)
        history = self._history_of(t)
        track = self._track(t, history)
        self.tensors.append(NewTensor(type(t), source, chain, t._shape, t._dtype, track, history))
        return at

    # ---- histories

    def _track(self, t: Any, history: Any) -> int | None:
        """Which new Track holds the history of a returned tensor."""
        if t._track is t._storage or history is not None and history[0] == "shared":
            return None
        return self._track_at.setdefault(id(t._track), len(self._track_at))

    def _history_of(self, t: Any) -> Any:
        """How a returned tensor's history is made again."""
        edge = t._track.edge
        before = [*self.capture.pattern.tensors, *self.watch.tensors.values()]
        for holder in before:
            if holder._track is t._track:  # writes to the one are history of the other
                return "shared", self._holder(holder)
        if edge is None:
            return None
        if type(edge) is Leaf:
            return "leaf"
        if _freed(edge):
            return "freed", edge.label, edge.site
        if edge not in self._edges:
            self._edges.append(edge)
        return "root", self._edges.index(edge)

    def _views(self) -> None:
        """The histories of new Tensors that are views, where they have been asked for."""
        views = []
        for t, new in zip(self._returned, self.tensors, strict=True):
            root, view = t._track.edge, t._view
            if view is not None and root is not None and type(view.edge) is Edge:
                if view.root is root and view.edge is not root and new.history[0] != "freed":
                    views.append((view.edge.seq, new, view.edge))
        alone = len(self._edges) == (0 if any(n.history[0] == "shared" for _, n, _ in views) else 1)
        for rank, (_, new, edge) in enumerate(sorted(views, key=lambda v: v[0])):
            if alone:
                new.view = "after", rank
            else:
                if edge not in self._edges:
                    self._edges.append(edge)
                new.view = "root", self._edges.index(edge)

    def _holder(self, t: Any) -> int:
        if not any(t is h for h in self.holders):
            self.holders.append(t)
        return next(i for i, h in enumerate(self.holders) if h is t)

    def _history(self) -> tuple[History | None, list[tuple[str, int]]]:
        """What the results' histories are, and where the Edges that they lead to are found:
        ("track" or "view", tensor in `holders`). Values that gradients need become roots."""
        self._views()
        if not self._edges:
            return None, []
        known: dict[int, tuple[str, Any]] = {}
        for t in [*self.capture.pattern.tensors, *self.watch.tensors.values()]:
            root, view = t._track.edge, t._view
            if root is not None:
                known.setdefault(id(root), ("track", t))
                if view is not None and view.root is root:
                    known.setdefault(id(view.edge), ("view", t))
        history = History(self._edges, set(known), self.capture.began)
        for node in kept(self.roots, set()):
            self._root_at.setdefault(id(node), len(self._root_at))
            if len(self._root_at) > len(self.roots):
                self.roots.append(node)
        found = [known[id(e)] for e in history.outer]
        return history, [(kind, self._holder(t)) for kind, t in found]

    def _storage(self, storage: Storage) -> tuple[str, int]:
        key = id(storage)
        if key in self._origin:
            i = self._origin[key]
            if storage.node is None:
                raise Unfit("it returns a view of memory that NumPy holds")
            before = self.capture.seen.get(key)
            if i[0] == "batch":
                raise Unfit("it returns a view of an argument that is a view")
            return ("input", self._input(storage, storage.node if before is None else before[1]))
        if key in self.capture._bases:
            raise Unfit("it returns a view of an argument that is a view")
        if storage.node is None:
            raise Unfit("it returns memory that NumPy holds")
        at = self._store_at.get(key)
        if at is None:
            value = self._value(storage.node)
            at = self._store_at[key] = len(self.stores)
            self.stores.append((value, storage.node.shape, storage.node.dtype))
            self._fresh[key] = storage
        return ("new", at)

    # ---- changes

    def _changes(self) -> None:
        capture = self.capture
        for key, (storage, before, version) in list(capture.seen.items()):
            node = storage.node
            if node is before and storage.version == version:
                continue
            if key not in self._origin:
                raise Unfit(f"it writes to a tensor{tuple(before.shape)} that no guard finds")
            assert node is not None, "memory does not become NumPy's"
            at = self._input(storage, before)
            self.writes.append((at, self._value(node), storage.version - version))
        for key, (storage, before, shadow) in capture.shadows.items():
            if key not in self._origin:
                raise Unfit("it makes a tensor over a NumPy array")
            at = self._input(storage, before)
            if shadow.node is not None and shadow.node is not before:
                self.writes.append((at, self._value(shadow.node), 0))
        for key, (box, before) in capture.boxes.items():
            source = self._box_source.get(key)
            if source is None:
                if before is not None or (box.value is not None and key not in capture.own_boxes):
                    raise Unfit("it uses the gradient of a tensor that no guard can find again")
                continue
            now, looked = box.value, key in capture.looked
            if now is before and looked:
                content: Any = "same"
            else:
                content = None if now is None else self._tensor(now)
            self.boxes.append((source, before is not None if looked else None, content))

    def _sort(self) -> None:
        """Put the roots in the order of a full flush: then the first call, which may have run as
        one because it made an optimizer's state, has built this very schedule."""
        rank = {id(s.node): i for i, s in enumerate(self.capture.live())}
        order = sorted(range(len(self.roots)), key=lambda i: rank.get(id(self.roots[i]), -1))
        place = {i: at for at, i in enumerate(order)}

        def moved(value: Any) -> Any:
            return ("out", place[value[1]]) if value[0] == "out" else value

        self.roots = [self.roots[i] for i in order]
        self.stores = [(moved(v), shape, dtype) for v, shape, dtype in self.stores]
        self.writes = [(i, moved(v), n) for i, v, n in self.writes]

    def _leaves(self) -> None:
        made = self.capture.made
        for node in self.order:
            if not node.realised or id(node) in made or id(node) in self._node_at:
                continue
            storage = self._owner(node)
            if storage is None:
                found = [s for s, n, _ in self.capture.shadows.values() if n is node]
                if not found:
                    raise Unfit("backward goes through what was computed outside")
                storage = found[0]
            self._input(storage, node)

    def _escapes(self) -> None:
        """Refuse tensors that something else than the results holds on to."""
        capture = self.capture
        own = [capture.boxes.pop(key)[0] for key in capture.own_boxes - self._box_source.keys()]
        capture.own.clear()
        capture.of_node.clear()
        held = self._held(own)
        if held and self.patient:  # the user's cycles may hold it
            gc.collect()
            held = self._held(own)
        if held:
            file, line, _ = held[0].node.site  # type: ignore[union-attr]  # held for its node
            raise Unfit(f"it keeps a tensor made at {file}:{line} that it does not return")
        for weak in self.capture.numbers:
            storage = weak()
            if storage is not None and id(storage) in self._origin:
                flush([storage.node])
                raise Unfit("a tensor held a number that was never computed")

    def _held(self, own: list[Box]) -> list[Storage]:
        """Storages that somebody holds; `own` are the gradients of leaves made inside, which die
        with these: the history of a result, which backward has freed, may still lead there."""
        known = {*self.capture.seen, *self._fresh, *self._origin}
        known |= {id(box.value._storage) for box in own if _forgotten(box)}
        known |= {id(shadow) for *_, shadow in self.capture.shadows.values()}
        return [s for s in self.capture.live() if id(s) not in known]

    # ---- agreement

    def _fact(self, node: Node) -> Any:
        at = self._node_at.get(id(node))
        if at is not None:
            return ("input", at, node.shape, node.dtype, node.strides)
        if node.realised:
            return ("made", node.shape, node.dtype, node.array().tobytes())
        name = node.op.name
        if name == "scalar":
            if type(node.data) is HostFloat:
                return ("host", node.dtype)
            return ("scalar", node.dtype, repr(node.data))
        if node.op.kind == "random" or name in _DRAWN:
            return (name, node.shape, node.dtype)
        attrs = node.attrs
        if node.op is LOOP:
            loop, part = attrs
            attrs = loop.form(), part
        return (name, node.shape, node.dtype, attrs, len(node.inputs))


_DRAWN = frozenset(["uniform", "normal", "random_bits"])


def _forgotten(box: Box) -> bool:
    """Whether a gradient is held by its box alone, and that by its Leaf alone, if at all."""
    t = box.value
    if t is None or getrefcount(t) != 1 + ASKING:
        return False
    s = t._storage
    # `s` is its Tensor's, also as its own track; `box` is in a list and a variable of the caller's.
    return getrefcount(box) <= 3 + ASKING and getrefcount(s) == 2 + ASKING


def _freed(edge: Any) -> bool:
    """Whether backward has freed the values of an Edge at or below this one."""
    seen, stack = {edge}, [edge]
    while stack:
        e = stack.pop()
        if isinstance(e, Edge) and e.freed:
            return True
        for x in e.inputs:
            if x is not None and x not in seen:
                seen.add(x)
                stack.append(x)
    return False

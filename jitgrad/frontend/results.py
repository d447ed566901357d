"""Lines that put the results of a run where a recording put them: storages, gradients, new Tensors.

Entry: `Results(...).write()`. What was replaced is kept as memory for the next run; it is used
again when nothing else refers to it. Imports: recordings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.frontend.record import make
from jitgrad.frontend.recording import NewTensor, Recording
from jitgrad.frontend.retracing import Retrace, replayed, retraced
from jitgrad.frontend.storage import Storage, Track, View, owned
from jitgrad.frontend.tape import Box, Edge, Leaf
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir.node import Node
from jitgrad.ir.op import OPS
from jitgrad.ir.references import ASKING
from jitgrad.runtime.script import Script

_BUFFER = OPS["buffer"]
_SITE = ("<compiled>", 0, "")
Value = tuple[str, Any]  # ("out", result), ("in", input) or ("const", node)


class Results:
    """Where results go.

    Attributes:
        traded: results whose memory goes to a storage that gives its old one for the next run.
        updated: inputs that get another memory at every run.
    """

    def __init__(
        self,
        script: Script,
        r: Recording,
        at: list[int],
        slots: dict[int, int],
        storage: Callable[[int], str],
        trace: Retrace | None,
    ) -> None:
        """`at`: of roots among results; `slots`: of inputs; `storage(input)`: an expression;
        `trace`: the history of what is returned, if it can be differentiated."""
        self.script = script
        self._trace = trace
        self.r = r
        self._at, self._slots = at, slots
        self._storage = storage
        self.external = [r.sources[i][0] == "external" for i in slots]
        batches = [r.sources[i][0] == "batch" for i in slots]
        self._updates: list[tuple[int, int, int]] = []  # input, result, writes counted
        self._writes: list[tuple[int, Value, int]] = []
        for i, described, count in r.writes:
            slot, value = slots[i], self._value(described)
            if value[0] == "out" and not self.external[slot] and not batches[slot]:
                self._updates.append((slot, value[1], count))
            else:
                self._writes.append((slot, value, count))
        self._stores = [(self._value(v), shape, dtype) for v, shape, dtype in r.stores]
        self._grads: list[tuple[Box, int, Any, Any]] = []  # plain gradients, which are nothing else
        self._boxes: list[tuple[Any, Any]] = []
        self._tracks: set[int] = set()  # made so far
        self._gone: set[int] = set()  # new Tensors that are plain gradients
        self._place_boxes()
        self.traded = {what for _, what, _ in self._updates} | {g[1] for g in self._grads}
        self.updated = {slot for slot, *_ in self._updates}

    def _value(self, described: tuple[str, Any]) -> Value:
        kind, what = described
        if kind == "const":
            return kind, what
        return kind, self._at[what] if kind == "out" else self._slots[what]

    def _place_boxes(self) -> None:
        r = self.r
        boxes = [(s, c) for s, _, c in r.boxes if c != "same"]
        used = Counter(_news(r.result)) + Counter(i for _, c in boxes if c for i in _news(c))
        sharing = Counter(t.source for t in r.tensors)
        for source, spec in boxes:
            if source[0] == "box" and spec is not None and spec[0] == "new":
                t = r.tensors[spec[1]]
                alone = used[spec[1]] == sharing[t.source] == 1 and t.source[0] == "new"
                if alone and t.chain is None and t.history is None and t.cls is Tensor:
                    (kind, what), shape, dtype = self._stores[t.source[1]]
                    if kind == "out":
                        self._grads.append((source[1], what, shape, dtype))
                        self._gone.add(spec[1])
                        continue
            self._boxes.append((source, spec))

    # ---- lines

    def write(self) -> None:
        """All lines; result i is the buffer `out{i}`, traded memory goes to `spare{i}`."""
        r, line = self.r, self.script.line
        self.script.use(
            node=_node, fresh=_fresh, spent=_spent, tensor=_tensor, leaf=_leaf, Storage=Storage,
            Tensor=Tensor, Track=Track,
            Box=Box, copyto=np.copyto,
        )  # fmt: skip
        self._before()
        if self._trace is not None:
            self._histories(self._trace)
        for slot, what, count in self._updates:
            self._update(slot, what, count)
        for grad in self._grads:
            self._grad(*grad)
        for slot, value, count in self._writes:
            storage = self._storage(slot)
            if self.external[slot]:
                line(f"copyto({storage}.external, {self._array(slot, value)})")
            else:
                line(f"{storage}.version += {count}", f"{storage}.node = {self._node(value)}")
        gone = {r.tensors[i].source for i in self._gone}
        direct = self._direct()
        for j, (value, *_) in enumerate(self._stores):
            if ("new", j) not in gone | direct:
                line(f"new{j} = Storage({self._node(value, j)})")
        for i, t in enumerate(r.tensors):
            if i not in self._gone:
                line(f"tensor{i} = {self._tensor(t, t.source in direct)}")
        self._views()
        line(f"result = {self._build(r.result)}")
        for source, spec in self._boxes:
            box = self._box(*source)
            if source[0] == "box of":
                line(f"if {box} is None: {box} = Box()")
            line(f"{box}.value = {'None' if spec is None else self._build(spec)}")

    def _before(self) -> None:
        """Values and gradients from before the call that are needed after it."""
        values = [v for _, v, _ in self._writes] + [v for v, *_ in self._stores]
        values += [v for _, v in self._saved()]
        for slot in sorted({what for kind, what in values if kind == "in"}):
            self.script.line(f"before{slot} = {self._storage(slot)}.node")
        specs = [self.r.result, *[c for _, c in self._boxes if c]]
        for box in dict.fromkeys([h for spec in specs for h in _helds(spec)]):
            self.script.line(f"{self._was(*box)} = {self._box(*box)}.value")

    def _saved(self) -> list[tuple[Node, Value]]:
        """What gradients need: nodes of the recording, and where their values are found."""
        if self._trace is None:
            return []
        r = self.r
        found: dict[int, Value] = {id(n): ("in", self._slots[i]) for i, n in enumerate(r.inputs)}
        found |= {id(n): ("out", self._at[i]) for i, n in enumerate(r.roots)}
        return [(n, found.get(id(n), ("const", n))) for n in self._trace.leaves]

    def _histories(self, trace: Retrace) -> None:
        """The Edges of results: edge0, edge1, ..."""
        script = self.script
        values = []
        for n, (kind, what) in self._saved():
            if kind == "in" and self.external[what]:
                script.use(owned=owned)
                values.append(f"owned(array{what}.copy())")
            elif kind == "in" and n.strides is not None:
                script.use(moved=_moved)
                place = f"{n.shape}, {script.bind('dtype', n.dtype)}, {n.strides}"
                values.append(f"moved(before{what}, {place}, offset{self._arg(what)})")
            elif kind == "in":
                values.append(f"before{what}")
            elif kind == "out":
                values.append(f"node({n.shape}, {script.bind('dtype', n.dtype)}, out{what})")
            else:
                values.append(script.bind("const", n))
        outer = [f"{self._holder(i)}.{'_track.edge' if kind == 'track' else '_edge()'}, "
                 for kind, i in self.r.outer]  # fmt: skip
        script.line(f"values = ({''.join([v + ', ' for v in values])})")
        given = f"{script.bind('trace', trace)}, values, drawn, ({''.join(outer)})"
        if trace.order:
            script.use(replayed=replayed)
            script.line(f"edge0 = replayed({given})")
        else:
            count = len(trace.roots)
            script.use(retraced=retraced)
            script.line(f"{''.join([f'edge{i}, ' for i in range(count)])} = retraced({given})")

    def _arg(self, slot: int) -> int:
        """Which Tensor argument an input is."""
        return self.r.sources[self._input(slot)][1]

    def _update(self, slot: int, what: int, count: int) -> None:
        dtype = self.script.bind("dtype", self.r.inputs[self._input(slot)].dtype)
        shape = self.r.inputs[self._input(slot)].shape
        line = self.script.line
        line(f"s = {self._storage(slot)}", f"s.version += {count}", "n = s.node")
        # Held by nothing but the storage.
        line(f"if getrefcount(n) == {1 + ASKING}: spare{what} = n.data; n.data = out{what}")
        line(f"else: s.node = node({shape}, {dtype}, out{what})")

    def _grad(self, box: Box, what: int, shape: Any, dtype: Any) -> None:
        script = self.script
        name, dtype = script.bind("box", box), script.bind("dtype", dtype)
        script.line(f"t = {name}.value")
        # Held by nothing but the box; its storage also as its own track, without history, and
        # by an assignment, which a call does not borrow from.
        alone = 1 + ASKING
        refs = 4 + sum(kind == "box" and b is box for kind, b in self.r.sources)
        with script.block(
            f"if (t is not None and getrefcount(t) == {alone} "
            "and t._view is None and t._box is None "
            f"and getrefcount(s := t._storage) == {refs} and (n := s.node) is not None "
            f"and getrefcount(n) == {alone} and s.edge is None):"
        ):
            script.line(f"spare{what} = n.data", f"n.data = out{what}", "s.version = 0")
        script.line(f"else: {name}.value = fresh(Tensor, {shape}, {dtype}, out{what})")

    def _input(self, slot: int) -> int:
        return next(i for i, at in self._slots.items() if at == slot)

    def _node(self, value: Value, store: int = -1) -> str:
        """A node with a value."""
        kind, what = value
        if kind == "in":
            return f"before{what}"
        if kind == "const":
            return self.script.bind("const", what)
        _, shape, dtype = self._stores[store]
        return f"node({shape}, {self.script.bind('dtype', dtype)}, out{what})"

    def _array(self, slot: int, value: Value) -> str:
        """An array with the value of what memory of NumPy is to hold."""
        kind, what = value
        if kind == "out":
            memory = f"{self._storage(slot)}.external"
            return f"out{what}.view({memory}.dtype, {memory}.shape)"
        return f"{self._node(value)}.array()"

    def _direct(self) -> set[Any]:
        """New storages that one new Tensor alone views, the whole of it and no leaf."""
        sharing = Counter(t.source for t in self.r.tensors)
        return {
            t.source
            for t in self.r.tensors
            if t.source[0] == "new"
            and sharing[t.source] == 1
            and t.chain is None
            and (t.history is None or t.history[0] in ("freed", "root"))
            and self._stores[t.source[1]][0][0] == "out"
        }

    def _tensor(self, t: NewTensor, direct: bool) -> str:
        """A new Tensor."""
        bind = self.script.bind
        cls, dtype = bind("class_", t.cls), bind("dtype", t.dtype)
        kind, at = t.source
        shape = self._stores[at][1] if kind == "new" else self.r.inputs[at].shape
        edge = "None"
        if t.history is not None and t.history[0] == "root":
            edge = f"edge{t.history[1]}"
        elif t.history is not None and t.history[0] == "freed":
            label, site = t.history[1:]
            edge = f"spent({shape}, {dtype}, {label!r}, {site!r})"
        if direct:
            return f"fresh({cls}, {t.shape}, {dtype}, out{self._stores[at][0][1]}, {edge})"
        storage = f"new{at}" if kind == "new" else self._storage(self._slots[at])
        described = f"{cls}, {storage}, {bind('chain', t.chain)}, {t.shape}, {dtype}"
        if t.history == "leaf":
            return f"leaf({described})"
        if t.history is not None and t.history[0] == "shared":
            return f"tensor({described}, {self._holder(t.history[1])}._track)"
        if t.track is not None:
            track = f"track{t.track}"
            if t.track not in self._tracks:
                self._tracks.add(t.track)
                self.script.line(f"{track} = Track({edge})")
            return f"tensor({described}, {track})"
        if kind == "new":
            self.script.line(f"new{at}.edge = {edge}")
            return f"tensor({described}, new{at})"
        return f"tensor({described}, Track({edge}))"

    def _views(self) -> None:
        """The histories of views."""
        tensors = list(enumerate(self.r.tensors))
        for i, t in tensors:
            if t.view is not None and t.view[0] == "root":
                self.script.line(
                    f"tensor{i}._view.edge = edge{t.view[1]}",
                    f"tensor{i}._view.root = tensor{i}._track.edge",
                )
        after = [(t.view[1], i) for i, t in tensors if t.view is not None and t.view[0] == "after"]
        for _, i in sorted(after):
            self.script.line(f"tensor{i}._edge()")

    def _holder(self, i: int) -> str:
        """A tensor from before."""
        holder = self.r.holders[i]
        for at, t in enumerate(self.r.capture.pattern.tensors):
            if t is holder:
                return f"t{at}"
        return self.script.bind("tensor_", holder)

    def _was(self, kind: str, what: Any) -> str:
        return f"was_{self.script.bind('box', what) if kind == 'box' else f't{what}'}"

    def _box(self, kind: str, what: Any) -> str:
        return self.script.bind("box", what) if kind == "box" else f"t{what}._box"

    def _build(self, spec: Any) -> str:
        """What is returned, from its description."""
        kind, bind = spec[0], self.script.bind
        if kind == "new":
            return f"tensor{spec[1]}"
        if kind == "arg":
            return f"t{spec[1]}"
        if kind == "held":
            return self._was(*spec[1])
        if kind in ("atom", "same"):
            value = spec[1]
            plain = type(value) in (int, bool, str, type(None))
            plain = plain or (type(value) is float and math.isfinite(value))
            return repr(value) if plain else bind("value", value)
        if kind == "list":
            items = "".join([self._build(s) + ", " for s in spec[2]])
            if spec[1] is list:
                return f"[{items}]"
            if spec[1] is tuple:
                return f"({items})"
            cls = bind("kind", spec[1])
            return f"{cls}({items})" if hasattr(spec[1], "_fields") else f"{cls}(({items}))"
        cls = bind("kind", spec[1])
        values = [self._build(s) for s in spec[3]]
        if kind == "fields":
            pairs = zip(spec[2], values, strict=True)
            return f"{cls}({', '.join([f'{name}={value}' for name, value in pairs])})"
        keys = [bind("key", key) for key in spec[2]]
        pairs = zip(keys, values, strict=True)
        return f"{cls}({{{', '.join([f'{key}: {value}' for key, value in pairs])}}})"


def _news(spec: Any) -> list[int]:
    """The new Tensors in a description of a result."""
    return [s[1] for s in _leaves(spec) if s[0] == "new"]


def _helds(spec: Any) -> list[Any]:
    """Where gradients from before the call come from."""
    return [s[1] for s in _leaves(spec) if s[0] == "held"]


def _leaves(spec: Any) -> list[Any]:
    inner = spec[2] if spec[0] == "list" else spec[3] if spec[0] in ("dict", "fields") else None
    return [spec] if inner is None else [leaf for s in inner for leaf in _leaves(s)]


# ---- what the lines call

_new = object.__new__


def _node(shape: Any, dtype: Any, memory: Any) -> Node:
    """A realised node."""
    return Node(_BUFFER, (), (), shape, dtype, "cpu", _SITE, memory)


def _moved(base: Node, shape: Any, dtype: Any, strides: Any, offset: int) -> Node:
    """A part of a realised node."""
    out = _node(shape, dtype, base.data)
    out.strides, out.offset = strides, base.offset + offset
    return out


def _fresh(cls: Any, shape: Any, dtype: Any, memory: Any, edge: Any = None) -> Any:
    """A Tensor over memory of its own."""
    storage = _new(Storage)
    storage.node = Node(_BUFFER, (), (), shape, dtype, "cpu", _SITE, memory)
    storage.edge = None
    storage.version = storage.depth = 0
    storage.external = storage.settled = None
    t = _new(cls)
    t._storage = t._track = storage
    if edge is not None:
        t._track = _new(Track)
        t._track.edge = edge
    t._view = t._box = None
    t._shape, t._dtype = shape, dtype
    return t


def _spent(shape: Any, dtype: Any, label: str, site: Any) -> Edge:
    """History that backward has freed: a second one raises as it should."""
    edge = Edge(label, None, (), (), shape, dtype, site)
    edge.saved = None
    return edge


def _tensor(cls: Any, storage: Any, chain: Any, shape: Any, dtype: Any, track: Any) -> Any:
    """A Tensor over a storage; the history of a view follows from that of the storage."""
    view = None if chain is None else View(chain)
    return make(cls, storage, track, view, shape, dtype)


def _leaf(cls: Any, storage: Any, chain: Any, shape: Any, dtype: Any) -> Any:
    """A Tensor that requires grad."""
    box = Box()
    edge = Leaf(shape, dtype, box)
    view = None if chain is None else View(chain, edge, edge)
    out = make(cls, storage, Track(edge), view, shape, dtype)
    out._box = box
    return out

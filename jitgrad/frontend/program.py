"""A recorded function that runs without Python: guards, addresses, one native call, results.

Entry: `Program(first, second)`, made from two recordings that agree; it computes the second.
Imports: recordings, runtime.
"""

from __future__ import annotations

from collections import Counter
from sys import getrefcount
from typing import Any

import numpy as np

from jitgrad.frontend.argtree import remake
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.pending import flush
from jitgrad.frontend.record import make
from jitgrad.frontend.recording import NewTensor, Recording
from jitgrad.frontend.storage import Storage, Track, View
from jitgrad.frontend.tape import Box, Edge, Leaf
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir.node import Node
from jitgrad.ir.op import OPS
from jitgrad.runtime.replay import Replay

_BUFFER = OPS["buffer"]
_NO_STORE = (("", 0), (), None)
_SITE = ("<compiled>", 0, "")


def _node(shape: Any, dtype: Any, memory: Any) -> Node:
    return Node(_BUFFER, (), (), shape, dtype, "cpu", _SITE, memory)


def _news(spec: Any) -> list[int]:
    """The new Tensors in a description of a result."""
    if spec[0] == "new":
        return [spec[1]]
    inner = spec[2] if spec[0] == "list" else spec[3] if spec[0] in ("dict", "fields") else []
    return [i for s in inner for i in _news(s)]


class Program:
    """See the module. `run` may be called when the recording's `Conditions` hold."""

    def __init__(self, recording: Recording, owner: str) -> None:
        r = recording
        capture = r.capture
        self.owner = owner
        self.events = capture.events
        # The numbers of a call: the values of all events, then what is computed from them.
        starts = {}
        count = 0
        for event in self.events:
            starts[id(event)] = count
            count += len(event.values) if isinstance(event.values, tuple) else 0
        hosts: dict[int, int] = {}
        self.hosts: list[HostFloat] = []
        self.numbers = count
        sources: dict[int, int] = {}
        for node in r.order:
            if node.op.name == "scalar" and type(node.data) is HostFloat:
                sources[id(node)] = self._host(node.data, hosts, starts)
        generators = list(capture.generators.values())
        place = {id(g): i for i, (g, _) in enumerate(generators)}
        self.draws: list[tuple[int, int]] = []  # generator, number since the call began
        for g, node, number in r.draws:
            sources[id(node)] = len(self.draws)
            self.draws.append((place[id(g)], number))
        self.generators = [(g, g._draw - first) for g, first in generators]
        self._wire(r)
        inputs = [r.inputs[i] for i in self.input_order]
        self.replay = Replay(r.roots, inputs, sources)
        self.out = self.replay.at
        self.spare: list[Any] = [None] * self.replay.results  # memory for the next call
        self._place(r)

    def _host(self, number: HostFloat, known: dict[int, int], starts: dict[int, int]) -> int:
        """Where a number of the host stands among the numbers of a call."""
        if number.rule is None:
            return starts[id(number.event)] + number.at
        at = known.setdefault(id(number), self.numbers + len(self.hosts))
        if at == self.numbers + len(self.hosts):
            self.hosts.append(number)
        return at

    def _final(self, value: tuple[str, Any]) -> tuple[str, Any]:
        kind, what = value
        return (
            kind,
            self.out[what] if kind == "out" else self.slot[what] if kind == "in" else what,
        )

    def _place(self, r: Recording) -> None:
        """Where results go; the plain cases (updates, gradients) apart, for speed."""
        writes = [(self.slot[i], self._final(v), n) for i, v, n in r.writes]
        inside = len(r.sources) - len(self.external) - len(self.batches)
        self.updates = [(at, v[1], n) for at, v, n in writes if v[0] == "out" and at < inside]
        self.writes = [w for w in writes if w[1][0] != "out" or w[0] >= inside]
        stores = [(self._final(v), shape, dtype) for v, shape, dtype in r.stores]
        finals = [v for _, v, _ in writes] + [v for v, *_ in stores]
        self.copies = any(kind == "in" for kind, _ in finals)
        boxes = [(s, c) for s, _, c in r.boxes if c != "same"]
        self.result = r.result
        used = Counter(_news(r.result)) + Counter(i for _, c in boxes if c for i in _news(c))
        sharing = Counter(t.source for t in r.tensors)
        self.grads: list[tuple[Box, int, Any, Any]] = []
        self.boxes = []
        gone = set()
        for source, spec in boxes:
            if source[0] == "box" and spec is not None and spec[0] == "new":
                t = r.tensors[spec[1]]
                value, shape, dtype = stores[t.source[1]] if t.source[0] == "new" else _NO_STORE
                plain = t.chain is None and t.history is None and t.cls is Tensor
                if plain and value[0] == "out" and used[spec[1]] == sharing[t.source] == 1:
                    self.grads.append((source[1], value[1], shape, dtype))
                    gone.add(spec[1])
                    continue
            self.boxes.append((source, spec))
        self.stores = [None if ("new", j) in {r.tensors[i].source for i in gone} else store
                       for j, store in enumerate(stores)]  # fmt: skip
        self.tensors = [
            None
            if i in gone
            else (t, t.source[0] == "new",
                  t.source[1] if t.source[0] == "new" else self.slot[t.source[1]])
            for i, t in enumerate(r.tensors)
        ]  # fmt: skip

    # ---- where inputs come from

    def _wire(self, r: Recording) -> None:
        kinds = ("keep", "box", "arg", "box of", "batch", "external")
        order = sorted(range(len(r.sources)), key=lambda i: kinds.index(r.sources[i][0]))
        self.input_order = order
        self.slot = {i: at for at, i in enumerate(order)}

        def of(kind: str) -> list[Any]:
            return [r.sources[i][1] for i in order if r.sources[i][0] == kind]

        self.kept: list[Storage] = of("keep")
        self.held: list[Box] = of("box")
        self.args: list[int] = of("arg")
        self.arg_boxes: list[int] = of("box of")
        self.batches: list[int] = of("batch")
        self.external: list[Any] = of("external")

    def release(self) -> None:
        """Give memory back that is kept for the next call: another program runs now."""
        self.spare = [None] * len(self.spare)
        self.replay.release()

    # ---- a call

    def run(self, tensors: list[Any]) -> Any:
        """One call."""
        storages = [*self.kept, *[b.value._storage for b in self.held]]
        storages += [tensors[i]._storage for i in self.args]
        if self.arg_boxes:
            storages += [tensors[i]._box.value._storage for i in self.arg_boxes]
        try:
            addresses = [s.node.data.ptr for s in storages]
        except AttributeError:
            flush([s.node for s in storages])
            addresses = [s.node.data.ptr for s in storages]
        for i in self.batches:
            t = tensors[i]
            storages.append(t._storage)
            node = t._storage.node
            if not node.realised:
                flush([node])
            addresses.append(node.data.ptr + (node.offset + t._place()[1]) * t._dtype.itemsize)
        copies = []
        for source in self.external:
            storage = source[1] if source[0] == "keep" else tensors[source[1]]._storage
            copies.append(np.ascontiguousarray(storage.external))
            addresses.append(copies[-1].ctypes.data)
            storages.append(storage)
        numbers: list[float] = []
        for event in self.events:
            values = event.values = event.fn()
            if type(values) is tuple:
                numbers += values
        if self.hosts:
            numbers += [h.get() for h in self.hosts]
        draws = []
        if self.generators:
            draws = [(self.generators[g][0]._seed, self.generators[g][0]._draw + k)
                     for g, k in self.draws]  # fmt: skip
            for g, count in self.generators:
                g._draw += count
        outs = self.replay.run(addresses, numbers, draws, self.spare)
        self.spare = [None] * len(outs)
        return self._finish(tensors, storages, outs)

    def _finish(self, tensors: list[Any], storages: list[Any], outs: list[Any]) -> Any:
        """Put results into the storages, make the Tensors that are new."""
        spare, before = self.spare, None
        if self.copies:
            before = [s.node for s in storages]
        for at, what, count in self.updates:
            storage = storages[at]
            storage.version += count
            old = storage.node
            if getrefcount(old) == 3:  # the storage, `old` and the call
                memory, old.data = old.data, outs[what]
                if getrefcount(memory) == 2 and memory.keep is None:
                    spare[what] = memory
            else:
                storage.node = _node(old.shape, old.dtype, outs[what])
        for box, what, shape, dtype in self.grads:
            t = box.value
            if t is not None and getrefcount(t) == 3 and t._view is None and t._box is None:
                storage = t._storage
                old = storage.node
                # Held by nothing but the box: its storage also by `storage` and as its own track.
                if getrefcount(storage) == 4 and old is not None and getrefcount(old) == 3:
                    memory, old.data = old.data, outs[what]
                    storage.version = 0
                    if getrefcount(memory) == 2 and memory.keep is None:
                        spare[what] = memory
                    continue
            storage = Storage(_node(shape, dtype, outs[what]))
            box.value = make(Tensor, storage, storage, None, shape, dtype)
        for at, (kind, what), count in self.writes:
            storage = storages[at]
            if storage.node is None:
                self._copy_out(storage, kind, what, outs)
                continue
            storage.version += count
            storage.node = before[what] if kind == "in" else what  # type: ignore[index]
        stores = [self._store(value, before, outs) for value in self.stores]
        made = [self._tensor(t, stores, storages) for t in self.tensors]
        result = self._build(self.result, tensors, made)
        for source, spec in self.boxes:
            box = source[1] if source[0] == "box" else tensors[source[1]]._box
            box.value = None if spec is None else self._build(spec, tensors, made)
        return result

    def _copy_out(self, storage: Storage, kind: str, what: Any, outs: list[Any]) -> None:
        """Into memory that NumPy holds."""
        memory = storage.external
        if kind == "out":
            np.copyto(memory, outs[what].view(memory.dtype, memory.shape))
        else:
            np.copyto(memory, what.array())

    def _store(self, described: Any, before: Any, outs: list[Any]) -> Any:
        """A new storage."""
        if described is None:
            return None
        (kind, what), shape, dtype = described
        if kind == "out":
            return Storage(_node(shape, dtype, outs[what]))
        return Storage(what if kind == "const" else before[what])

    def _tensor(self, described: Any, stores: list[Any], storages: list[Any]) -> Any:
        """A new Tensor."""
        if described is None:
            return None
        t: NewTensor = described[0]
        storage = stores[described[2]] if described[1] else storages[described[2]]
        edge: Any = None
        box = None
        if t.history == "leaf":
            box = Box()
            edge = Leaf(t.shape, t.dtype, box)
        elif t.history is not None:  # backward has freed it: a second one raises as it should
            label, site = t.history
            edge = Edge(label, None, (), (), t.shape, t.dtype, site)
            edge.saved = None
        if described[1] and t.chain is None:
            storage.edge = edge
            out = make(t.cls, storage, storage, None, t.shape, t.dtype)
        else:
            view = None if t.chain is None else View(t.chain, edge, edge)
            out = make(t.cls, storage, Track(edge), view, t.shape, t.dtype)
        out._box = box
        return out

    def _build(self, spec: Any, tensors: list[Any], made: list[Any]) -> Any:
        """What is returned, from its description."""
        kind = spec[0]
        if kind == "new":
            return made[spec[1]]
        if kind in ("atom", "same"):
            return spec[1]
        if kind == "arg":
            return tensors[spec[1]]
        if kind == "held":  # the gradient that was there when the call began
            source, what = spec[1]
            return (what if source == "box" else tensors[what]._box).value
        if kind == "list":
            return remake(spec[1], [self._build(s, tensors, made) for s in spec[2]])
        if kind == "dict":
            values = [self._build(s, tensors, made) for s in spec[3]]
            return spec[1](zip(spec[2], values, strict=True))
        if kind == "fields":
            values = [self._build(s, tensors, made) for s in spec[3]]
            return spec[1](**dict(zip(spec[2], values, strict=True)))
        raise AssertionError(spec)

"""One recording of a function: it runs in lazy mode, nothing is computed, and all that it reads,
writes, draws and returns is noted.

Entry: `Capture`; while it is on, `state.capture` is it and the recorder tells it what happens.
`Capture.finish` gives a `Recording` (see `recording`), or the reason why a later call could not do
without Python. Imports: the recorder, pending.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import ref

import numpy as np

from jitgrad.frontend import pending, territory
from jitgrad.frontend.argtree import Pattern
from jitgrad.frontend.hostscalar import Event, numbered
from jitgrad.frontend.record import assign, make, wrap
from jitgrad.frontend.state import State, local
from jitgrad.frontend.storage import Storage, Track, View, snapshot
from jitgrad.frontend.tape import Box, order
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.views import Chain, extend, replay
from jitgrad.frontend.watch import Watch
from jitgrad.frontend.writing import put
from jitgrad.ir.node import Node


class Unfit(Exception):
    """Why a call cannot be replayed."""


class Capture:
    """What one call of a compiled function does; see the module."""

    def __init__(self, name: str, fn: Any, fallback: bool, pattern: Pattern) -> None:
        self.name = name
        self.fallback = fallback
        self.pattern = pattern
        self.reason = ""  # why no later call can be replayed
        self.watch = Watch(fn, pattern, self.refuse, self.fail)
        self.open = False
        self.deferred = False  # a full flush was asked for
        self.events: list[Event] = []
        self.given: Event | None = None  # the float arguments `numbered`, where they may change
        self.numbered: list[int | str] = []
        self.draws: list[tuple[Any, Node]] = []
        self.generators: dict[int, tuple[Any, int]] = {}
        self.seen: dict[int, tuple[Storage, Node, int]] = {}  # storages from before
        self.of_node: dict[int, list[Storage]] = {}  # node -> those of them that held it
        self.own: dict[int, Storage] = {}  # made inside, over values that may be from before
        self.numbers: list[Any] = []  # weak: storages that hold a number, perhaps from before
        self.made: dict[int, Node] = {}  # memory filled from Python
        self.shadows: dict[int, tuple[Storage, Node, Storage]] = {}  # of memory NumPy holds
        self.boxes: dict[int, tuple[Box, Any]] = {}  # gradients touched, and what was there
        self.looked: set[int] = set()  # those of them that were read before they were set
        self.batches: dict[int, tuple[int, Tensor, Any]] = {}  # storage of a stand-in -> argument
        self._bases: set[int] = set()
        self._spans: dict[int, np.ndarray] = {}  # storage of a stand-in -> the argument's memory
        self._changed: list[Storage] = []  # those of them that were written
        self.began = next(order)  # leaves that are older existed before
        self.own_boxes: set[int] = set()  # of leaves made inside
        self.abandoned = False
        self._state: State = local.state
        self.eager = self._state.eager  # the mode that the call was made in

    # ---- on and off

    def start(self, apart: Iterable[Storage]) -> list[Any]:
        """Begin; the Tensors to call the function with.

        Those of arguments and storages in `apart` are read as memory of their own even where two
        hold one value (one was copied to the other): the next call may find them different.
        """
        state = self._state
        tensors = list(self.pattern.tensors)
        pending.flush_all()
        for t in tensors:
            node = t._storage.node
            if node is not None and not node.realised:
                pending.flush([node])
        for storage in {*apart, *_sharing(tensors)}:
            if storage.node is not None and storage.node.realised:
                storage.node = _twin(storage.node)
        made: dict[int, Any] = {}
        for i in self.pattern.batches:
            t = tensors[i]
            if id(t) not in made:
                made[id(t)] = self._stand_in(i, t)
            tensors[i] = made[id(t)]
        self._modes = state.grad, state.inference
        self._waiting = state.pending
        state.eager = False
        state.capture = self
        self.open = True
        self.watch.start()
        return tensors

    def _stand_in(self, i: int, t: Any) -> Any:
        """The batch as memory of its own: then its place in the data set is no part of the key."""
        base = t._storage.node
        strides, offset = t._place()
        node = Node(base.op, (), (), t._shape, t._dtype, base.device, base.site, base.data)
        node.strides, node.offset = strides, base.offset + offset
        out = make(type(t), Storage(node), None, None, t._shape, t._dtype)
        out._track = out._storage
        out.__dict__ = t.__dict__
        self.batches[id(out._storage)] = (i, out, t)
        self._spans[id(out._storage)] = node.array()
        self._bases.add(id(t._storage))
        return out

    def give(self) -> dict[int | str, Any]:
        """What to give for the float arguments that may have any value."""
        self.numbered = [at for at in self.pattern.floats if at in self.pattern.slots]
        values = tuple([self.pattern.floats[at] for at in self.numbered])
        self.given = Event(lambda: values)
        self.events.append(self.given)
        self.watch.numbered = True
        return dict(zip(self.numbered, numbered(self.given), strict=True))

    def stop(self) -> None:
        """End; recording goes on as before."""
        if self.open:
            self.open = False
            self._state.capture = None
            self._state.eager = self.eager
            self.watch.stop()  # last: it looks at the user's objects, which may raise

    def fail(self, reason: str) -> None:
        """Remember why this call cannot be replayed (the first reason counts)."""
        self.reason = self.reason or reason

    def abandon(self, reason: str) -> None:
        """Go on without compiling: what was put off is computed now."""
        self.fail(reason)
        self.abandoned = True
        self.stop()
        if self.deferred:
            pending.flush_all()

    # ---- what the recorder tells

    def read(self, storage: Storage) -> None:
        """`storage` is about to be read or written."""
        if self._changed:
            self._refuse_shared(storage)
        node = storage.node
        if node is None or id(storage) in self.seen or id(node) in self.made:
            return
        if id(storage) in self.own:
            return
        if node.inputs:
            if self._foreign(storage):
                self.fail("it reads what another thread recorded: call realize() on it there")
            return
        if node.device != "cpu":
            self.fail(f"it computes on device {node.device!r}")
        if not node.realised:
            self.numbers.append(ref(storage))
            return
        self.of_node.setdefault(id(node), []).append(storage)
        self.seen[id(storage)] = (storage, node, storage.version)

    def _foreign(self, storage: Storage) -> bool:
        """Whether another thread has recorded what is pending: all that this one had recorded was
        computed at the start."""
        waiting = self._state.pending
        return waiting is self._waiting and all(w() is not storage for w in reversed(waiting))

    def write(self, storage: Storage) -> None:
        """`storage` is about to be written."""
        if id(storage) in self._bases:
            raise RuntimeError(
                f"compile: {self.name} writes to memory that one of its arguments is a view of, "
                f"at {self.line()}; pass a clone() of that argument"
            )
        self.read(storage)
        node = storage.node
        if node is not None and id(storage) not in self.seen:
            if node.inputs or id(node) in self.made:
                self.own[id(storage)] = storage
        if id(storage) in self.batches:
            self.fail("it writes to an argument that is a view")
            self._changed.append(storage)

    def _refuse_shared(self, storage: Storage) -> None:
        """Refuse to use memory that was written through an argument which stands apart from it."""
        own = self.batches.get(id(storage))
        base = storage if own is None else own[2]._storage
        for written in self._changed:
            if written is storage or self.batches[id(written)][2]._storage is not base:
                continue
            spans = self._spans
            if own is None or np.shares_memory(spans[id(storage)], spans[id(written)]):
                raise RuntimeError(
                    f"compile: {self.name} writes to an argument that is a view, then uses the "
                    f"same memory through another tensor, at {self.line()}; pass a clone() of one "
                    "of them"
                )

    def external(self, storage: Storage, chain: Chain, where: Any) -> Node:
        """The value of memory that NumPy holds, under a view."""
        shadow: Any = self._shadow(storage).node  # never None: not NumPy's memory
        return replay(shadow, chain, where)

    def write_external(self, storage: Storage, chain: Chain, value: Node, where: Any) -> None:
        """A write to memory that NumPy holds; done when the function has returned."""
        put(self._shadow(storage), chain, value, where)

    def _shadow(self, storage: Storage) -> Storage:
        found = self.shadows.get(id(storage))
        if found is None:
            for other, _, _ in self.shadows.values():
                if np.may_share_memory(other.external, storage.external):
                    raise RuntimeError(
                        f"compile: two tensors over one NumPy array meet at {self.line()}; "
                        "use one, or copies made by tensor()"
                    )
            node = snapshot(storage.external)
            self.made.pop(id(node), None)
            found = self.shadows[id(storage)] = (storage, node, Storage(node))
        return found[2]

    def grad_box(self, t: Any, read: bool = True) -> Box:
        """`.grad` of `t` is about to be read or set."""
        if t._box is None:
            t._box = Box()
        self.box(t._box, read=read)
        return t._box

    def box(self, box: Box, leaf: Any = None, read: bool = True) -> None:
        """The gradient in `box` (that of `leaf`) is about to be read or set."""
        if leaf is not None and leaf.seq > self.began:
            self.own_boxes.add(id(box))
        if id(box) in self.boxes:
            return
        self.boxes[id(box)] = (box, box.value)
        if read:
            self.looked.add(id(box))
            if box.value is not None and box.value._storage.node is not None:
                self.read(box.value._storage)

    def drew(self, generator: Any, node: Node, number: int) -> None:
        """`generator` gave the draw `number` to `node`."""
        self.generators.setdefault(id(generator), (generator, number))
        self.draws.append((generator, node))

    def attribute(self, holder: Any, name: str, label: str) -> None:
        """An attribute of one of jitgrad's own objects was read."""
        self.watch.note(holder, "attr", name, label)

    def optimizer(self, optimizer: Any) -> None:
        """`optimizer` works on its groups and state now."""
        note = self.watch.note
        name = type(optimizer).__name__
        for hooks in ("_step_pre_hooks", "_step_post_hooks"):
            note(optimizer, "attr", hooks, f"step hooks of {name}", whole=True)
        state = note(optimizer, "attr", "state", f"state of {name}")
        for group in note(optimizer, "attr", "param_groups", f"groups of {name}", whole=True):
            for key in optimizer._switches:
                note(group, "truth", key, f"{key} of {name}")
            for param in note(group, "item", "params", f"parameters of {name}", whole=True):
                self.watch.tensors[id(param)] = param
                own = note(state, "item", param, f"state of {name}")
                for key, value in own.items() if isinstance(own, dict) else ():
                    if isinstance(value, Tensor) or value is None:
                        note(own, "item", key, f"{key} in the state of {name}")

    # ---- what a replay could not do

    def value(self, storage: Storage, why: str) -> None:
        """The program wants to see a value."""
        node = storage.node
        if node is not None and id(node) in self.made:
            return
        message = f"{why}() at {self.line()} reads a value in the middle of a compiled function"
        if self.fallback:
            self.abandon(message)
            return
        raise RuntimeError(
            f"compile: {message} ({self.name}); nothing is computed before it returns. "
            "Return the tensor and read it outside, or choose with where() instead of `if`; "
            "compile(fallback=True) runs such a function lazily"
        )

    def refuse(self, what: str) -> None:
        """A side effect that a replay would skip."""
        message = f"{what} at {self.line()} inside a compiled function: later calls would skip it"
        if self.fallback:
            self.abandon(message)
            return
        raise RuntimeError(
            f"compile: {message} ({self.name}). Call it outside, "
            "or use compile(fallback=True), which runs such a function lazily"
        )

    def line(self) -> str:
        """The user's line."""
        frame: Any = sys._getframe(1)
        while frame is not None and territory.reads(frame.f_code) != "all":
            frame = frame.f_back
        return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "<unknown>"

    # ---- after the call

    def returned(self, t: Any) -> Any:
        """A Tensor of the result, over the real argument where it is one's stand-in."""
        found = self.batches.get(id(t._storage))
        if found is None:
            return t
        _, stand_in, original = found
        if t is stand_in:
            return original
        chain = original._view.chain
        for name, attrs in t._view.chain if t._view is not None else ():
            chain = extend(chain, name, attrs)
        track = original._track if t._track is stand_in._track else Track()
        return make(type(t), original._storage, track, View(chain), t._shape, t._dtype)

    def settle(self) -> None:
        """Give arguments what was written to their stand-ins; compute what was put off."""
        for _, stand_in, original in self.batches.values():
            node = stand_in._storage.node
            if node is not None and stand_in._storage.version:
                assign(original, wrap(node))
        for storage, before, shadow in self.shadows.values():
            node = shadow.node
            if node is not None and node is not before:
                pending.flush((node,))
                np.copyto(storage.external, node.array())
        if self.deferred or self.eager:
            pending.flush_all()

    def modes_changed(self) -> bool:
        """Whether the function left another gradient mode behind."""
        return self._modes != (self._state.grad, self._state.inference)

    def live(self) -> list[Storage]:
        """Storages that hold pending values."""
        return pending._live(self._state)


def _sharing(tensors: list[Any]) -> Iterator[Storage]:
    """Storages of tensors that hold one value."""
    holders: dict[int, set[Storage]] = {}
    for t in tensors:
        holders.setdefault(id(t._storage.node), set()).add(t._storage)
    return (storage for some in holders.values() if len(some) > 1 for storage in some)


def _twin(node: Node) -> Node:
    out = Node(node.op, (), (), node.shape, node.dtype, node.device, node.site, node.data)
    out.strides, out.offset = node.strides, node.offset
    return out

"""Updates in place as a Call: what an optimizer does to all its parameters is one record a step.

Entry: `Updates`. Imports: the recorder, calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.frontend import pending
from jitgrad.frontend.calls import hole, tracing
from jitgrad.frontend.hostscalar import Event, HostFloat, numbered
from jitgrad.frontend.record import Base, register, wrap
from jitgrad.frontend.recovery import recover
from jitgrad.frontend.state import State, local, place
from jitgrad.frontend.writing import put
from jitgrad.ir.call import HOLE, Body, Call
from jitgrad.ir.node import Node, walk

KNOWN = 64  # signatures of one optimizer
_NUMBERS = frozenset([int, float, HostFloat])

Update = Callable[[list[Any], tuple[Any, ...]], None]


class _Recorded:
    """Updates under one signature: `writes` has (number of the tensor, position of its new value),
    `slots` the numbers inside by position."""

    __slots__ = ("body", "slots", "writes")

    def __init__(self, name: str, fn: Update, tensors: list[Any], numbers: tuple[Any, ...]) -> None:
        event = Event(lambda: numbers)
        holes = [hole(t._shape, t._dtype) for t in tensors]
        stand_ins = [wrap(node) for node in holes]
        with tracing(local.state, rule=False):
            fn(stand_ins, numbered(event))
        event.values = ()
        written = [(i, t._storage.node) for i, t in enumerate(stand_ins) if t._storage.version]
        order = [node for node in walk([node for _, node in written]) if node.op is not HOLE]
        at = {id(node): k for k, node in enumerate([*holes, *order])}
        self.body = Body(name, holes, order)
        self.writes = [(i, at[id(node)]) for i, node in written]
        self.slots = [(at[id(n)], n.data) for n in order if type(n.data) is HostFloat]

    @property
    def whole(self) -> bool:
        """Whether a Body says it all: no memory made inside, no tensor copied to another."""
        return self.body.count <= min([at for _, at in self.writes], default=-1) and not any(
            step[0].name == "buffer" for step in self.body.steps
        )


class Updates:
    """The updates that one optimizer makes, remembered by signature."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[Any, _Recorded | None] = {}

    def record(self, fn: Update, form: Any, tensors: list[Any], numbers: tuple[Any, ...]) -> bool:
        """Record `fn(tensors, numbers)`, which writes to some of the tensors, as one Call.

        `form` is what `fn` depends on besides. False, and nothing is done, where the order of
        reads and writes matters (tensors share memory), or a value is no plain number.
        """
        state = local.state
        storages = [t._storage for t in tensors]
        if not _NUMBERS.issuperset(map(type, numbers)) or len({*map(id, storages)}) < len(storages):
            return False
        if any(s.node is not None and s.node.device != "cpu" for s in storages):
            return False
        key = (form, *[(t._shape, t._dtype) for t in tensors])
        if key in self._known:
            recorded = self._known[key]
        else:
            if len(self._known) >= KNOWN:
                self._known.clear()
            made = _Recorded(self._name, fn, tensors, numbers)
            recorded = self._known[key] = made if made.whole else None
        if recorded is None or not all(_plain(tensors[i]) for i, _ in recorded.writes):
            return False
        self._apply(recorded, tensors, numbers, state)
        return True

    def _apply(
        self, recorded: _Recorded, tensors: list[Any], numbers: tuple[Any, ...], state: State
    ) -> None:
        here = place(state)
        nodes: list[Node] = []
        depth = 1
        for t in tensors:
            node = t._pair(state)[0]
            if node.inputs and t._storage.depth >= depth:
                depth = t._storage.depth + 1
            nodes.append(node)
        call = Call(recorded.body, tuple(nodes), here.site)
        call.numbers = {at: number.get(numbers) for at, number in recorded.slots}
        storages = []
        parts = [call.part(at) for _, at in recorded.writes]
        for (i, _), part in zip(recorded.writes, parts, strict=True):
            storage = tensors[i]._storage
            if state.capture is not None:
                state.capture.write(storage)
            put(storage, (), part, here.site)
            storage.version += 1
            storage.depth = depth
            storages.append(storage)
        if not state.eager:
            register(state, storages)
            return
        try:
            pending.flush(parts)
        except Exception as error:
            recover(state, storages, error)
            raise


def _plain(t: Base) -> bool:
    """Whether the tensor is the whole of its storage."""
    return t._view is None and t._storage.node is not None

"""After a flush that failed: what rests on the failure gives way, everything else stays.

A Storage that was written since it last had values goes back to them if its new value can no longer
be computed; a Tensor that never had any is left out of full flushes and raises again when it is
read. Entry: `recover`, `undo`. Imports: ir, runtime.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import ref

from jitgrad.frontend.state import State
from jitgrad.ir.loop import LOOP
from jitgrad.ir.node import Node, walk
from jitgrad.runtime.errors import BY_INDEX, looked_up


def recover(state: State, storages: Iterable[Any], error: BaseException) -> None:
    """`storages` were pending when `error` was raised; those that do not rest on what failed go on
    waiting. An error that says nothing of what failed (Ctrl-C, say) changes nothing."""
    failed = getattr(error, "failed", ())
    storages = [s for s in storages if s.node is not None]
    indices = isinstance(error, IndexError)
    lost = resting_on(failed, [s.node for s in storages], indices) if failed else set()
    waiting = []
    for storage in storages:
        if id(storage.node) not in lost:
            waiting.append(ref(storage))
        else:
            _settle(storage)
    state.pending[:] = waiting


def resting_on(failed: Iterable[Node], nodes: list[Node], indices: bool) -> set[int]:
    """The ids of all nodes at or below `nodes` that need one of `failed`.

    `indices`: an index of theirs is out of range. Whatever else looks up by it would fail next, in
    some later flush that has nothing to do with it: their gradients do.
    """
    lost = set(map(id, failed))
    taken = [looked_up(node) for node in failed if indices and node.op.name in BY_INDEX]
    bounds = {id(index): bound for index, bound in taken}
    loops = {id(node.attrs[0]) for node in failed if node.op is LOOP}
    for node in walk(nodes):
        if any(id(x) in lost for x in node.inputs):
            lost.add(id(node))
        elif node.op is LOOP and not loops.isdisjoint(_family(node)):  # or its gradients
            lost.add(id(node))
        elif bounds and node.op.name in BY_INDEX:
            index, bound = looked_up(node)
            if bound <= bounds.get(id(index), -1):
                lost.add(id(node))
    return lost


def _family(node: Node) -> set[int]:
    """Ids of the Loop that a node is a result of, and of the one whose gradient that is."""
    return {id(node.attrs[0]), id(node.attrs[0].after)}


def _settle(storage: Any) -> None:
    before = storage.settled and storage.settled()
    if before is not None:
        storage.node = before
        storage.depth = 0


def undo(tensors: Iterable[Any]) -> None:
    """Take back the pending writes to `tensors`, where their values from before are still there."""
    for t in tensors:
        storage = t._storage
        if storage.node is not None and storage.node.inputs:
            _settle(storage)

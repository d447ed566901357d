"""Graphs seen before, found by how they were recorded: no lowering, no structural key, no binding.

The key of `snapshot` leaves sizes out, so that one schedule serves many; working it out reads every
node twice. A loop records the same graph with the same sizes again and again: that is recognised
here in one pass, and its bound plan runs on the memory and numbers of the new nodes. Buffers,
scalars, slice starts, seeds and draw numbers are no part of this key either.
Entry: `look(roots, held) -> Sight`, `known(sight) -> Recalled`, `remember(sight, ...)`.
Imports: ir, runtime.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np

from jitgrad.ir.apply import realise
from jitgrad.ir.node import Node, skeleton, walk
from jitgrad.ir.op import OPS
from jitgrad.runtime import switches, threads, trace
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.pool import alloc
from jitgrad.runtime.stats import counts

NODES = 1024  # in one graph; larger ones are cut into several schedules
PLANS = 512  # remembered

_BUFFER, _SCALAR, _SLICE, _WRITE = (OPS[name] for name in ("buffer", "scalar", "slice", "write"))
_DRAWS = frozenset([OPS[name] for name in ("uniform", "normal", "random_bits")])
_WORD = 0xFFFFFFFFFFFFFFFF
_plans: OrderedDict[Any, Recalled] = OrderedDict()


class Sight:
    """A pending graph as it was recorded: its nodes, each once, and a key in which they stand by
    number."""

    __slots__ = ("key", "nodes")

    def __init__(self, key: tuple[Any, ...], nodes: list[Node]) -> None:
        self.key = key
        self.nodes = nodes


def look(roots: list[Node], held: set[int]) -> Sight | None:
    """The graph below `roots`, which are distinct and pending; `held` has ids of nodes that the
    user holds. None where something beside the graph decides what is computed: a live tape that
    will read results in between, a write that may happen in place, or a debugging switch.
    """
    if switches.debug() or switches.check() or trace.launch() is not None:
        return None
    nodes = list(roots)
    number = {id(node): i for i, node in enumerate(nodes)}
    key: list[Any] = [len(nodes), switches.jit(), switches.fuse()]
    add = key.append
    for node in nodes:  # which grows
        op = node.op
        if len(nodes) > NODES:
            return None
        if op is _BUFFER:
            add(node.shape)
            add(node.dtype)
            if node.strides is not None or node.offset:
                add((node.strides, node.offset))
            continue
        add(op)
        inputs = node.inputs
        if not inputs:
            add(_source(node))
        elif op is _SLICE:
            add(node.attrs[1:])
        elif op is _WRITE:
            return None
        elif node.attrs:
            add(node.attrs)
        if node.keepers and _needed(node):
            return None
        if id(node) in held and (op.cost == "keep" or not inputs):
            add(True)
        for x in inputs:
            at = number.get(id(x))
            if at is None:
                at = number[id(x)] = len(nodes)
                nodes.append(x)
            add(at)
    return Sight(tuple(key), nodes)


def _source(node: Node) -> Any:
    """What a node without operands is, but for what may differ at every run."""
    if node.op is _SCALAR:
        return node.dtype
    if node.op in _DRAWS:
        return node.attrs[:2]
    if node.op.name == "const":
        value = node.attrs[0]
        sign = math.copysign(1, value) if type(value) is float else 0
        return (node.dtype, type(value), value, sign)
    return node.attrs


def _needed(node: Node) -> bool:
    """Whether backward will read the value; forgets Edges that will not."""
    alive = []
    for weak in node.keepers:
        edge = weak()
        if edge is not None and edge.saved is not None:
            alive.append(weak)
    node.keepers = alive
    return bool(alive)


def known(sight: Sight) -> Recalled | None:
    """What computed a graph that looked the same."""
    return _plans.get(sight.key)


def remember(sight: Sight, snap: Any, program: Any, plan: Any) -> None:
    """The graph was computed by `plan`: so will be others that look like it."""
    number = {id(node): i for i, node in enumerate(sight.nodes)}
    _plans[sight.key] = Recalled(number, snap, program, plan)
    if len(_plans) > PLANS:
        _plans.popitem(last=False)


def forget(program: Any = None) -> None:
    """Drop the plans of a program, or all."""
    for key in [k for k, known in _plans.items() if program in (None, known.program)]:
        del _plans[key]


class Recalled:
    """A bound plan, and where in a graph that looks alike its memory and numbers are."""

    __slots__ = (
        "at", "draws", "live", "moving", "nodes", "offsets", "outputs", "places", "plan", "program",
        "read", "scalars", "sites",
    )  # fmt: skip

    def __init__(self, number: dict[int, int], snap: Any, program: Any, plan: Any) -> None:
        def found(i: int) -> int:
            return number[id(snap.nodes[i])]

        self.program = program
        self.plan = plan
        self.nodes = len(snap.nodes)
        self.outputs = [found(i) for i in snap.outputs]
        # Words to patch: the address of a leaf, of a result or of the arena, and an offset.
        self.read = list(dict.fromkeys([found(i) for _, i, _ in plan.leaves]))
        leaf = {at: k for k, at in enumerate(self.read)}
        leaves = [(word, leaf[found(i)], offset) for word, i, offset in plan.leaves]
        outs = [(word, len(leaf) + i, offset) for word, i, offset in plan.outs]
        arena = len(leaf) + len(self.outputs)
        temps = [(word, arena, offset) for word, offset in plan.temps]
        table = np.array([*leaves, *outs, *temps], np.int64).reshape(-1, 3)
        self.at, self.places, self.offsets = (np.ascontiguousarray(c) for c in table.T)
        first = {"leaf": 0, "out": len(leaves), "temp": len(leaves) + len(outs)}
        self.moving = [(first[where] + row, *rest) for where, row, *rest in plan.sliced]
        self.sites = skeleton(snap.nodes) if self.moving else []
        self.live = [(i, found(i)) for i, site in enumerate(self.sites) if site.op is _SLICE]
        self.scalars = []
        for word, i in plan.scalars:
            dtype = snap.nodes[i].dtype
            self.scalars.append((plan.typed[dtype.suffix], word * (8 // dtype.itemsize), found(i)))
        self.draws = [(word, found(i), k) for word, i, k in plan.slots]

    def run(self, nodes: list[Node]) -> None:
        """Compute the graph of `nodes`.

        Raises:
            IndexError: as `flush`; nothing else is harmed.
        """
        plan = self.plan
        with threads.execution_lock:
            outs = [alloc(n) for n in plan.output_bytes]
            places = [nodes[i].data.ptr for i in self.read]
            places += [b.ptr for b in outs]
            if plan.arena_bytes:
                arena = alloc(plan.arena_bytes)
                places.append(arena.ptr)
            if self.moving:
                self._move(nodes)
            plan.words[self.at] = np.array(places, np.int64)[self.places] + self.offsets
            if self.scalars:
                with np.errstate(over="ignore"):  # 1e300 is inf in float32
                    for typed, word, i in self.scalars:
                        typed[word] = nodes[i].data
            for word, i, k in self.draws:
                plan.words[word] = np.int64(np.uint64(nodes[i].attrs[k] & _WORD))
            failure = plan.program.run()
        counts.add(plan, self.program.kernels, self.nodes)
        roots = [nodes[i] for i in self.outputs]
        if failure is not None:
            raise_failure(failure, plan.schedule, walk(roots))
        for node, buffer in zip(roots, outs, strict=True):
            realise(node, buffer)

    def _move(self, nodes: list[Node]) -> None:
        """Offsets that follow from where slices start now."""
        plan, sites = self.plan, list(self.sites)
        for i, at in self.live:
            sites[i] = nodes[at]
        plan.nodes = sites
        for row, access, itemsize, start in self.moving:
            self.offsets[row] = start + plan.view(access)[2] * itemsize
        plan.nodes = []

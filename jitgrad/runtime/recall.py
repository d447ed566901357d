"""Graphs seen before, found by how they were recorded: no lowering, no structural key, no binding.

The key of `snapshot` leaves sizes out, so that one schedule serves many; working it out reads every
node twice. A loop records the same graph with the same sizes again and again: that is recognised
here in one pass, and its bound plan runs on the memory and numbers of the new nodes. Buffers,
scalars, slice starts, seeds and draw numbers are no part of this key either.
Entry: `look(roots, held) -> Sight`, `known(sight) -> Recalled`; `Sight.computed(...)` for each of
its schedules, then `remember(sight)`. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from jitgrad.compiler import snapshot
from jitgrad.ir.apply import realise
from jitgrad.ir.call import PART, Call
from jitgrad.ir.node import Node, skeleton, walk
from jitgrad.ir.op import OPS
from jitgrad.runtime import switches, threads, trace
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.pool import alloc
from jitgrad.runtime.stats import counts

NODES = 16_384  # in one graph
PLANS = 512  # remembered, of so many nodes together
KEPT = 200_000

_BUFFER, _SCALAR, _SLICE, _WRITE = (OPS[name] for name in ("buffer", "scalar", "slice", "write"))
_DRAWS = frozenset([OPS[name] for name in ("uniform", "normal", "random_bits")])
_MOVING = (_SLICE, _WRITE)
_WORD = 0xFFFFFFFFFFFFFFFF
_plans: OrderedDict[Any, Recalled] = OrderedDict()


class Sight:
    """A pending graph as it was recorded: nodes and Calls, each once, and a key in which they stand
    by number. `moving` has the numbers of slices and writes, `scalars` those of numbers, `needed`
    the Calls of which backward will read values, `inside` the nodes that each Call is expanded to,
    if it is. `donated` has the ids of writes that may happen in place. `parts` are the schedules
    that computed it, in order.
    """

    __slots__ = (
        "calls", "donated", "inside", "key", "moving", "needed", "nodes", "parts", "scalars",
    )  # fmt: skip

    def __init__(self, nodes: list[Node], calls: list[Call]) -> None:
        self.nodes = nodes
        self.calls = calls
        self.moving: list[int] = []
        self.scalars: list[int] = []
        self.needed: list[int] = []
        self.inside: list[list[Node]] = []
        self.donated: set[int] = set()
        self.parts: list[Part] = []
        self.key: tuple[Any, ...] = ()

    def computed(self, snap: Any, program: Any, plan: Any) -> None:
        """`plan` has just run a part of the graph; its results are not in their nodes yet."""
        self.parts.append(Part(self, snap, program, plan))


def look(roots: list[Node], held: set[int]) -> Sight | None:
    """The graph below `roots`, which are distinct and pending; `held` has ids of nodes that the
    user holds. None where something beside the graph decides what is computed, a debugging switch.
    """
    now = switches.switched()
    if now.observed or trace.launch() is not None:
        return None
    nodes = list(roots)
    calls: list[Call] = []
    number = {node: i for i, node in enumerate(nodes)}
    known: dict[int, int] = {}  # Call -> its number
    first = len(nodes)
    key: list[Any] = [first, now.kernels]
    add = key.append
    sight = Sight(nodes, calls)
    writes: list[int] = []
    for i, node in enumerate(nodes):  # which grows
        op = node.op
        if op is _BUFFER:
            add(node.shape)
            add(node.dtype)
            if node.strides is not None or node.offset:
                add((node.strides, node.offset))
            continue
        add(op)
        inputs = node.inputs
        if op is PART:
            call, place = node.attrs
            add(place)
            at = known.get(id(call))
            if at is None:
                at = known[id(call)] = len(calls)
                calls.append(call)
                call.seen = []
                sight.inside.append(call.seen)
                add(call.body)
                if call.needed:
                    sight.needed.append(at)
                    add(True)
                if len(call.parts) > 1:
                    _parts(call, nodes, number, held, add)
            else:
                inputs = ()
            add(at)
        elif op is _SCALAR:
            sight.scalars.append(i)
            add(node.dtype)
        elif not inputs:
            add(_source(node))
        elif op is _SLICE:
            sight.moving.append(i)
            add(node.attrs[1:])
        elif op is _WRITE:
            sight.moving.append(i)
            writes.append(i)
            add(tuple([(n, a[1:] if n == "slice" else a) for n, a in node.attrs[0]]))
        elif node.attrs:
            add(node.attrs)
        if i >= first:  # what is asked for is computed anyway
            if id(node) in held:
                add("held")
            if node.keepers and _needed(node):
                add("needed")
        for x in inputs:
            at = number.get(x)
            if at is None:
                at = number[x] = len(nodes)
                nodes.append(x)
            add(at)
        if len(nodes) > NODES:
            return None
    if writes:
        del number, node, inputs, x  # which would count as others that hold them
        for at in writes:
            if snapshot.exclusive(nodes[at]):
                sight.donated.add(id(nodes[at]))
                add((at, "in place"))
    sight.key = tuple(key)
    return sight


def _parts(
    call: Call, nodes: list[Node], number: dict[Node, int], held: set[int], add: Any
) -> None:
    """Add those results of a Call that are there already, or that will be kept."""
    for place, weak in call.parts.items():
        node = weak()
        if node is None:
            continue
        if node.op is _BUFFER or id(node) in held or (node.keepers and _needed(node)):
            at = number.get(node)
            if at is None:
                at = number[node] = len(nodes)
                nodes.append(node)
            add((place, at))


def _source(node: Node) -> Any:
    """What a node without operands is, but for what may differ at every run."""
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


def remember(sight: Sight, wanted: Iterable[Node]) -> None:
    """The graph was computed for `wanted`: so will be others that look like it."""
    recalled = Recalled(sight, wanted)
    with threads.execution_lock:  # another thread may drop some
        _plans[sight.key] = recalled
        nodes = sum([known.nodes for known in _plans.values()])
        while len(_plans) > PLANS or (nodes > KEPT and len(_plans) > 1):
            nodes -= _plans.popitem(last=False)[1].nodes


def forget(program: Any = None) -> None:
    """Drop the plans of a program, or all."""
    with threads.execution_lock:
        for key, known in list(_plans.items()):
            if program is None or program in known.programs:
                del _plans[key]


class Recalled:
    """How a graph was computed: by one plan, or by several, each of which reads results of others.

    A place is the number of a node, or (number of a Call, position).
    """

    __slots__ = ("expanded", "nodes", "parts", "programs", "results")

    def __init__(self, sight: Sight, wanted: Iterable[Node]) -> None:
        ids = set(map(id, wanted))
        self.parts, self.nodes = sight.parts, len(sight.nodes)
        self.programs = [part.program for part in self.parts]
        inside = {(c, at): id(n) for c, ns in enumerate(sight.inside) for at, n in enumerate(ns)}
        # What only other parts read and no node of the graph stands for is no result.
        self.results = [
            at for part in self.parts for at in part.outputs if type(at) is int or inside[at] in ids
        ]
        self.expanded = {at[0] for at in self.results if type(at) is tuple}

    def run(self, sight: Sight) -> None:
        """Compute a graph that looks alike.

        Raises:
            IndexError: as `flush`; nothing else is harmed.
        """
        made: dict[Any, Any] = {}  # place -> memory
        with threads.execution_lock:
            for part in self.parts:
                outs, failure = part.run(sight, made)
                counts.add(part.plan, part.program.kernels, part.nodes)
                if failure is not None:
                    self._fail(sight, made, part, failure)
                made.update(zip(part.outputs, outs, strict=True))
        for i in {*sight.needed, *self.expanded}:
            sight.calls[i].expand()
        for at in self.results:
            realise(_node(sight, at), made[at])

    def _fail(self, sight: Sight, made: dict[Any, Any], part: Part, failure: Any) -> None:
        """Raise what is wrong at one of the graph's operations, which the last part names."""
        for call in sight.calls:
            call.expand()
        for at, buffer in made.items():
            realise(_node(sight, at), buffer)
        raise_failure(failure, part.plan.schedule, walk([_node(sight, at) for at in part.outputs]))


def _node(sight: Sight, at: Any) -> Node:
    return sight.nodes[at] if type(at) is int else sight.inside[at[0]][at[1]]


class Part:
    """A bound plan, and where in a graph that looks alike its memory and numbers are."""

    __slots__ = (
        "at", "draws", "given", "live", "moving", "nodes", "numbers", "offsets", "outputs",
        "places", "plan", "program", "read", "rooms", "same", "sites", "told",
    )  # fmt: skip

    def __init__(self, sight: Sight, snap: Any, program: Any, plan: Any) -> None:
        inside = {
            id(node): (c, at)
            for c, nodes in enumerate(sight.inside)
            for at, node in enumerate(nodes)
        }
        number: dict[int, Any] = {**inside, **{id(n): i for i, n in enumerate(sight.nodes)}}

        def found(i: int) -> Any:
            return number[id(snap.nodes[i])]

        self.program = program
        self.plan = plan
        self.nodes = len(snap.nodes)
        self.outputs = [found(i) for i in snap.outputs]
        donors = [None if i is None else found(i) for i in plan.donors]
        used = [found(i) for _, i, _ in plan.leaves] + [at for at in donors if at is not None]
        # Memory of nodes, then what earlier parts gave.
        earlier = {at for part in sight.parts for at in part.outputs}
        self.read = [at for at in dict.fromkeys(used) if at not in earlier]
        self.given = [at for at in dict.fromkeys(used) if at in earlier]
        leaf = {at: k for k, at in enumerate([*self.read, *self.given])}
        self.rooms = [
            (n, None if at is None else leaf[at])
            for n, at in zip(plan.output_bytes, donors, strict=True)
        ]
        # Words to patch: the address of a leaf, of a result or of the arena, and an offset.
        leaves = [(word, leaf[found(i)], offset) for word, i, offset in plan.leaves]
        outs = [(word, len(leaf) + i, offset) for word, i, offset in plan.outs]
        arena = len(leaf) + len(self.outputs)
        temps = [(word, arena, offset) for word, offset in plan.temps]
        table = np.array([*leaves, *outs, *temps], np.int64).reshape(-1, 3)
        self.at, self.places, self.offsets = (np.ascontiguousarray(c) for c in table.T)
        first = {"leaf": 0, "out": len(leaves), "temp": len(leaves) + len(outs)}
        self.moving = [(first[where] + row, *rest) for where, row, *rest in plan.sliced]
        self.sites = skeleton(snap.nodes) if self.moving else []
        moving, scalars = set(sight.moving), set(sight.scalars)
        self.live = [
            (i, number[id(node)])
            for i, node in enumerate(snap.nodes if self.moving else ())
            if node.op in _MOVING and number.get(id(node)) in moving
        ]
        # Words that are numbers: of nodes, of Calls, and those that are the same each time.
        self.numbers: list[tuple[Any, int, int]] = []
        self.told: list[tuple[Any, int, int, int]] = []
        self.same: list[tuple[Any, int, Any]] = []
        for word, i in plan.scalars:
            node = snap.nodes[i]
            where = plan.typed[node.dtype.suffix], word * (8 // node.dtype.itemsize)
            at = number.get(id(node))
            call, place = inside.get(id(node), (None, 0))  # maybe one that the graph names, too
            if at in scalars:
                self.numbers.append((*where, at))
            elif call is not None and place in sight.calls[call].numbers:
                self.told.append((*where, call, place))
            else:
                self.same.append((*where, node.data))
        self.draws = [(word, found(i), k) for word, i, k in plan.slots]

    def run(self, sight: Sight, made: dict[Any, Any]) -> tuple[list[Any], Any]:
        """Memory of the results, and the failure if a kernel reported one; `made` has what earlier
        parts gave, by place. Call it with `execution_lock` held."""
        plan, nodes, calls = self.plan, sight.nodes, sight.calls
        memory = [nodes[i].data for i in self.read]
        memory += [made[at] for at in self.given]
        outs = [alloc(n) if k is None else memory[k] for n, k in self.rooms]
        places = [b.ptr for b in memory]
        places += [b.ptr for b in outs]
        if plan.arena_bytes:
            arena = alloc(plan.arena_bytes)
            places.append(arena.ptr)
        if self.moving:
            self._move(nodes)
        plan.words[self.at] = np.array(places, np.int64)[self.places] + self.offsets
        for words, word, i in self.numbers:
            words[word] = nodes[i].data
        for words, word, i, place in self.told:
            words[word] = calls[i].numbers[place]
        for words, word, value in self.same:
            words[word] = value
        for word, i, k in self.draws:
            plan.words[word] = np.int64(np.uint64(nodes[i].attrs[k] & _WORD))
        return outs, plan.program.run()

    def _move(self, nodes: list[Node]) -> None:
        """Offsets that follow from where slices start now."""
        plan, sites = self.plan, list(self.sites)
        for i, at in self.live:
            sites[i] = nodes[at]
        plan.nodes = sites
        for row, access, itemsize, start in self.moving:
            self.offsets[row] = start + plan.view(access)[2] * itemsize
        plan.nodes = []

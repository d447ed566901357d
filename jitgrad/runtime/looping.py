"""A Loop as one native call: its Body is scheduled and bound once, for any number of turns.

The argument blocks of all turns are rows of one table. A word of a row is a word that is patched
before the run (where an input or a result lies, a number) and an offset that is fixed.
Entry: `LoopPlan`, `body_graph`, `ahead`. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.compiler.layout import contiguous_strides
from jitgrad.ir.call import PART
from jitgrad.ir.loop import LOOP, Loop, waiting
from jitgrad.ir.node import Node, skeleton, walk
from jitgrad.ir.op import OPS
from jitgrad.runtime import switches
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.errors import blamed, raise_failure
from jitgrad.runtime.plan import Plan
from jitgrad.runtime.program import Program, Repeat

_BUFFER, _SCALAR = OPS["buffer"], OPS["scalar"]
_DRAW = 3  # the attribute of a random op that is its number

Wanted = list[tuple[str, int]]  # results, as a Loop names them


def body_graph(loop: Loop, wanted: Wanted) -> tuple[list[Node], dict[int, Any]]:
    """One turn as a graph over nodes without memory: its roots (new values of what is carried, then
    the wanted stacks), and by id how the turn reads what its leaves stand for."""
    body, given = loop.body, dict(loop.given)
    site = loop.site
    nodes: list[Node] = []
    meant: dict[int, Any] = {}

    def leaf(at: int, read: Any) -> None:
        shape, dtype, _ = body.facts[at]
        x = loop.inputs[read[1]]
        if read[0] == "draw" or x.op is _SCALAR:
            node = Node(x.op, (), x.attrs, shape, dtype, "cpu", site)
        else:
            node = Node(_BUFFER, (), (), shape, dtype, "cpu", site)
            node.strides = _strides(x, read)
        meant[id(node)] = read
        nodes.append(node)

    for at, read in enumerate(loop.reads):
        leaf(at, read)
    for at, (op, ins, attrs, shape, dtype, note, data) in enumerate(body.steps, body.count):
        if at in given:
            leaf(at, ("same", given[at]))
            continue
        inputs = tuple([nodes[i] for i in ins])
        where = (*site[:2], note or site[2])
        nodes.append(Node(op, inputs, attrs, shape, dtype, "cpu", where, data))
    roots = [nodes[read[2]] for read in loop.reads if read[0] == "carry"]
    return [*roots, *[nodes[at] for what, at in wanted if what == "stack"]], meant


def _strides(x: Node, read: Any) -> tuple[int, ...] | None:
    """Of what a turn reads: None if it is row-major."""
    if x.strides is None and (read[0] != "slice" or read[2] == 0):
        return None
    if read[0] == "same":
        return x.strides
    strides = list(x.strides or contiguous_strides(x.shape))
    del strides[read[2]]
    return tuple(strides)


class LoopPlan(Plan):
    """See the module. `nodes` and `leaves` count the inputs of the Loop."""

    def __init__(self, loop: Loop, wanted: Wanted, meant: dict[int, Any], program: Any,
                 nodes: list[Node]) -> None:  # fmt: skip
        """`program` is that of one turn, over `nodes`."""
        self.schedule = program.schedule
        self.turn = turn = Bound(program.schedule, program.functions, nodes)
        turn.times = loop.times
        self.kernels, self.count = program.kernels * loop.times, len(nodes) * loop.times
        self.sites, self.site = skeleton(nodes), loop.site
        self.bytes, self.flops = turn.bytes * loop.times, turn.flops * loop.times
        self._words: dict[Any, int] = {}
        self.leaves, self.outs, self.temps, self.scalars, self.slots = [], [], [], [], []
        self.sliced = []
        self.output_bytes = []
        self.arena_bytes = turn.arena_bytes
        self._number: dict[tuple[str, int], int] = {}  # of each result
        for what, at in wanted:
            self._number[what, at] = len(self.output_bytes)
            size = turn.output_bytes[_root(loop, wanted, what, at)]
            self.output_bytes.append(size if what == "last" else size * loop.times)
        self._lay_out(loop, wanted, [meant.get(id(node)) for node in nodes])
        self.donors = [None] * len(wanted)
        self.words = np.zeros(len(self._words), np.int64)
        self.freeze()
        start = turn.words.ctypes.data
        steps = []
        for step in turn.steps:
            segments = []
            for block, units in step.segments:
                first = (block.ctypes.data - start) // 8
                segments.append((self.table[0, first : first + len(block)], units))
            steps.append(dataclasses.replace(step, segments=segments))
        self.steps = [Repeat(steps, loop.times, self.table.strides[0])]
        self.launches = len(steps) * loop.times
        self.program = Program(self.steps)
        self.nbytes = 3 * self.table.nbytes + self.program.table.nbytes

    # -- the table ------------------------------------------------------------------------------

    def _lay_out(self, loop: Loop, wanted: Wanted, meant: list[Any]) -> None:
        """Which patched word and offset each word of each turn is made of."""
        turn, times = self.turn, loop.times
        zero = self._word("zero")
        self.where = np.full((times, len(turn.words)), zero, np.int64)
        self.plus = np.tile(turn.words, (times, 1))
        self.table = np.zeros_like(self.plus)
        turns = np.arange(times)
        places = turns[::-1] if loop.reverse else turns
        carried = [at for at, read in enumerate(loop.reads) if read[0] == "carry"]
        kept: dict[Any, list[int]] = {}  # where what is carried is put, every other turn
        for k, at in enumerate(carried):
            room = -(-max(1, turn.output_bytes[k]) // 64) * 64
            kept[loop.reads[at]] = [self.arena_bytes, self.arena_bytes + room]
            self.arena_bytes += 2 * room
        arena = self._word("arena")
        if self.arena_bytes:
            self.temps.append((arena, 0))

        def put(word: int, where: Any, plus: Any) -> None:
            self.where[:, word] = where
            self.plus[:, word] = plus

        for word, i, offset in turn.leaves:
            read = meant[i]
            start = self._leaf(loop, read[1])
            if read[0] == "slice":
                x = loop.inputs[read[1]]
                stride = (x.strides or contiguous_strides(x.shape))[read[2]] * x.dtype.itemsize
                put(word, start, places * stride + offset)
            elif read[0] == "carry":
                put(word, arena, np.take(kept[read], (turns + 1) % 2) + offset)
                self.where[0, word], self.plus[0, word] = start, offset
            elif read[0] == "ahead":
                x = loop.inputs[read[2]]
                size = math.prod(x.shape[1:]) * x.dtype.itemsize
                put(word, self._leaf(loop, read[2]), np.append(places[1:], 0) * size + offset)
                self.where[-1, word], self.plus[-1, word] = start, offset
            else:
                put(word, start, offset)
        for word, number, offset in turn.outs:
            if number < len(carried):
                at = carried[number]
                put(word, arena, np.take(kept[loop.reads[at]], turns % 2) + offset)
                if ("last", at) in self._number:
                    self.where[-1, word], self.plus[-1, word] = self._result("last", at), offset
            else:
                stacks = [at for what, at in wanted if what == "stack"]
                start = self._result("stack", stacks[number - len(carried)])
                put(word, start, places * turn.output_bytes[number] + offset)
        for word, offset in turn.temps:
            put(word, arena, offset)
        self._numbers: list[tuple[int, int]] = []  # node of a turn, input of the Loop
        for word, i in turn.scalars:
            if meant[i] is not None:
                self._numbers.append((i, meant[i][1]))
                put(word, self._scalar(meant[i][1]), 0)
            else:  # a number that is the same in all uses
                node = self.sites[i]
                turn.typed[node.dtype.suffix][word * (8 // node.dtype.itemsize)] = node.data
                put(word, zero, turn.words[word])
        for word, i, k in turn.slots:
            if meant[i] is not None:
                _, x, step, more = meant[i]
                put(word, self._slot(x, k), more + turns * step if k == _DRAW else 0)
            else:
                value = self.sites[i].attrs[k] & 0xFFFFFFFFFFFFFFFF
                put(word, zero, np.int64(np.uint64(value)))

    def _word(self, what: Any) -> int:
        return self._words.setdefault(what, len(self._words))

    def _leaf(self, loop: Loop, i: int) -> int:
        if ("leaf", i) not in self._words:
            x = loop.inputs[i]
            self.leaves.append((self._word(("leaf", i)), i, x.offset * x.dtype.itemsize))
        return self._word(("leaf", i))

    def _result(self, what: str, at: int) -> int:
        if (what, at) not in self._words:
            self.outs.append((self._word((what, at)), self._number[what, at], 0))
        return self._word((what, at))

    def _scalar(self, i: int) -> int:
        if ("scalar", i) not in self._words:
            self.scalars.append((self._word(("scalar", i)), i))
        return self._word(("scalar", i))

    def _slot(self, i: int, k: int) -> int:
        if (k, i) not in self._words:
            self.slots.append((self._word((k, i)), i, k))
        return self._word((k, i))

    # -- running --------------------------------------------------------------------------------

    def spread(self) -> None:
        """Fill the table from the words."""
        np.take(self.words, self.where, out=self.table, mode="clip")
        self.table += self.plus

    def start(self) -> Any:
        """The one native call; turn by turn beside the oracle, if that is asked for."""
        if switches.check():
            return self.by(None, [])
        self.spread()
        return self.program.run()

    def replayed(self, launch: Any, nodes: list[Node]) -> Any:
        """As `Plan.replayed`."""
        return self.start() if launch is None else self.by(launch, nodes)

    def by(self, launch: Any, nodes: list[Node]) -> Any:
        """Have `launch` run the plan of each turn."""
        self.spread()
        for number, row in enumerate(self.table):
            self.turn.words[:] = row
            failure = self.turn.replayed(launch, self.placed())
            if failure is not None:
                step = failure.step + number * len(self.turn.steps)
                return dataclasses.replace(failure, step=step)
        return None

    def fail(self, failure: Any, nodes: list[Node], wanted: list[Node]) -> None:
        """As `Plan.fail`."""
        step = failure.step % len(self.turn.steps)
        placed = self.placed()
        for k, i in self._numbers:  # messages name them
            placed[k].data = nodes[i].data
        try:
            raise_failure(dataclasses.replace(failure, step=step), self.schedule, placed)
        except (IndexError, RuntimeError) as error:
            raise blamed(error, wanted)  # noqa: B904  (the same one)

    def placed(self) -> list[Node]:
        """The graph of a turn, without memory, at the line of the use."""
        nodes = skeleton(self.sites)
        for node in nodes:
            node.site = (*self.site[:2], node.site[2])
        return nodes


def _root(loop: Loop, wanted: Wanted, what: str, at: int) -> int:
    """Which root of a turn a result is made of."""
    carried = [k for k, read in enumerate(loop.reads) if read[0] == "carry"]
    if what == "last":
        return carried.index(at)
    return len(carried) + [k for what, k in wanted if what == "stack"].index(at)


# ---- what comes first


def ahead(roots: list[Node]) -> Iterator[tuple[list[Node], Loop]]:
    """The Loops below `roots`, each after those that it reads; with each, what is to be computed
    before: its inputs, and values below them that cost much and that others read, too."""
    if not waiting or not any(_leads(roots)):
        return
    order, asked = walk(roots), set(map(id, roots))
    loops = dict.fromkeys([node.attrs[0] for node in order if node.op is LOOP])
    readers: dict[int, list[Node]] = {}
    for node in order:
        for x in node.inputs:
            readers.setdefault(id(x), []).append(node)
    for loop in loops:
        inputs = [x for x in loop.memory() if not x.realised]
        have = set(map(id, inputs))
        below = walk(inputs)
        inside = set(map(id, below))
        needed: set[int] = set()
        for node in reversed(below):
            others = (r for r in readers.get(id(node), ()) if id(r) not in inside)
            if id(node) in have or not node.inputs:
                continue
            if id(node) in asked:
                inputs.append(node)
            elif id(node) in needed or any(not r.realised for r in others):
                if node.op.cost == "keep":
                    inputs.append(node)
                else:
                    needed.update(map(id, node.inputs))
        yield inputs, loop


def _leads(roots: list[Node]) -> Iterator[bool]:
    """True for each result of a Loop below `roots`; Calls are not expanded."""
    seen = set(map(id, roots))
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.op is LOOP:
            yield True
        inputs = node.inputs
        if node.op is PART:
            call = node.attrs[0]
            if id(call) in seen:
                continue
            seen.add(id(call))
        for x in inputs:
            if id(x) not in seen:
                seen.add(id(x))
                stack.append(x)

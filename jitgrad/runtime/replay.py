"""A recorded graph that runs again over other memory and numbers, without its nodes.

Entry: `Replay(roots, inputs)` computes the graph once and keeps bound plans of its own;
`Replay.run(addresses)` patches addresses and numbers into them and makes one native call for each
(one, unless the graph is too large for one schedule). Imports: ir, compiler, runtime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.compiler import snapshot
from jitgrad.ir.apply import realise
from jitgrad.ir.node import Node, walk
from jitgrad.runtime import flush, pool, switches, threads, trace
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.stats import counts

_WORD = 0xFFFFFFFFFFFFFFFF


class Part:
    """One schedule of a replay: where its words come from.

    `places` selects from the vector (inputs, results of all parts, this part's arena).
    """

    arena: int
    draws: list[tuple[int, int, int]]
    kernels: int
    numbers: list[tuple[Any, Any, Any]]
    offsets: np.ndarray
    places: np.ndarray
    plan: Bound
    sites: list[Node]
    words: np.ndarray
    __slots__ = (
        "arena", "draws", "kernels", "numbers", "offsets", "places", "plan", "sites", "words",
    )  # fmt: skip


class Replay:
    """See the module.

    Attributes:
        results: number of buffers that `run` returns.
        at: where among them the roots are.
    """

    def __init__(self, roots: list[Node], inputs: list[Node], sources: dict[int, Any]) -> None:
        """Compute `roots`, which are pending.

        `inputs` are the realised nodes whose memory `run` is told anew; all others stay as they
        are. `sources` has, by id, the Scalar nodes that change (-> index among the numbers given to
        `run`) and the draws (-> index among its draws).
        """
        self.inputs = len(inputs)
        self.place = {id(n): i for i, n in enumerate(inputs)}
        self.offset = [n.offset * n.dtype.itemsize for n in inputs]
        self.keep: list[Any] = []  # constants
        self.parts: list[Part] = []
        self.results = 0
        self.sizes: list[int] = []  # bytes of the results
        order = walk(roots)
        graph = [roots]
        if len(order) > flush.CUT:
            graph = [*flush.pieces(order, roots), roots]
        made = []
        for some in graph:
            some = list({id(n): n for n in some if not n.realised}.values())
            if some:
                made.append(self._part(some, sources))
        self.at = [self.place[id(n)] - self.inputs for n in roots]
        for part, first, spots in made:
            self._address(part, first, spots)
        self.arena = max((part.arena for part in self.parts), default=0)
        self.memory: Any = None  # for temporary values, kept between runs
        del self.place

    def _part(self, roots: list[Node], sources: dict[int, Any]) -> Any:
        snap = snapshot.take(roots)
        program = flush.program_of(snap)
        part = Part()
        part.plan = plan = Bound(program.schedule, program.functions, snap.nodes)
        part.sites = _skeleton(snap.nodes)
        part.kernels = program.schedule.kernel_count
        values = trace.expected(snap)
        with threads.execution_lock:
            outs, failure = plan.run(snap.nodes, trace.launch())
        _count(part, len(snap.nodes))
        if failure is not None:
            raise_failure(failure, program.schedule, snap.nodes)
        spots: list[tuple[int, Any, int]] = []  # word, place in the vector or a Buffer, offset
        for word, i, offset in plan.leaves:
            node = snap.nodes[i]
            at = self.place.get(id(node))
            if at is None:
                spots.append((word, node.data, offset))
            else:  # `run` gets addresses that include the node's offset
                spots.append((word, at, offset - (self.offset[at] if at < self.inputs else 0)))
        numbers: dict[str, list[tuple[int, int]]] = {}
        for word, i in plan.scalars:
            node = snap.nodes[i]
            index = sources.get(id(node))
            if index is not None:
                step = 8 // node.dtype.itemsize
                numbers.setdefault(node.dtype.suffix, []).append((word * step, index))
        part.numbers = [
            (plan.typed[suffix], np.array([w for w, _ in rows]), np.array([i for _, i in rows]))
            for suffix, rows in numbers.items()
        ]
        part.draws = [(w, sources[id(snap.nodes[i])], k) for w, i, k in plan.slots]
        first = self.results
        self.sizes += plan.output_bytes
        for i, buffer in zip(snap.outputs, outs, strict=True):
            realise(snap.nodes[i], buffer)
            self.place[id(snap.nodes[i])] = self.inputs + self.results
            self.offset.append(0)
            self.results += 1
        if values is not None:
            trace.check([snap.nodes[i] for i in snap.outputs], values, program.schedule)
        return part, first, spots

    def _address(self, part: Part, first: int, spots: list[tuple[int, Any, int]]) -> None:
        """Turn words to patch into index arrays; constants are written now."""
        plan = part.plan
        rows = []
        for word, source, offset in spots:
            if isinstance(source, int):
                rows.append((word, source, offset))
            else:
                plan.words[word] = source.ptr + offset
                self.keep.append(source)
        rows += [(word, self.inputs + first + number, at) for word, number, at in plan.outs]
        end = self.inputs + self.results
        rows += [(word, end, offset) for word, offset in plan.temps]
        part.arena = plan.arena_bytes
        table = np.array(rows, np.int64).reshape(-1, 3)
        part.words, part.places, part.offsets = (np.ascontiguousarray(c) for c in table.T)
        self.parts.append(part)

    def run(
        self, addresses: list[int], numbers: list[float], draws: list[Any], spare: list[Any]
    ) -> list[Any]:
        """Buffers of all results: those of `spare`, fresh ones where it has None.

        `draws` has (seed, draw number) of each draw.

        Raises:
            IndexError: as `flush`; nothing is harmed.
        """
        alloc = pool.alloc
        launch = trace.launch()
        if switches.debug():
            trace.replays([part.plan.schedule for part in self.parts])
        with threads.execution_lock:
            out = [b or alloc(n) for b, n in zip(spare, self.sizes, strict=True)]
            arena = self.memory
            if arena is None:
                arena = self.memory = alloc(self.arena)
            places = [*addresses, *[b.ptr for b in out], arena.ptr]
            vector = np.array(places, np.int64)
            for part in self.parts:
                plan = part.plan
                plan.words[part.words] = vector[part.places] + part.offsets
                for typed, words, index in part.numbers:
                    typed[words] = np.array(numbers)[index]
                for word, index, k in part.draws:
                    plan.words[word] = np.int64(np.uint64(draws[index][k - 2] & _WORD))
                failure = plan.program.run() if launch is None else plan.by(launch, part.sites)
                if failure is not None:
                    raise_failure(failure, plan.schedule, part.sites)
                _count(part, len(part.sites))
        return out

    def release(self) -> None:
        """Give memory back that is kept between runs."""
        self.memory = None


def _count(part: Part, nodes: int) -> None:
    plan = part.plan
    counts.flushes += 1
    counts.nodes += nodes
    counts.kernels_run += part.kernels
    counts.steps_run += len(plan.steps)
    counts.bytes += plan.bytes
    counts.flops += plan.flops


def _skeleton(nodes: list[Node]) -> list[Node]:
    """The nodes without their memory: what error messages and debug tools read."""
    table: dict[int, Node] = {}
    for n in nodes:
        inputs = tuple([table[id(x)] for x in n.inputs])
        data = n.data if n.op.name in ("const", "scalar") else None
        node = Node(n.op, inputs, n.attrs, n.shape, n.dtype, n.device, n.site, data)
        node.strides, node.offset = n.strides, n.offset
        table[id(n)] = node
    return list(table.values())

"""A recorded graph that runs again over other memory and numbers, without its nodes.

Entry: `Replay(roots, inputs, sources)` computes the graph once and keeps bound plans of its own;
`Replay.write(script, ...)` writes the lines that patch addresses and numbers into them and run them
all by one native call. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from sys import getrefcount
from typing import Any

from jitgrad.compiler import snapshot
from jitgrad.ir.apply import realise
from jitgrad.ir.loop import Loop
from jitgrad.ir.node import Node, skeleton, walk
from jitgrad.ir.references import ASKING
from jitgrad.runtime import checking, flush, looping, pool, stats, switches, threads, trace
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.plan import Plan
from jitgrad.runtime.program import Failure, Program
from jitgrad.runtime.script import Script

_WORD = 0xFFFFFFFFFFFFFFFF
_FORMATS = {"f32": "f", "f64": "d"}  # of numbers in a memoryview, which rounds 1e300 to inf
KEPT = 1 << 20  # results up to this size have memory kept for them; alloc costs larger ones nothing


class Part:
    """One schedule of a replay: where its words come from."""

    draws: list[tuple[int, int, int]]  # word, draw, which of its numbers
    leaves: list[tuple[int, int, int]]  # word, input or (past the inputs) result, byte offset
    numbers: list[tuple[str, int, int]]  # dtype, word, number
    outs: list[tuple[int, int, int]]  # word, result, byte offset
    plan: Plan
    sites: list[Node]
    __slots__ = ("draws", "leaves", "numbers", "outs", "plan", "sites")


class Replay:
    """See the module.

    Attributes:
        sizes: bytes of the results, which are the roots and what one schedule gives to the next.
        at: where among them the roots are.
    """

    def __init__(self, roots: list[Node], inputs: list[Node], sources: dict[int, int]) -> None:
        """Compute `roots`, which are pending.

        `inputs` are the realised nodes whose memory is another one at every run; all others stay as
        they are. `sources` has, by id, the Scalar nodes that change (-> index among the numbers)
        and the draws (-> index among the draws).
        """
        self.inputs = len(inputs)
        self._place = {id(n): i for i, n in enumerate(inputs)}
        self._offset = [n.offset * n.dtype.itemsize for n in inputs]
        self.keep: list[Any] = []  # constants
        self.parts: list[Part] = []
        self.sizes: list[int] = []
        self.tally = stats.Tally()
        for first, loop in looping.ahead(roots):
            self._graph(first, sources)
            self._loop(loop, sources)
        self._graph(roots, sources)
        self.at = [self._place[id(n)] - self.inputs for n in roots]
        steps = [step for part in self.parts for step in part.plan.steps]
        self.program = self.parts[0].plan.program if len(self.parts) == 1 else Program(steps)
        self._arena: Any = None  # for temporary values, kept between runs
        del self._place, self._offset

    def _graph(self, roots: list[Node], sources: dict[int, int]) -> None:
        """Parts that compute `roots`, below which there are no Loops any more."""
        order = walk(flush.pending(roots))
        graph = [*flush.pieces(order, roots), roots] if len(order) > flush.CUT else [roots]
        for some in graph:
            some = flush.pending(some)
            if some:
                snap = snapshot.take(some)
                program = flush.program_of(snap)
                plan = Bound(program.schedule, program.functions, snap.nodes)
                wanted = [snap.nodes[i] for i in snap.outputs]
                values = checking.expected(snap.nodes, snap.outputs)
                count = program.kernels, len(snap.nodes)
                self._part(plan, snap.nodes, wanted, count, sources)
                if values is not None:
                    values.check({i: snap.nodes[i].array() for i in snap.outputs}, plan)

    def _loop(self, loop: Loop, sources: dict[int, int]) -> None:
        """A part that computes a Loop."""
        parts = loop.alive()
        plan = flush.loop_plan(loop, [part for part, _ in parts])
        wanted = [node for _, node in parts]
        self._part(plan, list(loop.inputs), wanted, (plan.kernels, plan.count), sources)
        loop.done()

    def _part(
        self, plan: Plan, nodes: list[Node], wanted: list[Node], count: tuple[int, int],
        sources: dict[int, int],
    ) -> None:  # fmt: skip
        """One native call, and the first run of it: `nodes` are those that the plan counts."""
        part = Part()
        part.plan = plan
        part.sites = skeleton(nodes)
        with threads.execution_lock:
            outs, failure = plan.run(nodes, trace.launch())
        self.tally.plans.append((plan, *count))
        stats.counts.add(plan, *count)
        if failure is not None:
            plan.fail(failure, nodes, wanted)
        part.leaves = []
        for word, i, offset in plan.leaves:
            node = nodes[i]
            at = self._place.get(id(node))
            if at is None:
                plan.words[word] = node.data.ptr + offset
                self.keep.append(node.data)
            else:  # addresses of inputs include the node's offset
                start = self._offset[at] if at < self.inputs else 0
                part.leaves.append((word, at, offset - start))
        part.numbers = []
        for word, i in plan.scalars:
            node = nodes[i]
            index = sources.get(id(node))
            if index is not None:
                step = 8 // node.dtype.itemsize
                part.numbers.append((node.dtype.suffix, word * step, index))
        part.draws = [(w, sources[id(nodes[i])], k) for w, i, k in plan.slots]
        part.outs = [(word, len(self.sizes) + number, at) for word, number, at in plan.outs]
        for node, buffer in zip(wanted, outs, strict=True):
            realise(node, buffer)
            self._place[id(node)] = self.inputs + len(self.sizes)
            self.sizes.append(buffer.nbytes)
        self.parts.append(part)

    # ---- lines

    def names(self) -> dict[str, Any]:
        """The objects that the lines refer to."""
        program = self.program
        names: dict[str, Any] = {
            "alloc": pool.alloc, "arena": None, "arrange": self._arrange,
            "getrefcount": getrefcount, "observed": self._observed, "raise_failure": self._raise,
            "switched": switches.switched, "tally": self.tally, "walk": program.walk,
            "watched": trace.watched,
        }  # fmt: skip
        for p, part in enumerate(self.parts):
            words = part.plan.words.data
            raw = words.cast("B")
            names[f"words{p}"], names[f"unsigned{p}"] = words, raw.cast("Q")
            names[f"f32_{p}"], names[f"f64_{p}"] = raw.cast("f"), raw.cast("d")
            if type(part.plan) is looping.LoopPlan:
                names[f"spread{p}"] = part.plan.spread
        return names

    def kept(self, traded: set[int]) -> list[str]:
        """Names of the memory that is kept for the next run.

        Whoever uses a `traded` result puts what it replaces into `spare{i}`.
        """
        between = set(range(len(self.sizes))) - set(self.at)  # from one schedule to the next
        self._spare = sorted(traded | between)
        self._inner = sorted(between)
        fresh = [i for i, n in enumerate(self.sizes) if n <= KEPT]
        self._fresh = [i for i in fresh if i not in traded | between]
        names = [f"spare{i}" for i in self._spare + self._fresh]
        return ["arena", *names, *[f"last{i}" for i in self._fresh]]

    def write_memory(self, script: Script) -> None:
        """Lines that provide it: the memory of result i is `out{i}`."""
        for i, size in enumerate(self.sizes):
            if i not in self._spare and i not in self._fresh:
                script.line(f"out{i} = alloc({size})")
                continue
            # Nothing but this module refers to it; it is no memory of NumPy's.
            script.line(
                f"out{i} = spare{i}",
                f"if out{i} is None or getrefcount(out{i}) != {1 + ASKING} "
                f"or out{i}.keep is not None: out{i} = alloc({size})",
            )
        if any(part.plan.arena_bytes for part in self.parts):
            script.line("if arena is None: arena = arrange()")

    def write_kept(self, script: Script) -> None:
        """Lines that keep it for the next run."""
        for i in self._fresh:  # whoever holds a result may drop it before the next but one
            script.line(f"spare{i}, last{i} = last{i}, out{i}")
        for i in self._inner:
            script.line(f"spare{i} = out{i}")

    def write_addresses(self, script: Script, name: Callable[[int], str | None]) -> None:
        """Lines that put addresses where kernels look for them; `name(i)` has that of input i,
        or past the inputs of a result, or is None where it is not to be put."""
        for p, part in enumerate(self.parts):
            rows: dict[str, list[int]] = {}
            places = [(w, at, offset) for w, at, offset in part.leaves]
            places += [(w, self.inputs + at, offset) for w, at, offset in part.outs]
            for word, at, offset in places:
                address = name(at)
                if address is not None:
                    what = f"{address} + {offset}" if offset else address
                    rows.setdefault(what, []).append(word)
            for what, spots in rows.items():
                script.line("".join([f"words{p}[{w}] = " for w in spots]) + what)

    def write_numbers(
        self, script: Script, numbers: list[str], draws: list[tuple[str, str]]
    ) -> None:
        """Lines that put numbers and (seed, draw number) where kernels look for them."""
        for p, part in enumerate(self.parts):
            rows: dict[tuple[str, int], list[int]] = {}
            for suffix, word, index in part.numbers:
                assert suffix in _FORMATS, suffix
                rows.setdefault((suffix, index), []).append(word)
            for (suffix, index), spots in rows.items():
                script.line("".join([f"{suffix}_{p}[{w}] = " for w in spots]) + numbers[index])
            for word, index, k in part.draws:
                script.line(f"unsigned{p}[{word}] = {draws[index][k - 2]} & {_WORD:#x}")

    def write_run(self, script: Script) -> None:
        """Lines that run everything; they find `switched()` in `switches`."""
        for p, part in enumerate(self.parts):
            if type(part.plan) is looping.LoopPlan:
                script.line(f"spread{p}()")
        script.line(
            "failure = observed() if switches.observed or watched[0] else walk()",
            "if failure is not None: raise_failure(failure)",
            "tally.runs += 1",
        )

    # ---- what the lines call

    def _arrange(self) -> Any:
        """Memory for temporary values."""
        arena = pool.alloc(max(part.plan.arena_bytes for part in self.parts))
        for part in self.parts:
            for word, offset in part.plan.temps:
                part.plan.words[word] = arena.ptr + offset
        return arena

    def _observed(self) -> Failure | None:
        """One run, for whoever watches the steps or compares with the oracle."""
        launch = trace.launch()
        if switches.debug():
            trace.replays([part.plan for part in self.parts])
        first = 0
        for part in self.parts:
            failure = part.plan.replayed(launch, part.sites)
            if failure is not None:
                return dataclasses.replace(failure, step=failure.step + first)
            first += part.plan.launches
        return None

    def _raise(self, failure: Failure) -> None:
        """The error of a step, by its number among all."""
        step = failure.step
        for part in self.parts:
            if step < part.plan.launches:
                part.plan.fail(dataclasses.replace(failure, step=step), part.sites, [])
            step -= part.plan.launches

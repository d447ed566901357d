"""What a bound plan and that of a Loop have in common: words to patch before every run.

Entry: `Plan`. Imports: ir, runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.compiler.schedule import Schedule
from jitgrad.compiler.values import Access
from jitgrad.ir.node import Node
from jitgrad.runtime import checking, pool, switches
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.patched import Patched, outputs
from jitgrad.runtime.program import Program


class Plan:
    """One native call.

    Attributes:
        words: what is patched. `leaves`, `outs`, `temps`, `sliced`, `scalars` and `slots` say
            where, and with what.
        nodes: the graph, while `launch` runs the plan.
        output_bytes: sizes of the results; `donors`: the nodes whose memory becomes a result's.
        launches: how many steps run; `bytes`, `flops`: predicted.
        times: how often a Loop runs the plan.
    """

    times = 1
    schedule: Schedule
    nodes: list[Node]
    program: Program
    steps: list[Any]
    launches: int
    bytes: int
    flops: int
    arena_bytes: int
    output_bytes: list[int]
    donors: list[int | None]
    words: np.ndarray
    leaves: list[tuple[int, int, int]]  # word, node, byte offset
    outs: list[tuple[int, int, int]]  # word, output number, byte offset
    temps: list[tuple[int, int]]  # word, byte offset in the arena
    sliced: list[tuple[str, int, Access, int, int]]  # offsets read at every run
    scalars: list[tuple[int, int]]  # word, node
    slots: list[tuple[int, int, int]]  # word, node, attribute

    def freeze(self) -> None:
        """Lay out what `run` needs, once the lists are complete."""

        def column(rows: Sequence[tuple[int, ...]], k: int) -> Any:
            return np.array([r[k] for r in rows], np.int64)

        self.leaf_words, self.leaf_nodes = column(self.leaves, 0), [r[1] for r in self.leaves]
        self.leaf_offsets = column(self.leaves, 2)
        self.out_words, self.out_numbers = column(self.outs, 0), [r[1] for r in self.outs]
        self.out_offsets = column(self.outs, 2)
        self.temp_words, self.temp_offsets = column(self.temps, 0), column(self.temps, 1)
        self.offsets = {
            "leaf": self.leaf_offsets, "out": self.out_offsets, "temp": self.temp_offsets
        }  # fmt: skip
        raw = self.words.data.cast("B")
        self.typed: dict[str, Any] = {
            # Not arrays: those warn of a number that is infinite in float32.
            "f32": raw.cast("f"), "f64": raw.cast("d"),
            **{
                suffix: self.words.view(kind)
                for suffix, kind in (
                    ("i8", np.int8), ("i16", np.int16), ("i32", np.int32), ("i64", np.int64),
                    ("u8", np.uint8), ("b1", np.uint8),
                )
            },
        }  # fmt: skip

    def run(self, nodes: list[Node], launch: Any = None) -> tuple[list[Any], Any]:
        """Buffers of the outputs, and the failure if a kernel reported one.

        `launch` runs the bound program in place of one native call (to time it step by step).
        """
        words = self.words
        if self.sliced:
            self.nodes = nodes
            for where, row, access, itemsize, start in self.sliced:
                self.offsets[where][row] = start + self.view(access)[2] * itemsize
            self.nodes = []
        outs = [
            pool.alloc(n) if k is None else nodes[k].data
            for n, k in zip(self.output_bytes, self.donors, strict=True)
        ]
        if self.leaf_nodes:
            words[self.leaf_words] = self.leaf_offsets + [
                nodes[i].data.ptr for i in self.leaf_nodes
            ]
        if self.out_numbers:
            words[self.out_words] = self.out_offsets + [outs[i].ptr for i in self.out_numbers]
        arena = None
        if self.arena_bytes:
            arena = pool.alloc(self.arena_bytes)
            words[self.temp_words] = self.temp_offsets + arena.ptr
        for word, i in self.scalars:
            dtype = nodes[i].dtype
            self.typed[dtype.suffix][word * (8 // dtype.itemsize)] = nodes[i].data
        for word, i, k in self.slots:
            words[word] = np.int64(np.uint64(nodes[i].attrs[k] & 0xFFFFFFFFFFFFFFFF))
        failure = self.start() if launch is None else self.by(launch, nodes)
        return outs, failure

    def view(self, access: Access) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Shape, strides and offset of an access."""
        raise NotImplementedError

    def start(self) -> Any:
        """The one native call, when all words are patched."""
        return self.program.run()

    def replayed(self, launch: Any, nodes: list[Node]) -> Any:
        """Run words that others have patched: by `launch`, and beside the oracle, if asked for."""
        values = None
        if switches.check():
            values = checking.expected(Patched(self, nodes).graph(), self.schedule.wanted)
        failure = self.start() if launch is None else self.by(launch, nodes)
        if failure is None and values is not None:
            values.check(outputs(self, nodes), self)
        return failure

    def fail(self, failure: Any, nodes: list[Node], wanted: list[Node]) -> None:
        """Raise for a step that reported an error; `wanted` are the results."""
        raise_failure(failure, self.schedule, nodes)

    def by(self, launch: Any, nodes: list[Node]) -> Any:
        """Run by `launch(self)`, which finds the graph in `self.nodes` meanwhile."""
        self.nodes = nodes
        try:
            return launch(self)
        finally:
            self.nodes = []

"""A bound plan that is about to run, read back: its graph over the memory, numbers and draws that
stand in its words.

So a compiled function, whose nodes have no memory, can be computed again by other means. Entry:
`Patched(plan, nodes)`, `outputs(plan, nodes)`. Imports: ir, runtime.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.ir.node import Node
from jitgrad.runtime import pool

_WORD = 0xFFFFFFFFFFFFFFFF


class Patched:
    """`nodes` are the graph of the plan, with or without memory, each after its inputs."""

    def __init__(self, plan: Any, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.index = {id(node): i for i, node in enumerate(nodes)}
        self._plan = plan
        self._memory = dict(_leaves(plan))
        self._numbers = {i: word for word, i in plan.scalars}
        self._slots = {(i, k): word for word, i, k in plan.slots}

    def inputs(self, i: int) -> list[int]:
        """The operands of node `i`."""
        return [self.index[id(x)] for x in self.nodes[i].inputs]

    def copy(self, i: int, inputs: tuple[Node, ...]) -> Node:
        """Node `i` over other operands, with the numbers that the plan has now."""
        node = self.nodes[i]
        data, attrs = node.data, list(node.attrs)
        if i in self._numbers:
            size = node.dtype.itemsize
            number = self._plan.typed[node.dtype.suffix][self._numbers[i] * (8 // size)]
            data = node.dtype.np.type(number).item()
        for k in range(len(attrs)):
            if (i, k) in self._slots:
                attrs[k] = int(self._plan.words[self._slots[i, k]]) & _WORD
        return Node(
            node.op, inputs, tuple(attrs), node.shape, node.dtype, node.device, node.site, data
        )

    def leaf(self, i: int) -> Node | None:
        """Input `i` in the memory that the plan has for it; None if no kernel reads it."""
        node, address = self.nodes[i], self._memory.get(i)
        if address is None:
            return None
        made = self.copy(i, ())
        strides = node.strides or ()
        steps = zip(node.shape, strides, strict=False)
        last = sum((n - 1) * s for n, s in steps) if strides else node.size - 1
        nbytes = max(0, node.offset + last + 1) * node.dtype.itemsize
        # Kept by whoever runs the plan; `keep` says that it is not to be written in place.
        made.data = pool.Buffer(address, nbytes, 0, keep=self._plan)
        made.strides, made.offset = node.strides, node.offset
        return made

    def graph(self) -> list[Node]:
        """All nodes as copies. What no kernel reads is zeros: no result depends on it."""
        made: list[Node] = []
        for i, node in enumerate(self.nodes):
            if node.op.name != "buffer":
                made.append(self.copy(i, tuple([made[j] for j in self.inputs(i)])))
                continue
            leaf = self.leaf(i)
            if leaf is None:
                leaf = self.copy(i, ())
                leaf.data = pool.wrap(np.zeros(node.shape, node.dtype.np))
            made.append(leaf)
        return made


def outputs(plan: Any, nodes: list[Node]) -> dict[int, np.ndarray]:
    """The values that a plan has left for each node that was asked for, as copies."""
    at = dict(_leaves(plan))
    places = {number: at[k] for number, k in enumerate(plan.donors) if k in at}
    for (word, number, _), offset in zip(plan.outs, plan.out_offsets, strict=True):
        places[number] = int(plan.words[word]) - int(offset)
    found: dict[int, np.ndarray] = {}
    for number, address in places.items():
        i = plan.schedule.wanted[number]
        node = nodes[i]
        raw = ctypes.string_at(address, node.size * node.dtype.itemsize)
        found[i] = np.frombuffer(raw, node.dtype.np).reshape(node.shape)
    return found


def _leaves(plan: Any) -> Iterator[tuple[int, int]]:
    """(node, address of its memory) of the inputs that kernels read."""
    for (word, i, _), offset in zip(plan.leaves, plan.leaf_offsets, strict=True):
        yield i, int(plan.words[word]) - int(offset)

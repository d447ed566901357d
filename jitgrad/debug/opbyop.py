"""The graph of one launch, computed again one op at a time: in its own bits, and in float64.

A launch (see `runtime.trace.watching`) gets a bound plan: addresses and numbers stand in its words,
the graph in `plan.nodes`. `OpByOp(plan)` reads the graph's inputs from there, so that it serves
compiled functions, whose nodes have no memory, as well. Entry: `OpByOp`, `outputs`.
Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.evaluate import convert
from jitgrad.ir.evaluate import value as oracle
from jitgrad.ir.node import Node
from jitgrad.runtime import flush, pool, trace

_WORD = 0xFFFFFFFFFFFFFFFF


class Skipped(Exception):
    """A value that cannot be computed again: an input that the kernels do not read."""


class OpByOp:
    """The nodes of a plan as copies over its memory, computed when asked for.

    Attributes:
        nodes: the graph as recorded: each node after its inputs.
    """

    def __init__(self, plan: Any) -> None:
        self.nodes: list[Node] = list(plan.nodes)
        self._plan = plan
        self._index = {id(node): i for i, node in enumerate(self.nodes)}
        self._made: dict[int, Node] = {}  # node -> its copy, realised or a view of such a one
        self._memory = dict(_leaves(plan))
        self._numbers = {i: word for word, i in plan.scalars}
        self._slots = {(i, k): word for word, i, k in plan.slots}

    # ---- in its own bits

    def node(self, i: int) -> Node:
        """Node `i` computed by itself from computed operands: the bits of eager mode.

        Raises:
            Skipped: it rests on an input that the plan does not read.
            IndexError: an index is out of range, as the plan itself will find.
        """
        stack = [i]
        while stack:
            at = stack[-1]
            missing = [j for j in self.inputs(at) if j not in self._made]
            if missing:
                stack += missing
            else:
                stack.pop()
                if at not in self._made:
                    self._made[at] = self._compute(at)
        return self._made[i]

    def array(self, i: int) -> np.ndarray:
        """The values of node `i`."""
        made = self.node(i)
        chain = []
        while made.inputs:  # views only: everything else is realised
            chain.append(made)
            (made,) = made.inputs
        if made.realised:
            out = made.array()
        else:
            out = oracle(made, [])
        for view in reversed(chain):
            out = oracle(view, [out])
        return out

    def inputs(self, i: int) -> list[int]:
        """The operands of node `i`."""
        return [self._index[id(x)] for x in self.nodes[i].inputs]

    def below(self, i: int) -> list[int]:
        """The operations that node `i` rests on, itself the last, each after its operands."""
        found, stack = {i}, [i]
        while stack:
            new = [j for j in self.inputs(stack.pop()) if j not in found]
            found.update(new)
            stack += new
        work = ("buffer", "const", "scalar")
        nodes = self.nodes
        return [
            j for j in sorted(found)
            if nodes[j].op.kind != "movement" and nodes[j].op.name not in work
        ]  # fmt: skip

    def fused(self, i: int) -> np.ndarray:
        """Node `i` computed in one schedule with all that it rests on."""
        copies: dict[int, Node] = {}
        stack = [i]
        while stack:
            at = stack[-1]
            missing = [j for j in self.inputs(at) if j not in copies]
            if missing:
                stack += missing
                continue
            stack.pop()
            if at not in copies:
                leaf = self.nodes[at].op.name == "buffer"
                inputs = tuple([copies[j] for j in self.inputs(at)])
                copies[at] = self.node(at) if leaf else self._copy(at, inputs)
        _realise(self._plan, copies[i])
        return copies[i].array()

    def _compute(self, i: int) -> Node:
        node = self.nodes[i]
        if node.op.name == "buffer":
            return self._leaf(i, node)
        made = self._copy(i, tuple([self._made[j] for j in self.inputs(i)]))
        if node.op.kind != "movement" and node.op.name not in ("const", "scalar"):
            _realise(self._plan, made)
        return made

    def _copy(self, i: int, inputs: tuple[Node, ...]) -> Node:
        """The node over other operands, with the numbers that the plan has now."""
        node = self.nodes[i]
        data, attrs = node.data, list(node.attrs)
        if i in self._numbers:
            size = node.dtype.itemsize
            number = self._plan.typed[node.dtype.suffix][self._numbers[i] * (8 // size)]
            data = number.astype(node.dtype.np).item()
        for k in range(len(attrs)):
            if (i, k) in self._slots:
                attrs[k] = int(self._plan.words[self._slots[i, k]]) & _WORD
        return Node(
            node.op, inputs, tuple(attrs), node.shape, node.dtype, node.device, node.site, data
        )

    def _leaf(self, i: int, node: Node) -> Node:
        address = self._memory.get(i)
        if address is None:
            raise Skipped(f"{node} is not read")
        made = self._copy(i, ())
        strides = node.strides or ()
        steps = zip(node.shape, strides, strict=False)
        last = sum((n - 1) * s for n, s in steps) if strides else node.size - 1
        nbytes = max(0, node.offset + last + 1) * node.dtype.itemsize
        # Kept by the plan's own nodes; `keep` says that it is not to be written in place.
        made.data = pool.Buffer(address, nbytes, 0, keep=self._plan)
        made.strides, made.offset = node.strides, node.offset
        return made

    # ---- in float64

    def doubles(self, known: Any) -> Iterator[tuple[int, np.ndarray]]:
        """(node, its values) in order, floats computed in float64 from start to end.

        `known(node)` has the float64 values of a leaf, or None: then its own are taken.
        """
        values: dict[int, np.ndarray] = {}
        with np.errstate(all="ignore"):
            for i, node in enumerate(self.nodes):
                try:
                    values[i] = self._double(i, node, known, values)
                except Skipped:
                    continue
                yield i, values[i]

    def _double(self, i: int, node: Node, known: Any, values: Any) -> np.ndarray:
        if node.op.name == "buffer":
            found = known(node)
            out = self.array(i) if found is None else found
        elif any(j not in values for j in self.inputs(i)):
            raise Skipped
        else:
            made = self._copy(i, ())
            inputs = [values[j] for j in self.inputs(i)]
            if node.op.name in ("const", "scalar"):
                same = made.data == node.data or np.float32(node.data) == made.data
                out = np.asarray(node.data if same else made.data)  # not rounded to float32
            elif node.op.name == "cast":
                out = inputs[0]
            else:
                out = np.asarray(node.op.numpy(*inputs, *made.attrs))
        return convert(out, np.dtype(np.float64) if node.dtype is dt.float32 else node.dtype.np)


def _realise(plan: Any, node: Node) -> None:
    """Compute a node while `plan` waits to run: its words may be those of the same schedule."""
    words, nodes = plan.words.copy(), plan.nodes
    offsets = {name: rows.copy() for name, rows in plan.offsets.items()}
    try:
        with trace.watching(_plainly):
            flush.run([node])
    finally:
        plan.words[:] = words
        plan.nodes = nodes
        for name, rows in offsets.items():
            plan.offsets[name][:] = rows


def outputs(plan: Any) -> dict[int, np.ndarray]:
    """The values that a plan has left for each node that was asked for, as copies."""
    at = dict(_leaves(plan))
    places = {number: at[k] for number, k in enumerate(plan.donors) if k in at}
    for (word, number, _), offset in zip(plan.outs, plan.out_offsets, strict=True):
        places[number] = int(plan.words[word]) - int(offset)
    found: dict[int, np.ndarray] = {}
    for number, address in places.items():
        i = plan.schedule.wanted[number]
        node = plan.nodes[i]
        raw = ctypes.string_at(address, node.size * node.dtype.itemsize)
        found[i] = np.frombuffer(raw, node.dtype.np).reshape(node.shape)
    return found


def _leaves(plan: Any) -> Iterator[tuple[int, int]]:
    """(node, address of its memory) of the inputs that kernels read."""
    for (word, i, _), offset in zip(plan.leaves, plan.leaf_offsets, strict=True):
        yield i, int(plan.words[word]) - int(offset)


def _plainly(plan: Any) -> Any:
    return plan.program.run()

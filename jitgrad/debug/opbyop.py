"""The graph of one launch, computed again one op at a time: in its own bits, and in float64.

A launch (see `runtime.trace.watching`) gets a bound plan: addresses and numbers stand in its words,
the graph in `plan.nodes`. `OpByOp(plan)` reads the graph's inputs from there, so that it serves
compiled functions, whose nodes have no memory, as well. Entry: `OpByOp`.
Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.evaluate import convert
from jitgrad.ir.evaluate import value as oracle
from jitgrad.ir.node import Node
from jitgrad.runtime import flush, trace
from jitgrad.runtime.patched import Patched


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
        self._patched = Patched(plan, self.nodes)
        self._made: dict[int, Node] = {}  # node -> its copy, realised or a view of such a one

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
        return self._patched.inputs(i)

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
                copies[at] = self.node(at) if leaf else self._patched.copy(at, inputs)
        _realise(self._plan, copies[i])
        return copies[i].array()

    def _compute(self, i: int) -> Node:
        node = self.nodes[i]
        if node.op.name == "buffer":
            leaf = self._patched.leaf(i)
            if leaf is None:
                raise Skipped(f"{node} is not read")
            return leaf
        made = self._patched.copy(i, tuple([self._made[j] for j in self.inputs(i)]))
        if node.op.kind != "movement" and node.op.name not in ("const", "scalar"):
            _realise(self._plan, made)
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
            made = self._patched.copy(i, ())
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


def _plainly(plan: Any) -> Any:
    return plan.program.run()

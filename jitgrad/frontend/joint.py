"""One Edge for several results, whose gradients it collects before its own backward runs.

Entry: `Joint`, `result`. Imports: the tape, the recorder.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.tape import Edge, Leaf
from jitgrad.ir.node import Node


class Joint(Edge):
    """The Edge of all results; `grads` has the gradients that have arrived, by number."""

    __slots__ = ("grads",)
    fixed = False
    grads: dict[int, Any]

    def arrived(self) -> dict[int, Any]:
        """The gradients of the results, which are forgotten here."""
        grads, self.grads = self.grads, {}
        return grads

    def name(self) -> str:
        return f"{self.label.title()}Backward"


class Output(Edge):
    """The Edge of one result, whose number is `index`."""

    __slots__ = ("index",)
    index: int

    def backward(self, g: Any, create: bool) -> Any:
        self.inputs[0].grads[self.index] = g
        return g

    def name(self) -> str:
        return f"{self.label.title()}Backward"


def output(joint: Joint, index: int, node: Node) -> Output:
    """The Edge of the result `node`."""
    edge = Output(joint.label, None, (joint,), (), node.shape, node.dtype, joint.site)
    edge.index = index
    return edge


def nowhere(leaf: Leaf, g: Any, create: bool) -> None:
    """For `tape.run` with targets, which reaches no leaf that is none."""
    raise AssertionError("a leaf that was no target")

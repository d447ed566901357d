"""Realising nodes. Entry: `flush(nodes)`. Imports: ir."""

from __future__ import annotations

import numpy as np

from jitgrad.ir.apply import realise
from jitgrad.ir.evaluate import evaluate
from jitgrad.ir.node import Node


class Memory:
    """Row-major values: `.array` is flat and can be viewed as any dtype."""

    __slots__ = ("array",)

    def __init__(self, values: np.ndarray) -> None:
        self.array = np.array(values, order="C").reshape(-1).view(np.uint8)


def flush(nodes: list[Node]) -> None:
    """Compute `nodes` and make them realised."""
    pending = [n for n in nodes if not n.realised]
    for node, values in zip(pending, evaluate(pending), strict=True):
        realise(node, Memory(values))

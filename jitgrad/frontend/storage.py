"""`Storage`: the versioned cell that Tensors view; reading and writing through views.

An op reads the values its inputs had when it was recorded: a read hands out the Node that stands
in the cell, a write puts another one there. Saved Nodes therefore never change.
Entry: `Storage`, `write`. Imports: ir, runtime (for memory that NumPy holds).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.frontend.state import local
from jitgrad.frontend.views import Chain, numpy_view, replay
from jitgrad.ir.apply import buffer
from jitgrad.ir.dtype import BY_NUMPY
from jitgrad.ir.node import Node, Shape
from jitgrad.runtime import pool


class Track:
    """The gradient history of Tensors that view one storage: those without one have their own,
    and keep none alive."""

    __slots__ = ("edge",)

    def __init__(self, edge: Any = None) -> None:
        self.edge = edge


class Storage:
    """A value Node; also the `Track` of the Tensor that made it, if that had no history then.

    `version` counts writes. `depth` is how many pending ops lie below the value. `external` is the
    NumPy array that holds the values instead of a node. `settled` refers weakly to the node with
    the values from before the writes that are pending; see `recovery`.
    """

    __slots__ = ("__weakref__", "depth", "edge", "external", "node", "settled", "version")

    def __init__(self, node: Node | None, external: Any = None) -> None:
        self.node = node
        self.edge: Any = None
        self.version = 0
        self.depth = 0
        self.external = external
        self.settled: Any = None

    @property
    def shape(self) -> Shape:
        """Shape of the whole cell."""
        return self.external.shape if self.node is None else self.node.shape

    def read(self, chain: Chain, site: Any) -> Node:
        """The value now, under the view `chain`."""
        if self.node is None:
            capture = local.state.capture
            if capture is not None:
                return capture.external(self, chain, site)
            return snapshot(numpy_view(self.external, chain))
        return replay(self.node, chain, site) if chain else self.node


def snapshot(values: np.ndarray) -> Node:
    """A realised node over a copy of `values`."""
    return owned(np.array(values, order="C"))


def owned(values: np.ndarray) -> Node:
    """A realised node that takes over `values`, which nothing else may write."""
    node = buffer(pool.wrap(values), values.shape, BY_NUMPY[values.dtype])
    capture = local.state.capture
    if capture is not None:
        capture.made[id(node)] = node
    return node


class View:
    """How a Tensor that is not the whole of its storage sees it.

    `edge` is its history, derived from `root`, the storage's history at that moment; when the
    storage is written with gradient on, `root` is out of date and the history is derived anew.
    `frozen` says why writes are refused.
    """

    __slots__ = ("chain", "edge", "frozen", "place", "root")

    def __init__(self, chain: Chain, edge: Any = None, root: Any = None) -> None:
        self.chain = chain
        self.edge = edge
        self.root = root
        self.frozen: str | None = None
        self.place: tuple[Shape, int] | None = None  # strides and offset, when asked for

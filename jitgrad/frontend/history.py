"""The histories of what a recording returns: which Edges lead to what existed before the call.

Entry: `History(roots, outer, start)`. Results of a replay get Edges that lead there as well; see
`retracing`. Imports: the tape, captures.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.capture import Unfit
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.tape import Edge, Leaf
from jitgrad.ir.node import Node, walk


class History:
    """The part of the tape that one call recorded, below its results.

    Attributes:
        roots: Edges of results.
        edges: all Edges of the call below them, oldest first.
        outer: Edges from before that these lead to.
    """

    def __init__(self, roots: list[Edge], known: set[int], start: int) -> None:
        """`known` has the ids of Edges that the next call can find; Edges that are older than
        `start` are from before.

        Raises:
            Unfit: if the history cannot be made again.
        """
        self.roots = roots
        self.outer: list[Any] = []
        seen: dict[int, Edge] = {}
        stack: list[Any] = list(roots)
        outer: set[int] = set()
        while stack:
            edge = stack.pop()
            if edge is None or id(edge) in seen or id(edge) in outer:
                continue
            if id(edge) in known:
                outer.add(id(edge))
                self.outer.append(edge)
                continue
            if edge.seq < start:
                raise Unfit("a result rests on a history that no guard can find again")
            if type(edge) is Leaf:
                raise Unfit("a result rests on a leaf that it makes")
            if not edge.fixed:
                raise Unfit(f"the gradient of {edge.label} is Python")
            if edge.hooks:
                raise Unfit("it puts a hook on the history of a result")
            seen[id(edge)] = edge
            stack += edge.inputs
        self.outer.sort(key=lambda e: e.seq)
        self.edges = sorted(seen.values(), key=lambda e: e.seq)
        numbers = [n.data for n in walk(self.saved()) if n.op.name == "scalar"]
        numbers += [a for e in self.edges for a in e.attrs]
        if any(type(x) is HostFloat for x in numbers):
            raise Unfit("the gradient of a result depends on a number of each call")

    def saved(self) -> list[Node]:
        """All nodes that gradient rules read."""
        return [n for e in self.edges for n in e.held()]

    def facts(self) -> list[Any]:
        """What two recordings must share."""
        at = {id(e): i for i, e in enumerate([*self.outer, *self.edges])}
        return [
            (e.label, [None if x is None else at[id(x)] for x in e.inputs], e.shape, e.dtype)
            for e in self.edges
        ] + [at[id(e)] for e in self.roots]

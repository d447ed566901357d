"""The programs that would compute nodes, without running any: a Loop is one of its own.

Entry: `planned(roots, asked, build)`. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.compiler import snapshot
from jitgrad.debug.stages import Stages, of_schedule
from jitgrad.ir.node import Node, walk
from jitgrad.ir.op import OPS
from jitgrad.runtime.looping import ahead, body_graph

_BUFFER = OPS["buffer"]


def planned(roots: list[Node], asked: list[Node], build: Callable[[Any], Any]) -> list[Stages]:
    """The stages of each program, in order; `build` makes the schedule of a snapshot. The last one
    shows the graph below those that were `asked` for."""
    found: list[Stages] = []
    table: dict[int, Node] = {}  # of what earlier programs compute: what stands for it

    def graph(nodes: list[Node], shown: list[Node] | None = None) -> None:
        if table:
            shown = shown and _over(shown, table)
            nodes = [node for node in _over(nodes, table) if not node.realised]
        if nodes:
            snap = snapshot.take(nodes)
            found.append(of_schedule(build(snap), snap.nodes, shown))

    for first, loop in ahead(roots):
        first = [node for node in first if id(node) not in table]
        graph(first)
        table.update(zip(map(id, first), map(_done, first), strict=True))
        parts = loop.alive()
        turn, _ = body_graph(loop, [part for part, _ in parts])
        snap = snapshot.take(turn)
        found.append(of_schedule(build(snap), snap.nodes))
        found[-1].times = loop.times
        table.update({id(node): _done(node) for _, node in parts})
    graph(roots, asked)
    return found


def _done(node: Node) -> Node:
    return Node(_BUFFER, (), (), node.shape, node.dtype, node.device, node.site)


def _over(nodes: list[Node], table: dict[int, Node]) -> list[Node]:
    """Copies of a graph over what stands for some of it."""
    copies = dict(table)
    for n in walk(nodes):
        if n.realised:
            copies[id(n)] = n
        elif id(n) not in copies:
            inputs = tuple([copies[id(x)] for x in n.inputs])
            copies[id(n)] = Node(
                n.op, inputs, n.attrs, n.shape, n.dtype, n.device, n.site, n.data
            )  # fmt: skip
    return [copies[id(n)] for n in nodes]

"""`Node`: one recorded application of an op. Immutable in meaning; its only state is
pending -> realised. Compared by identity.

Entry: `Node`, `walk`. Imports: ir only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from jitgrad.ir.dtype import DType
from jitgrad.ir.op import Op
from jitgrad.ir.site import Site

Shape = tuple[int, ...]


class Node:
    """One recorded application of an `Op`.

    `data` holds the Python number of a Const or Scalar, or the memory of a realised node: any
    object with `.array` (a flat NumPy array) that covers the elements; `strides` (in elements) and
    `offset` place them, None meaning row-major from the start. Realising drops `inputs`.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "data",
        "device",
        "dtype",
        "inputs",
        "keepers",
        "offset",
        "op",
        "shape",
        "site",
        "strides",
    )

    def __init__(
        self,
        op: Op,
        inputs: tuple[Node, ...],
        attrs: tuple[Any, ...],
        shape: Shape,
        dtype: DType,
        device: str,
        site: Site,
        data: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.site = site
        self.data = data
        self.strides: tuple[int, ...] | None = None
        self.offset = 0
        self.keepers: Any = None  # weak references to live Edges that saved this node

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def realised(self) -> bool:
        """Whether the values are in memory."""
        return self.op.name == "buffer"

    def __repr__(self) -> str:
        dims = ",".join(map(str, self.shape))
        return f"<{self.op.name} {self.dtype.suffix}[{dims}]>"

    def array(self) -> Any:
        """The realised values as a NumPy array sharing the node's memory."""
        from numpy.lib.stride_tricks import as_strided

        flat = self.data.array.view(self.dtype.np)
        if self.strides is None:
            return flat[self.offset : self.offset + self.size].reshape(self.shape)
        steps = tuple(s * self.dtype.itemsize for s in self.strides)
        return as_strided(flat[self.offset :], self.shape, steps)


def walk(roots: Iterable[Node]) -> list[Node]:
    """Nodes below `roots`, each after its inputs, without recursion; Calls are expanded.

    Realised nodes are leaves of the walk and are listed too.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, Iterator[Node]]] = []
    for root in roots:
        if id(root) in seen:
            continue
        seen.add(id(root))
        if root.op.kind == "call":
            root.attrs[0].expand()
        stack.append((root, iter(root.inputs)))
        while stack:
            node, rest = stack[-1]
            for child in rest:
                if id(child) not in seen:
                    seen.add(id(child))
                    if child.op.kind == "call":
                        child.attrs[0].expand()
                    if child.inputs:
                        stack.append((child, iter(child.inputs)))
                        break
                    order.append(child)
            else:
                order.append(node)
                stack.pop()
    return order


def skeleton(nodes: list[Node]) -> list[Node]:
    """Copies of `nodes`, each of which stands after its inputs, without their memory: what error
    messages and debug tools read when the graph itself is gone."""
    table: dict[int, Node] = {}
    for n in nodes:
        inputs = tuple([table[id(x)] for x in n.inputs])
        data = n.data if n.op.name in ("const", "scalar") else None
        node = Node(n.op, inputs, n.attrs, n.shape, n.dtype, n.device, n.site, data)
        node.strides, node.offset = n.strides, n.offset
        table[id(n)] = node
    return list(table.values())

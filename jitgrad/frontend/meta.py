"""Tensors on device "meta": what operands of several devices give, and why nothing can be read.

Entry: `nowhere` (a new one), `together`, `crossing`, `no_values`. Imports: ir, runtime.
"""

from __future__ import annotations

import math
from typing import Any

from jitgrad.ir.apply import buffer
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape

DEVICE = "meta"


def nowhere(shape: Shape, dtype: DType) -> Node:
    """A node of that shape and dtype whose memory does not exist."""
    from jitgrad.runtime.meta import Memory

    return buffer(Memory(math.prod(shape) * dtype.itemsize), tuple(shape), dtype, DEVICE)


def together(name: str, args: Any, nodes: list[Any]) -> str:
    """The device of a result of Tensors on several; numbers follow the others, as in PyTorch.

    Raises:
        RuntimeError: naming op, devices and shapes.
    """
    for arg, node in zip(args, nodes, strict=False):
        if type(arg) is not Node and isinstance(node, Node) and node.device == "cpu" and node.shape:
            found = " and ".join(f"{n.device} {tuple(n.shape)}" for n in nodes if type(n) is Node)
            raise RuntimeError(
                f"{name}: expected all tensors to be on the same device, but found {found}; "
                f"make the others with device={DEVICE!r} too"
            )
    return DEVICE


def crossing(base: Node, value: Node) -> Node:
    """What a write of `value` into the elements of `base` puts there, which is elsewhere."""
    if base.device != DEVICE:
        raise no_values("copy_", value)
    return nowhere(value.shape, value.dtype)


def no_values(why: str, node: Node) -> NotImplementedError:
    """The error of reading a value that does not exist."""
    from jitgrad.runtime.meta import REASON

    file, line, _ = node.site
    return NotImplementedError(f"{why}: {REASON} (recorded at {file}:{line})")

"""View algebra: a view is a chain of movement steps over a storage of some shape and strides.

Entry: `extend`, `place_of` (strides and offset), `invert`, `replay`. Imports: ir.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import OPS

Step = tuple[str, tuple[Any, ...]]
Chain = tuple[Step, ...]


def extend(chain: Chain, name: str, attrs: tuple[Any, ...]) -> Chain:
    """`chain` followed by one step; two steps of one kind become one."""
    if chain and chain[-1][0] == name:
        before = chain[-1][1]
        if name in ("reshape", "expand"):
            return (*chain[:-1], (name, attrs))
        if name == "permute":
            return (*chain[:-1], (name, (tuple(before[0][i] for i in attrs[0]),)))
        starts, steps, sizes = attrs
        starts0, steps0, _ = before
        start = tuple(s0 + k0 * s for s0, k0, s in zip(starts0, steps0, starts, strict=True))
        step = tuple(k0 * k for k0, k in zip(steps0, steps, strict=True))
        return (*chain[:-1], (name, (start, step, sizes)))
    return (*chain, (name, attrs))


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Strides, in elements, of row-major memory."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def place_of(shape: Shape, strides: Shape, chain: Chain) -> tuple[Shape, int] | None:
    """Strides and offset of the view `chain` of memory; None for a rearrangement that has none."""
    offset = 0
    found: Shape | None
    for name, attrs in chain:
        if name == "permute":
            shape = tuple(shape[i] for i in attrs[0])
            strides = tuple(strides[i] for i in attrs[0])
        elif name == "expand":
            strides = tuple(
                0 if n != m else s for n, m, s in zip(shape, attrs[0], strides, strict=True)
            )
            shape = attrs[0]
        elif name == "slice":
            offset += sum(a * s for a, s in zip(attrs[0], strides, strict=True))
            strides = tuple(s * k for s, k in zip(strides, attrs[1], strict=True))
            shape = attrs[2]
        else:
            found = reshaped_strides(shape, strides, attrs[0])
            if found is None:
                return None
            shape, strides = attrs[0], found
    return strides, offset


def reshaped_strides(shape: Shape, strides: Shape, new: Shape) -> Shape | None:
    """Strides of the same memory under shape `new`; None where a copy would be needed."""
    if 0 in shape:
        return contiguous_strides(new)
    # Runs of axes that lie without gaps behave as one axis: the new axes must divide the runs.
    out = [0] * len(new)
    at = len(new) - 1
    run, inner = 1, 1
    for axis in range(len(shape) - 1, -1, -1):
        if run == 1:
            inner = strides[axis]
        run *= shape[axis]
        if axis and (shape[axis - 1] == 1 or strides[axis - 1] == run * inner):
            continue
        size = 1
        while at >= 0 and (size < run or new[at] == 1):
            out[at] = size * inner
            size *= new[at]
            at -= 1
        if size != run:
            return None
        run = 1
    for i in range(at, -1, -1):  # leading axes of size 1
        out[i] = out[i + 1] * new[i + 1] if i + 1 < len(new) else 1
    return tuple(out)


def overlaps(shape: Shape, strides: Shape) -> bool:
    """Whether two elements share memory (an expanded view does)."""
    return any(n > 1 and s == 0 for n, s in zip(shape, strides, strict=True))


def invert(chain: Chain, shape: Shape) -> Chain | None:
    """The steps that undo `chain` on a base of `shape`; None unless it only rearranges."""
    out: list[Step] = []
    for name, attrs in chain:
        if name == "reshape":
            out.append(("reshape", (shape,)))
        elif name == "permute":
            back = [0] * len(shape)
            for i, axis in enumerate(attrs[0]):
                back[axis] = i
            out.append(("permute", (tuple(back),)))
        else:
            return None
        shape = OPS[name].shape(shape, *attrs)
    return tuple(reversed(out))


def replay(node: Node, chain: Chain, site: Any) -> Node:
    """The movement nodes of a view over `node`."""
    for name, attrs in chain:
        op = OPS[name]
        node = Node(op, (node,), attrs, op.shape(node.shape, *attrs), node.dtype, node.device, site)
    return node


def numpy_view(array: np.ndarray, chain: Chain) -> np.ndarray:
    """The view of memory that NumPy holds: shares it, and can be written through."""
    for name, attrs in chain:
        if name == "permute":
            array = array.transpose(attrs[0])
        elif name == "expand":
            array = np.broadcast_to(array, attrs[0])
        elif name == "slice":
            array = array[tuple(map(_slice, *attrs))]
        else:
            array = array.reshape(attrs[0])
    return array


def _slice(start: int, step: int, size: int) -> slice:
    stop = start + step * size
    return slice(start, None if stop < 0 else stop, step)

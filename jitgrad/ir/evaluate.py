"""The NumPy oracle: what a graph means, computed slowly and plainly, one op at a time.

Entry: `evaluate(nodes)`. Imports: ir only (the ops' `numpy` entries do the arithmetic).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.ir.node import Node, walk


def evaluate(nodes: Sequence[Node], noise: Any = None) -> list[np.ndarray]:
    """The values of `nodes`; realised nodes are read, nothing is stored in the graph.

    `noise`, a NumPy Generator, perturbs the result of every op that rounds by about one rounding.
    """
    order = walk(nodes)
    uses: dict[int, int] = {}
    for node in order:
        for x in node.inputs:
            uses[id(x)] = uses.get(id(x), 0) + 1
    for node in nodes:
        uses[id(node)] = uses.get(id(node), 0) + 1
    values: dict[int, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for node in order:
            out = value(node, [values[id(x)] for x in node.inputs])
            if noise is not None and out.dtype.kind == "f" and rounds(node):
                step = np.finfo(out.dtype).eps * noise.standard_normal(out.shape)
                out = (out * (1 + step)).astype(out.dtype)
            values[id(node)] = out
            for x in node.inputs:  # an operand is dropped after its last use
                uses[id(x)] -= 1
                if not uses[id(x)]:
                    del values[id(x)]
    return [values[id(node)] for node in nodes]


_EXACT = frozenset(
    "abs barrier buffer cat ceil clamp_max clamp_min const copysign floor fmod gather iota max "
    "maximum min minimum neg put_rows remainder round scalar sign take trunc uniform where "
    "write".split()
)


def rounds(node: Node) -> bool:
    """Whether the op computes: many only choose among values, or give exact ones."""
    return node.op.kind != "movement" and node.op.name not in _EXACT


def value(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    """The value of one node from those of its inputs."""
    name = node.op.name
    if name == "buffer":
        return node.array()
    if name in ("const", "scalar"):
        return convert(np.asarray(node.data), node.dtype.np)
    try:
        out = node.op.numpy(*inputs, *node.attrs)
    except IndexError as error:
        file, line, _ = node.site
        raise IndexError(f"{error} (recorded at {file}:{line})") from None
    out = convert(np.asarray(out), node.dtype.np)
    assert out.shape == node.shape, f"{name}: oracle gave {out.shape}, recorded {node.shape}"
    return out


def convert(x: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """`x` as `dtype`: integers wrap; a float reaches a narrower integer through int32."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "f" and dtype.kind in "iu" and dtype.itemsize < 4:
        x = x.astype(np.int32)
    return x.astype(dtype)

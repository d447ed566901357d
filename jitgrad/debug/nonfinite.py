"""`nan`: the operation that first gave NaN or an infinity, and its line.

Imports: frontend, runtime, compiler, ir.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitgrad.debug.opbyop import OpByOp, Skipped
from jitgrad.ir.node import Node
from jitgrad.runtime import trace
from jitgrad.runtime.patched import outputs


@contextmanager
def nan(inf: bool = True) -> Iterator[None]:
    """Raise where NaN appears in a block, or with `inf` an infinity; also a decorator.

    Every result that is computed is looked at; a fused kernel's operations are then computed again
    one by one to find the first that made the number. It names the line that recorded it, of the
    forward pass for gradients. Infinities that the program wrote itself or was given, as masks are,
    raise nothing; NaN that was given does. Works in all modes; nothing is changed by what raised.

    Raises:
        FloatingPointError: from the read, step or compiled call that computed it.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.tensor([4.0, -1.0])
        >>> with nan():
        ...     x.sqrt().sum().item()
        Traceback (most recent call last):
        FloatingPointError: sqrt at ...:2 gave 1 nan among 2 elements, the first at [1], from -1
    """

    def launch(plan: Any) -> Any:
        before = [_bytes(plan, k) for k in plan.donors if k is not None]
        failure = plan.program.run()
        if failure is not None:
            return failure
        for i, values in outputs(plan, plan.nodes).items():
            if not _bad(values, inf):
                continue
            after = [_bytes(plan, k) for k in plan.donors if k is not None]
            _restore(before)  # the graph's inputs as they were
            message = _blame(OpByOp(plan), i)
            if message:
                raise FloatingPointError(message)
            _restore(after)
        return None

    with trace.watching(launch):
        yield


def _bad(values: np.ndarray, inf: bool) -> bool:
    if values.dtype.kind != "f":
        return False
    return not np.isfinite(values).all() if inf else bool(np.isnan(values).any())


def _bytes(plan: Any, leaf: int) -> tuple[int, bytes]:
    """What an input that is written in place holds now."""
    buffer = plan.nodes[leaf].data
    return buffer.ptr, ctypes.string_at(buffer.ptr, buffer.nbytes)


def _restore(memory: list[tuple[int, bytes]]) -> None:
    for address, content in memory:
        ctypes.memmove(address, content, len(content))


def _blame(graph: OpByOp, i: int) -> str:
    """What made the bad numbers of node `i`, in a sentence; empty if the program wrote them."""
    try:
        test = np.isnan if np.isnan(graph.array(i)).any() else np.isinf
        while True:
            inputs = [j for j in graph.inputs(i) if _has(graph.array(j), test)]
            if not inputs:
                break
            i = inputs[0]
    except Skipped:
        return ""
    node = graph.nodes[i]
    given = node.op.name in ("buffer", "const", "scalar")
    if given and (test is np.isinf or node.op.name != "buffer"):
        return ""
    values = graph.array(i)
    where = np.argwhere(test(values))
    first = [int(n) for n in where[0]]
    bad = values[tuple(first)].item()
    what = "is an input that holds" if given else "gave"
    message = (
        f"{node.op.name} at {_place(node)} {what} {len(where)} {bad} among {values.size} elements, "
        f"the first at {first}"
    )
    return message + ("" if given else f", from {_operands(graph, i, first)}")


def _has(values: np.ndarray, test: Any) -> bool:
    return values.dtype.kind == "f" and bool(test(values).any())


def _operands(graph: OpByOp, i: int, at: list[int]) -> str:
    """The operands of node `i` where its result is bad, or in what range they are."""
    node, shown = graph.nodes[i], []
    for j in graph.inputs(i):
        values = graph.array(j)
        if node.op.kind == "elementwise":
            shown.append(f"{values[tuple(at)].item():.6g}")
        elif values.size:
            dims = ",".join(map(str, values.shape))
            low, high = values.min().item(), values.max().item()
            shown.append(f"{graph.nodes[j].dtype.suffix}[{dims}] in [{low:.6g}, {high:.6g}]")
    return " and ".join(shown) or "no operands"


def _place(node: Node) -> str:
    file, line, note = node.site
    return f"{file}:{line}" + (f" ({note})" if note else "")

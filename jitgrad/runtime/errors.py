"""A kernel's error code becomes an exception at the user's line. Entry: `raise_failure`."""

from __future__ import annotations

from typing import Any

from jitgrad.compiler.schedule import Schedule
from jitgrad.ir.node import Node


def raise_failure(failure: Any, schedule: Schedule, nodes: list[Node]) -> None:
    """Raise for a step that reported an error.

    Raises:
        IndexError: naming op, value, size and the line where the op was recorded.
    """
    step = schedule.steps[failure.step]
    kernel = step.kernels[min(failure.segment or 0, len(step.kernels) - 1)]
    node = nodes[kernel.checks[failure.op]]
    file, line, note = node.site
    where = f"{file}:{line}" + (f" ({note})" if note else "")
    name = node.op.name
    if name == "check_index":
        name, limit = node.attrs[0], f"[0, {size_of(node)})"
    else:
        axis = node.attrs[0] if name in ("gather", "scatter_add") else 0
        limit = f"[0, {node.inputs[0].shape[axis]})"
    raise IndexError(
        f"{name}: index {failure.value} is out of range {limit}\n"
        f"  recorded at {where}\n"
        "  nothing was changed; other pending tensors still evaluate"
    )


def size_of(node: Node) -> Any:
    """The bound a `check_index` node tests against."""
    limit = node.inputs[1]
    while limit.op.kind == "movement":
        limit = limit.inputs[0]
    return limit.data if limit.op.name in ("const", "scalar") else "its size"

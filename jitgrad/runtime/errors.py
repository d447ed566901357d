"""What goes wrong in or around a kernel becomes an exception that names the user's lines.

Entry: `raise_failure` (a kernel's error code), `not_built` (a kernel that does not compile),
`looked_up` (which index an op takes).
"""

from __future__ import annotations

from typing import Any

from jitgrad.compiler.schedule import Schedule, Step
from jitgrad.ir.node import Node

BY_INDEX = frozenset(["gather", "put_add", "put_rows", "scatter_add", "take"])
OUT_OF_RANGE = 1  # the error code of an index
SHOWN = 8  # lines of a kernel that a message names
REST = "  nothing was changed; other pending tensors still evaluate"


def raise_failure(failure: Any, schedule: Schedule, nodes: list[Node]) -> None:
    """Raise for a step that reported an error.

    Raises:
        IndexError: naming op, value, size and the line where the op was recorded.
        RuntimeError: any other error code, naming the kernel and what it computes.
    """
    step = schedule.steps[failure.step]
    if failure.code != OUT_OF_RANGE:
        text = f"kernel {step.name} failed with code {failure.code}; it computes\n"
        raise blamed(RuntimeError(f"{text}{computed(step, nodes)}\n{REST}"), members(step, nodes))
    kernel = step.kernels[min(failure.segment or 0, len(step.kernels) - 1)]
    node = nodes[kernel.checks[failure.op]]
    file, line, note = node.site
    where = f"{file}:{line}" + (f" ({note})" if note else "")
    name, value = node.op.name, failure.value
    if name != "check_index":
        limit = f"[0, {looked_up(node)[1]})"
    else:
        (name, wrapped), size = node.attrs, size_of(node)
        limit = f"[0, {size})"
        if wrapped and isinstance(size, int):
            limit = f"[-{size}, {size})"
            value -= size if value < 0 else 0
    text = f"{name}: index {value} is out of range {limit}\n  recorded at {where}\n{REST}"
    raise blamed(IndexError(text), [node])


def looked_up(node: Node) -> tuple[Node, int]:
    """Of an op that reads or writes at an index: the index, and the bound of its elements."""
    axis = node.attrs[0] if node.op.name in ("gather", "scatter_add") else 0
    return node.inputs[1], node.inputs[0].shape[axis]


def not_built(error: Exception, schedule: Schedule, nodes: list[Node]) -> Exception:
    """The error of a kernel that could not be built, with the lines it was to compute."""
    reason = str(error).strip().splitlines()
    step = next((s for s in schedule.steps if s.name in reason[0]), None)
    lines = [line[:200] for line in reason[:SHOWN]]
    if step is not None:
        lines += ["  it computes", computed(step, nodes)]
    out = type(error)("\n".join([*lines, REST]))
    return blamed(out, members(step, nodes) if step is not None else [])


def blamed(error: Exception, nodes: list[Node]) -> Exception:
    """`error`, which knows the nodes that could not be computed: see `frontend.recovery`."""
    error.failed = nodes  # type: ignore[attr-defined]  # whatever its class
    return error


def members(step: Step, nodes: list[Node]) -> list[Node]:
    """The nodes that a step computes."""
    return [nodes[i] for sources in step.sources for i in sources]


def computed(step: Step, nodes: list[Node]) -> str:
    """The ops of a step with the lines that recorded them, a few of them."""
    found: dict[str, list[str]] = {}
    for i in (i for sources in step.sources for i in sources):
        file, line, note = nodes[i].site
        names = found.setdefault(f"{file}:{line}" + (f" ({note})" if note else ""), [])
        if nodes[i].op.name not in names:
            names.append(nodes[i].op.name)
    lines = [f"    {', '.join(names)} recorded at {place}" for place, names in found.items()]
    more = [f"    and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return "\n".join(lines[:SHOWN] + more)


def size_of(node: Node) -> Any:
    """The bound a `check_index` node tests against."""
    limit = node.inputs[1]
    while limit.op.kind == "movement":
        limit = limit.inputs[0]
    return limit.data if limit.op.name in ("const", "scalar") else "its size"

"""A graph as text: one line an op, with its operands, type and the user's line.

Entry: `show(nodes)`. Imports: ir only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from jitgrad.ir.node import Node, walk

_LEAVES = {"const", "scalar"}


def show(nodes: Sequence[Node] | Node) -> str:
    """The graph below `nodes`, each op after its operands; numbers stand where they are used.

    >>> from jitgrad.ir.apply import scalar
    >>> from jitgrad.ir.dtype import float32
    >>> from jitgrad.ops import OPS
    >>> print(show((scalar(3, float32) * 2).tanh()))  # doctest: +ELLIPSIS
    %0 = mul(3:scalar, 2) f32[] ...
    %1 = tanh(%0) f32[] ...
    -> %1
    """
    roots = [nodes] if isinstance(nodes, Node) else list(nodes)
    names: dict[int, str] = {}
    lines: list[tuple[str, str]] = []
    for node in walk(roots):
        if node.op.name in _LEAVES:
            names[id(node)] = _number(node)
            continue
        names[id(node)] = f"%{len(lines)}"
        lines.append((f"{names[id(node)]} = {_call(node, names)} {_type(node)}", _site(node)))
    width = max((len(text) for text, _ in lines), default=0)
    out = [f"{text:<{width}}  {site}".rstrip() for text, site in lines]
    return "\n".join([*out, "-> " + ", ".join(names[id(n)] for n in roots)])


def _number(node: Node) -> str:
    value = node.data
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if node.op.name == "const" else f"{text}:scalar"


def _call(node: Node, names: dict[int, str]) -> str:
    parts = [names[id(x)] for x in node.inputs]
    parts += [
        f"{name}={_attr(value)}"
        for name, value in zip(node.op.attr_names, node.attrs, strict=False)
    ]
    return f"{node.op.name}({', '.join(parts)})" if parts else node.op.name


def _attr(value: Any) -> str:
    """Attributes without spaces; a view's chain as its steps."""
    if not isinstance(value, tuple):
        return str(value).removeprefix("jitgrad.")
    if value and isinstance(value[0], tuple) and isinstance(value[0][0], str):
        return "".join(f".{name}{_attr(attrs)}" for name, attrs in value)
    return "(" + ",".join(map(_attr, value)) + ")"


def _type(node: Node) -> str:
    return f"{node.dtype.suffix}[{','.join(map(str, node.shape))}]"


def _site(node: Node) -> str:
    file, line, note = node.site
    return f"{os.path.basename(file)}:{line}" + (f" ({note})" if note else "")

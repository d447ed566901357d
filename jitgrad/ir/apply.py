"""Recording: shape and dtype inference now, so that errors stand at the user's line; values later.

Entry: `call(op, args, attrs)`, which gradient rules and composed functions reach through the op's
name. Operands are Nodes (numbers of Python's own classes become Const, marked ones Scalar) or
Tensors, which record themselves through their class's `_record`; either way the same rule text
serves. Imports: ir only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import OPS, Op, Recorder
from jitgrad.ir.site import Site, here

_default = {"float": dt.float32}


def default_float() -> DType:
    """The dtype of Python floats and of true division of integers."""
    return _default["float"]


def set_default_float(dtype: DType) -> None:
    """Change what `default_float` answers."""
    _default["float"] = dtype


def call(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Record `op` on Nodes, or hand it to the operands' own class."""
    for arg in args:
        if type(arg) is not Node:
            record = getattr(arg, "_record", None)
            if record is not None:
                return record(op, args, attrs)
    values = tuple([attrs[name] for name in op.attr_names]) if op.attr_names else ()
    if len(values) != len(attrs):
        raise TypeError(
            f"{op.name}: unexpected attributes {sorted(set(attrs) - set(op.attr_names))}"
        )
    if op.kind == "elementwise":
        return elementwise_node(op, args, values)
    return make(op, args, values)


Recorder.record = staticmethod(call)


def infer(op: Op, inputs: tuple[Any, ...], attrs: tuple[Any, ...]) -> tuple[Shape, DType]:
    """Shape and dtype of a non-elementwise op; raises with op, shapes and reason."""
    shape = op.shape(*[x.shape for x in inputs], *attrs)
    rule = op.promote
    if rule in ("same", "first"):
        out = inputs[0].dtype
    elif rule == "bool":
        out = dt.bool_
    elif rule == "index":
        out = dt.int64
    else:
        out = rule(*[x.dtype for x in inputs], *attrs)
    return shape, out


def make(op: Op, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> Node:
    """A node of a reduction, movement or library op."""
    shape, out = infer(op, inputs, attrs)
    return Node(op, inputs, attrs, shape, out, device_of(inputs), here())


def device_of(nodes: Sequence[Node]) -> str:
    """Where a result of `nodes` is: numbers and what rules start from follow the others."""
    for node in nodes:
        if node.device != "cpu":
            return node.device
    return "cpu"


def broadcast_shapes(op: str, *shapes: Shape) -> Shape:
    """The common shape of operands, or RuntimeError naming the op, the shapes and the axis."""
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    rank = max(map(len, shapes))
    out = [1] * rank
    for shape in shapes:
        lead = rank - len(shape)
        for axis, n in enumerate(shape):
            have = out[lead + axis]
            if have == 1:
                out[lead + axis] = n
            elif n not in (1, have):
                raise RuntimeError(
                    f"{op}: shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast: "
                    f"axis {lead + axis - rank} has sizes {have} and {n}; "
                    "sizes must be equal or one of them 1"
                )
    return tuple(out)


# What stands for arithmetic on bools.
_INSTEAD = {"neg": "; invert a mask with ~", "sub": "; use ^ for what differs, or .int() first"}


def compute_dtype(op: Op, dims: list[DType], zeros: list[DType], numbers: list[DType]) -> DType:
    """The dtype operands of an elementwise op are cast to before it runs."""
    common = dt.result_type(dims, zeros, numbers)
    if op.promote == "float" and common.kind != "f":
        common = default_float()
    if not op.supports(common):
        hint = _INSTEAD.get(op.name, "") if common is dt.bool_ else ""
        raise RuntimeError(f"{op.name}: not defined for {common}{hint}")
    return common


def out_dtype(op: Op, common: DType) -> DType:
    """The dtype of an elementwise result computed in `common`."""
    if op.promote in ("same", "float"):
        return common
    if op.promote == "bool":
        return dt.bool_
    return op.promote(common)


def elementwise_node(op: Op, args: tuple[Any, ...], attrs: tuple[Any, ...]) -> Node:
    """Record an elementwise op on Nodes and numbers: promote, cast, broadcast, apply."""
    return _uniform(op, args, attrs) or _mixed(op, args, attrs)


_plain: dict[tuple[Op, DType], DType | None] = {}  # results of operands that need no cast
_UNKNOWN: Any = object()


def _plain_result(op: Op, dtype: DType) -> DType | None:
    """The result dtype if `op` computes in `dtype` itself, else None."""
    lifted = op.promote == "float" and dtype.kind != "f"
    plain = op.name != "cast" and not lifted and op.supports(dtype)
    result = _plain[op, dtype] = out_dtype(op, dtype) if plain else None
    return result


def _uniform(op: Op, args: tuple[Any, ...], attrs: tuple[Any, ...]) -> Node | None:
    """The common case: operands of one dtype and shape, and numbers that lift it no further."""
    shape = dtype = None
    numbers = choice = op.name == "where"
    for arg in args:
        if type(arg) is not Node:
            numbers = True
        elif choice:  # the condition, which takes no part in promotion
            if arg.dtype is not dt.bool_:
                return None
            shape = arg.shape
        elif dtype is None:
            if shape is not None and shape != arg.shape:
                return None
            node, shape, dtype = arg, arg.shape, arg.dtype
        elif arg.dtype is not dtype or arg.shape != shape:
            return None
        elif arg.device != "cpu":
            node = arg  # which says where the result is
        choice = False
    if shape is None or dtype is None:
        return None
    result = _plain.get((op, dtype), _UNKNOWN)
    if result is _UNKNOWN:
        result = _plain_result(op, dtype)
    if result is None:
        return None
    site = here()
    if numbers:
        spread = []
        for arg in args:
            if type(arg) is not Node:
                if dtype.kind != "f" and (type(arg) is not int or dtype.kind == "b"):
                    return None
                arg = _expanded(_number(arg, dtype, node.device), shape, site)
            spread.append(arg)
        args = tuple(spread)
    return Node(op, args, attrs, shape, result, node.device, site)


def _mixed(op: Op, args: tuple[Any, ...], attrs: tuple[Any, ...]) -> Node:
    """Operands of several dtypes or shapes."""
    nodes = [a for a in args if isinstance(a, Node)]
    if op.name == "where":  # the condition takes no part in promotion
        typed = list(args[1:])
    elif op.name == "cast":
        typed = []
    else:
        typed = list(args)
    if typed:
        dims = [a.dtype for a in typed if isinstance(a, Node) and a.shape]
        zeros = [a.dtype for a in typed if isinstance(a, Node) and not a.shape]
        numbers = [dt.number_dtype(a, default_float()) for a in typed if not isinstance(a, Node)]
        common = compute_dtype(op, dims, zeros, numbers)
        result = out_dtype(op, common)
    else:
        common = nodes[0].dtype
        result = attrs[0]
    shape = broadcast_shapes(op.name, *[n.shape for n in nodes])
    site, device = here(), device_of(nodes)
    inputs = []
    for i, arg in enumerate(args):
        want = dt.bool_ if op.name == "where" and i == 0 else common
        node = arg if isinstance(arg, Node) else _number(arg, want, device)
        if node.dtype is not want:
            node = Node(OPS["cast"], (node,), (want,), node.shape, want, device, site)
        inputs.append(_expanded(node, shape, site))
    return Node(op, tuple(inputs), attrs, shape, result, device, site)


def expand_node(node: Node, shape: Shape) -> Node:
    """`node` broadcast to `shape` by explicit reshape and expand nodes."""
    return _expanded(node, shape, node.site)


def _expanded(node: Node, shape: Shape, site: Site) -> Node:
    if node.shape == shape:
        return node
    lead = len(shape) - len(node.shape)
    if lead:
        full = (1,) * lead + node.shape
        node = Node(OPS["reshape"], (node,), (full,), full, node.dtype, node.device, site)
        if full == shape:
            return node
    return Node(OPS["expand"], (node,), (shape,), shape, node.dtype, node.device, site)


_EXACT = 1 << 24  # integers up to here are floats of every dtype


def _converted(value: Any, dtype: DType) -> Any:
    """A Python number as an element of `dtype`; integers wrap as a cast does."""
    if dtype is dt.float64:
        return float(value)
    if dtype.kind == "f":
        if type(value) is int and -_EXACT <= value <= _EXACT:
            return float(value)
        return dtype.np.type(value).item()
    return np.asarray(value).astype(dtype.np).item()


def _number(value: Any, dtype: DType, device: str) -> Node:
    """A number among Nodes: the rule's own, or of a class that marks it as the user's."""
    users = isinstance(value, float) and type(value) is not float and dtype.kind == "f"
    return scalar(value, dtype, device) if users else const(value, dtype, device)


def const(value: Any, dtype: DType, device: str = "cpu") -> Node:
    """A number written by a rule or rewrite; its value is part of the structural key."""
    value = _converted(value, dtype)
    return Node(OPS["const"], (), (value,), (), dtype, device, here(), value)


def scalar(value: Any, dtype: DType, device: str = "cpu") -> Node:
    """A Python number of the user: a run-time slot, never inspected, never merged by value."""
    return Node(OPS["scalar"], (), (), (), dtype, device, here(), value)


def buffer(data: Any, shape: Shape, dtype: DType, device: str = "cpu") -> Node:
    """A realised node over row-major memory."""
    return Node(OPS["buffer"], (), (), shape, dtype, device, here(), data)


def realise(node: Node, data: Any) -> None:
    """Turn a pending node into a realised one over row-major memory."""
    node.op = OPS["buffer"]
    node.inputs = ()
    node.attrs = ()
    node.data = data


def make_source(name: str, device: str = "cpu", **attrs: Any) -> Node:
    """A node of a source op (iota, uniform, ...): no operands, everything in its attributes."""
    op = OPS[name]
    values = tuple(attrs[k] for k in op.attr_names)
    shape, out = op.shape(*values), op.promote(*values)
    return Node(op, (), values, shape, out, device, here())

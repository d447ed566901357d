"""The elementwise functions under their public names.

Entry: `ELEMENTWISE` (public name -> function). Imports: ops, the recorder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend import arranging
from jitgrad.frontend.arguments import check_options
from jitgrad.frontend.composing import composed
from jitgrad.frontend.conversions import result_type
from jitgrad.frontend.expecting import blame
from jitgrad.frontend.record import Base, cast, elementwise, label
from jitgrad.ir import dtype as dt
from jitgrad.ir.op import OPS, Op, Recorder
from jitgrad.ops import composed as composed_ops
from jitgrad.ops import transcendental

Function = Callable[..., Any]


def _unary(name: str, op: Op) -> Function:
    def function(input: Any, *, out: Any = None) -> Any:
        if out is not None:
            check_options(name, out=out)
        return elementwise(op, (input,))

    return function


def _binary(name: str, op: Op) -> Function:
    def function(input: Any, other: Any, *, out: Any = None) -> Any:
        if out is not None:
            check_options(name, out=out)
        return elementwise(op, (input, other))

    return function


_KEYWORDS = {"other": "y", "exponent": "y", "weight": "weight", "end": "end"}


def public(name: str, fn: Function) -> Function:
    inner = composed(fn, name)

    def function(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is not None:
            check_options(name, out=out)
        if kwargs:
            kwargs = {_KEYWORDS.get(k, k): v for k, v in kwargs.items()}
        try:
            return inner(input, *args, **kwargs)
        except Exception:
            blame(name, fn, (input, *args), kwargs, elementwise=True)
            raise

    return function


def named(name: str, fn: Function, doc: str | None) -> Function:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


def _elementwise_names() -> dict[str, Function]:
    """Every elementwise op and composed elementwise function, under its public names."""
    plain = set(composed_ops.__all__) | set(getattr(transcendental, "__all__", ()))
    mine = {getattr(composed_ops, n) for n in composed_ops.__all__}
    out: dict[str, Function] = {}
    for name, fn in ops.FUNCTIONS.items():
        if isinstance(fn, Recorder):
            op = fn.op
            if op.kind == "elementwise" and not op.attr_names and len(op.params) <= 2:
                make = _unary if len(op.params) == 1 else _binary
                out[name] = named(name, make(name, op), op.doc)
        elif fn in mine or name in plain:
            out[name] = named(name, public(name, fn), fn.__doc__)
    return out


def _scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other, computed in the dtype that it and `input` have together."""
    if isinstance(alpha, (Base, np.generic)):
        alpha = alpha.item()
    if not isinstance(alpha, (int, float)):
        raise TypeError(f"{name}: alpha must be a number, not {type(alpha).__name__}")
    dtype = result_type(input, other)
    if dtype is dt.bool_ and not isinstance(alpha, float):
        alpha = bool(alpha)
    elif isinstance(alpha, bool):
        raise RuntimeError(f"{name}: Boolean alpha only supported for Boolean results.")
    elif isinstance(alpha, float) and dtype.kind != "f":
        raise RuntimeError(
            f"{name}: For integral input tensors, argument alpha must not be a floating point "
            "number."
        )
    return (cast(other, dtype) if isinstance(other, Base) else other) * alpha


def _sum(name: str, input: Any, other: Any, alpha: Any, out: Any) -> Any:
    if out is not None:
        check_options(name, out=out)
    if type(alpha) is not int or alpha != 1:
        other = _scaled(name, input, other, alpha)
    return elementwise(OPS[name], (input, other))


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other."""
    return _sum("add", input, other, alpha, out)


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other."""
    return _sum("sub", input, other, alpha, out)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input."""
    return label(sub(other, input, alpha=alpha), "rsub")


ELEMENTWISE = _elementwise_names()
ELEMENTWISE |= {"add": add, "sub": sub, "subtract": sub, "rsub": rsub}
ELEMENTWISE |= {"masked_fill": arranging.masked_fill}

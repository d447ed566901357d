"""Python's operators between Tensors, numbers and arrays.

Entry: `install`. Imports: ops, the recorder, Tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend import creation, indexing, inplace
from jitgrad.frontend.record import Base, elementwise
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir.op import Recorder

Function = Callable[..., Any]
Functions = dict[str, Function]

_OPERANDS = (Base, int, float, np.generic)


def _operator(functions: Functions, public: str, reflected: bool) -> Function:
    """The method behind one of Python's operators; other classes get their turn first."""
    entry = ops.FUNCTIONS[public]
    if isinstance(entry, Recorder) and entry.op.kind == "elementwise":
        op = entry.op
        if reflected:

            def method(self: Any, other: Any) -> Any:
                if isinstance(other, _OPERANDS):
                    return elementwise(op, (other, self))
                if isinstance(other, np.ndarray):
                    return elementwise(op, (creation.tensor(other), self))
                return NotImplemented
        else:

            def method(self: Any, other: Any) -> Any:
                if isinstance(other, _OPERANDS):
                    return elementwise(op, (self, other))
                if isinstance(other, np.ndarray):
                    return elementwise(op, (self, creation.tensor(other)))
                return NotImplemented
    else:
        fn = functions[public]

        def method(self: Any, other: Any) -> Any:
            if isinstance(other, np.ndarray):
                other = creation.tensor(other)
            elif not isinstance(other, _OPERANDS):
                return NotImplemented
            return fn(other, self) if reflected else fn(self, other)

    return method


_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift", **{name: name for name in _COMPARISONS},
}  # fmt: skip


def install(functions: Functions) -> None:
    """Give Tensor its operators, by the public `functions` behind them."""
    for name, public in _OPERATORS.items():
        plain = _operator(functions, public, False)
        setattr(Tensor, f"__{name}__", plain)
        if name not in _COMPARISONS:
            setattr(Tensor, f"__r{name}__", _operator(functions, public, True))
            setattr(Tensor, f"__i{name}__", inplace.inplace(f"__i{name}__", plain))
    unary = {"neg": "neg", "abs": "abs", "invert": "bitwise_not", "pos": "positive"}
    for name, public in unary.items():
        setattr(Tensor, f"__{name}__", _one(functions[public]))
    Tensor.__getitem__ = indexing.getitem
    Tensor.__setitem__ = indexing.setitem
    for old in ("div", "rdiv"):  # PyTorch still has them
        setattr(Tensor, f"__{old}__", getattr(Tensor, f"__{old.replace('div', 'truediv')}__"))


def _one(fn: Function) -> Function:
    def method(self: Any) -> Any:
        return fn(self)

    return method

"""Elementwise ops: one entry each. A template names operators and functions of `jitgrad.kernels`
(the writer adds the dtype suffix); it holds no literals, so every number in a kernel is typed.
"""

from __future__ import annotations

import numpy as np

from jitgrad.ir.op import elementwise


@elementwise("{x}", numpy=lambda x, dtype: x.astype(dtype.np))
def cast(x, *, dtype):
    """Each element converted to `dtype`."""


@cast.gradient
def _(g, y, x, dtype):
    return cast(g, dtype=x.dtype) if x.dtype.kind == "f" and dtype.kind == "f" else None


@elementwise({"uif": "{x} + {y}", "b": "{x} | {y}"}, numpy=np.add)
def add(x, y):
    """Sum of two elements."""


@add.gradient
def _(g, out, x, y):
    return g, g


@elementwise({"uif": "{x} - {y}"}, numpy=np.subtract)
def sub(x, y):
    """Difference of two elements."""


@sub.gradient
def _(g, out, x, y):
    return g, -g


@elementwise({"uif": "{x} * {y}", "b": "{x} & {y}"}, numpy=np.multiply)
def mul(x, y):
    """Product of two elements."""


@mul.gradient
def _(g, out, x, y):
    return g * y, g * x


@elementwise("{x} / {y}", numpy=np.true_divide, promote="float")
def div(x, y):
    """Quotient of two elements; integers divide as floats."""


@div.gradient
def _(g, out, x, y):
    return g / y, -g * (out / y)


@elementwise("-{x}", numpy=np.negative)
def neg(x):
    """Each element with its sign changed."""


@neg.gradient
def _(g, y, x):
    return -g


@elementwise("exp({x})", numpy=np.exp, promote="float")
def exp(x):
    """e to the power of each element."""


@exp.gradient
def _(g, y, x):
    return g * y


@elementwise("log({x})", numpy=np.log, promote="float", domain=(0.1, 4.0))
def log(x):
    """Natural logarithm of each element."""


@log.gradient
def _(g, y, x):
    return g / x


@elementwise("tanh({x})", numpy=np.tanh, promote="float")
def tanh(x):
    """Hyperbolic tangent of each element."""


@tanh.gradient
def _(g, y, x):
    return g * (1 - y * y)


@elementwise("{x} == {y}", numpy=np.equal, promote="bool", gradient=None)
def eq(x, y):
    """Whether two elements are equal."""


@elementwise("{x} if {condition} else {y}", numpy=np.where)
def where(condition, x, y):
    """`x` where the condition holds, else `y`."""


@where.gradient
def _(g, out, condition, x, y):
    return None, where(condition, g, 0), where(condition, 0, g)


@elementwise(
    "check_index({index}, {size})",
    numpy=lambda index, size, what: index,
    gradient=None,
    check="index",
)
def check_index(index, size, *, what):
    """`index` unchanged; IndexError naming `what` when it is outside [0, size)."""

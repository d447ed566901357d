"""Elementwise arithmetic: one entry an op. A template names operators and functions of
`jitgrad.kernels` (the writer adds the dtype suffix); it holds no literals, so every number in a
kernel is typed. Templates by kind: b bool, u unsigned, i signed, f floating; a missing kind is
refused. Gradient rules guard with `where` on both sides, so that no NaN leaks from the branch not
taken. Imports: ir, fill.
"""

from __future__ import annotations

import numpy as np

from jitgrad.ir.evaluate import convert
from jitgrad.ir.op import elementwise
from jitgrad.ops import oracle
from jitgrad.ops.compare import bitwise_and, eq, ge, gt, le, lt, where
from jitgrad.ops.fill import full_of, no_gradient


@elementwise("{x}", numpy=lambda x, dtype: convert(x, dtype.np))
def cast(x, *, dtype):
    """Each element converted to `dtype`; floats truncate towards zero, integers wrap."""


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


@elementwise("{x} / {y}", numpy=np.true_divide, promote="float", domain=(0.2, 3.0))
def div(x, y):
    """Quotient of two elements; integers divide as floats."""


@div.gradient
def _(g, out, x, y):
    return g / y, -g * (out / y)


@elementwise({"uif": "-{x}"}, numpy=np.negative)
def neg(x):
    """Each element with its sign changed."""


@neg.gradient
def _(g, y, x):
    return -g


@elementwise({"if": "abs({x})", "u": "{x}"}, numpy=np.abs)
def abs_(x):
    """Magnitude of each element."""


@abs_.gradient
def _(g, y, x):
    return g * sign(x)


@elementwise({"uif": "sign({x})", "b": "{x}"}, numpy=lambda x: _sign(x))
def sign(x):
    """-1, 0 or 1 by the sign of each element; 0 for NaN."""


sign.gradient(no_gradient)


def _sign(x):
    return x if x.dtype.kind == "b" else (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


@elementwise({"uif": "floor_divide({x}, {y})"}, numpy=np.floor_divide, domain=(0.3, 3.1))
def floor_divide(x, y):
    """Quotient rounded down; an integer divided by zero gives 0."""


floor_divide.gradient(no_gradient)


@elementwise({"uif": "remainder({x}, {y})"}, numpy=oracle.remainder, domain=(0.3, 3.1))
def remainder(x, y):
    """What is left after floor division; it has the sign of the divisor."""


@remainder.gradient
def _(g, out, x, y):
    return g, -g * floor_divide(x, y)


@elementwise({"uif": "fmod({x}, {y})"}, numpy=np.fmod, domain=(0.3, 3.1))
def fmod(x, y):
    """What is left after truncating division; it has the sign of the dividend."""


@fmod.gradient
def _(g, out, x, y):
    return g, -g * trunc(x / y)


@elementwise({"uif": "pow({x}, {y})"}, numpy=oracle.power, domain=(0.2, 2.5), tolerance=2e-5)
def pow_(x, y):
    """x to the power y; integers wrap, and a negative exponent gives 0 unless x is 1 or -1."""


@pow_.gradient
def _(g, out, x, y):
    from jitgrad.ops.transcendental import log

    flat = eq(y, 0)  # x**0 is constant, also at x = 0
    k = where(flat, 1, y)
    by_x = where(flat, 0, g * (k * pow_(x, k - 1)))
    # x**y log x tends to 0 with x for every y >= 0
    zero = bitwise_and(eq(x, 0), ge(y, 0))
    base = where(zero, 1, x)
    by_y = where(zero, 0, g * (pow_(base, y) * log(base)))
    return by_x, by_y


@elementwise("sqrt({x})", numpy=np.sqrt, promote="float", domain=(0.1, 4.0))
def sqrt(x):
    """Square root of each element; its slope at 0 is inf."""


@sqrt.gradient
def _(g, y, x):
    return g / (2 * y)


@elementwise("rsqrt({x})", numpy=lambda x: 1 / np.sqrt(x), promote="float", domain=(0.1, 4.0))
def rsqrt(x):
    """One over the square root of each element."""


@rsqrt.gradient
def _(g, y, x):
    return g * (y * y * y) / -2


@elementwise({"f": "floor({x})", "ui": "{x}"}, numpy=np.floor, gradient=no_gradient)
def floor(x):
    """Largest integral value not above each element."""


@elementwise({"f": "ceil({x})", "ui": "{x}"}, numpy=np.ceil, gradient=no_gradient)
def ceil(x):
    """Smallest integral value not below each element."""


@elementwise({"f": "trunc({x})", "ui": "{x}"}, numpy=np.trunc, gradient=no_gradient)
def trunc(x):
    """Each element without its fraction."""


@elementwise({"f": "rint({x})", "ui": "{x}"}, numpy=oracle.rint, gradient=no_gradient)
def round_(x):
    """Nearest integral value, ties to even."""


@elementwise({"uif": "max({x}, {y})", "b": "{x} | {y}"}, numpy=np.maximum)
def maximum(x, y):
    """The larger of two elements; NaN wins."""


@maximum.gradient
def _(g, out, x, y):
    half = where(eq(x, y), g / 2, g)
    return where(lt(x, y), 0, half), where(gt(x, y), 0, half)


@elementwise({"uif": "min({x}, {y})", "b": "{x} & {y}"}, numpy=np.minimum)
def minimum(x, y):
    """The smaller of two elements; NaN wins."""


@minimum.gradient
def _(g, out, x, y):
    half = where(eq(x, y), g / 2, g)
    return where(gt(x, y), 0, half), where(lt(x, y), 0, half)


@elementwise({"uif": "max({x}, {low})", "b": "{x} | {low}"}, numpy=np.maximum)
def clamp_min(x, low):
    """Each element, or `low` where that is larger; NaN wins."""


@clamp_min.gradient
def _(g, out, x, low):
    # At the bound the gradient goes to x, unlike maximum's halves; a NaN gives it to neither.
    return where(ge(x, low), g, 0), where(lt(x, low), g, 0)


@elementwise({"uif": "min({x}, {high})", "b": "{x} & {high}"}, numpy=np.minimum)
def clamp_max(x, high):
    """Each element, or `high` where that is smaller; NaN wins."""


@clamp_max.gradient
def _(g, out, x, high):
    return where(le(x, high), g, 0), where(gt(x, high), g, 0)


@elementwise("copysign({x}, {y})", numpy=np.copysign, promote="float")
def copysign(x, y):
    """The magnitude of x with the sign of y."""


@copysign.gradient
def _(g, out, x, y):
    zero = eq(x, 0)
    return where(zero, 0, g * (out / where(zero, 1, x))), full_of(0, y, g)


@elementwise({"f": "nextafter({x}, {y})"}, numpy=np.nextafter)
def nextafter(x, y):
    """The next floating point number from x towards y."""


@nextafter.gradient
def _(g, out, x, y):  # PyTorch's: constant but for the step
    return where(eq(x, y), 0, g), full_of(0, y, g)

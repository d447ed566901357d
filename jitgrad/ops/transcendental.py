"""Elementwise transcendental functions: one entry an op, float results of every operand dtype.

The template notation stands in `elementwise`. Imports: ir, elementwise, oracle.
"""

from __future__ import annotations

import math

import numpy as np

from jitgrad.ir.op import elementwise
from jitgrad.ops import oracle
from jitgrad.ops.compare import eq, where
from jitgrad.ops.elementwise import rsqrt

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_SQRT_PI = math.sqrt(math.pi)


@elementwise("exp({x})", nonpositive="exp_nonpositive({x})", numpy=np.exp, promote="float")
def exp(x):
    """e to the power of each element."""


@exp.gradient
def _(g, y, x):
    return g * y


@elementwise("exp2({x})", numpy=np.exp2, promote="float")
def exp2(x):
    """2 to the power of each element."""


@exp2.gradient
def _(g, y, x):
    return g * (y * _LN2)


@elementwise("expm1({x})", numpy=np.expm1, promote="float")
def expm1(x):
    """exp(x) - 1, exact near 0."""


@expm1.gradient
def _(g, y, x):
    return g * (y + 1)


@elementwise("log({x})", numpy=np.log, promote="float", domain=(0.1, 4.0))
def log(x):
    """Natural logarithm of each element."""


@log.gradient
def _(g, y, x):
    return g / x


@elementwise("log1p({x})", numpy=np.log1p, promote="float", domain=(-0.8, 3.0))
def log1p(x):
    """log(1 + x), exact near 0."""


@log1p.gradient
def _(g, y, x):
    return g / (x + 1)


@elementwise("log2({x})", numpy=np.log2, promote="float", domain=(0.1, 4.0))
def log2(x):
    """Logarithm to base 2."""


@log2.gradient
def _(g, y, x):
    return g / (x * _LN2)


@elementwise("log10({x})", numpy=np.log10, promote="float", domain=(0.1, 4.0))
def log10(x):
    """Logarithm to base 10."""


@log10.gradient
def _(g, y, x):
    return g / (x * _LN10)


@elementwise("sin({x})", numpy=np.sin, promote="float")
def sin(x):
    """Sine of each element, in radians."""


@sin.gradient
def _(g, y, x):
    return g * cos(x)


@elementwise("cos({x})", numpy=np.cos, promote="float")
def cos(x):
    """Cosine of each element, in radians."""


@cos.gradient
def _(g, y, x):
    return -g * sin(x)


@elementwise("tan({x})", numpy=np.tan, promote="float", domain=(-1.2, 1.2))
def tan(x):
    """Tangent of each element, in radians."""


@tan.gradient
def _(g, y, x):
    return g * (1 + y * y)


@elementwise("asin({x})", numpy=np.arcsin, promote="float", domain=(-0.9, 0.9))
def asin(x):
    """Angle whose sine is each element."""


@asin.gradient
def _(g, y, x):
    return g * rsqrt(1 - x * x)


@elementwise("acos({x})", numpy=np.arccos, promote="float", domain=(-0.9, 0.9))
def acos(x):
    """Angle whose cosine is each element."""


@acos.gradient
def _(g, y, x):
    return -g * rsqrt(1 - x * x)


@elementwise("atan({x})", numpy=np.arctan, promote="float")
def atan(x):
    """Angle whose tangent is each element."""


@atan.gradient
def _(g, y, x):
    return g / (1 + x * x)


@elementwise("sinh({x})", numpy=np.sinh, promote="float")
def sinh(x):
    """Hyperbolic sine of each element."""


@sinh.gradient
def _(g, y, x):
    return g * cosh(x)


@elementwise("cosh({x})", numpy=np.cosh, promote="float")
def cosh(x):
    """Hyperbolic cosine of each element."""


@cosh.gradient
def _(g, y, x):
    return g * sinh(x)


@elementwise("tanh({x})", numpy=np.tanh, promote="float")
def tanh(x):
    """Hyperbolic tangent of each element."""


@tanh.gradient
def _(g, y, x):
    return g * (1 - y * y)


@elementwise("asinh({x})", numpy=np.arcsinh, promote="float")
def asinh(x):
    """Inverse hyperbolic sine."""


@asinh.gradient
def _(g, y, x):
    return g * rsqrt(x * x + 1)


@elementwise("acosh({x})", numpy=np.arccosh, promote="float", domain=(1.2, 4.0))
def acosh(x):
    """Inverse hyperbolic cosine."""


@acosh.gradient
def _(g, y, x):
    return g * rsqrt(x * x - 1)


@elementwise("atanh({x})", numpy=np.arctanh, promote="float", domain=(-0.9, 0.9))
def atanh(x):
    """Inverse hyperbolic tangent."""


@atanh.gradient
def _(g, y, x):
    return g / (1 - x * x)


@elementwise("sigmoid({x})", numpy=oracle.sigmoid, promote="float")
def sigmoid(x):
    """1 / (1 + exp(-x))."""


@sigmoid.gradient
def _(g, y, x):
    return g * (y * (1 - y))


@elementwise("erf({x})", numpy=oracle.erf, promote="float")
def erf(x):
    """Error function of each element."""


@erf.gradient
def _(g, y, x):
    return g * (exp(-(x * x)) * (2 / _SQRT_PI))


@elementwise("erfc({x})", numpy=oracle.erfc, promote="float")
def erfc(x):
    """1 - erf(x), exact for large x."""


@erfc.gradient
def _(g, y, x):
    return g * (exp(-(x * x)) * (-2 / _SQRT_PI))


@elementwise("erfinv({x})", numpy=oracle.erfinv, promote="float", domain=(-0.9, 0.9))
def erfinv(x):
    """Inverse of the error function."""


@erfinv.gradient
def _(g, y, x):
    return g * (exp(y * y) * (_SQRT_PI / 2))


@elementwise("lgamma({x})", numpy=oracle.lgamma, promote="float", domain=(0.3, 4.0))
def lgamma(x):
    """Logarithm of the magnitude of the gamma function."""


@lgamma.gradient
def _(g, y, x):
    return g * digamma(x)


@elementwise("digamma({x})", numpy=oracle.digamma, promote="float", domain=(0.3, 4.0))
def digamma(x):
    """Derivative of `lgamma`."""


@digamma.gradient
def _(g, y, x):
    return g * polygamma(1, x)


@elementwise(
    "polygamma({n}, {x})",
    numpy=oracle.polygamma,
    promote="float",
    domain=(0.5, 4.0),
    tolerance=1e-4,
)
def polygamma(n, x):
    """The n-th derivative of `digamma`; n is a whole number >= 0."""


@polygamma.gradient
def _(g, y, n, x):
    return None, g * polygamma(n + 1, x)


@elementwise("atan2({y}, {x})", numpy=np.arctan2, promote="float")
def atan2(y, x):
    """Angle of the point (x, y) from the positive x axis, in radians."""


@atan2.gradient
def _(g, out, y, x):
    length = x * x + y * y
    origin = eq(length, 0)  # no direction there: PyTorch's gradient is 0
    scale = where(origin, 0, g / where(origin, 1, length))
    return scale * x, -scale * y

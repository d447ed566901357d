"""Elementwise functions composed of primitives; they fuse to one kernel like a primitive.

Entry: every public function (`__all__`), under PyTorch's name and with its arguments; operands are
Nodes, Tensors or numbers. Imports: ir, the elementwise entries.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import default_float
from jitgrad.ops import compare as c
from jitgrad.ops import elementwise as e
from jitgrad.ops import transcendental as t
from jitgrad.ops.fill import full_of

__all__ = [
    "addcdiv", "addcmul", "clamp", "deg2rad", "divide", "float_power", "fmax", "fmin", "frac",
    "heaviside", "hypot", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf",
    "isreal", "ldexp", "lerp", "logaddexp", "logaddexp2", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "logsigmoid", "nan_to_num", "positive", "power",
    "rad2deg", "reciprocal", "relu", "round_to", "signbit", "sinc", "softplus", "square",
    "xlogy",
]  # fmt: skip

Value = Any


def is_number(x: Value) -> bool:
    """Whether `x` is a bare number, not a Node or Tensor."""
    return isinstance(x, numbers.Number)


def _is_float(x: Value) -> bool:
    return x.dtype.kind == "f"


def _zero(x: Value) -> Value:
    """A zero that lifts no dtype."""
    return False if x.dtype is dt.bool_ else 0


# ---- arithmetic


def positive(x: Value) -> Value:
    """`x` itself; bools are refused."""
    if x.dtype is dt.bool_:
        raise RuntimeError("positive: not defined for bool")
    return x


def square(x: Value) -> Value:
    """x * x; bools square as integers."""
    x = e.cast(x, dtype=dt.int64) if x.dtype is dt.bool_ else x
    return x * x


def reciprocal(x: Value) -> Value:
    """1 / x."""
    return 1 / x


def divide(x: Value, y: Value, rounding_mode: str | None = None) -> Value:
    """x / y, left as it is or rounded ("trunc", "floor")."""
    if rounding_mode is None:
        return e.div(x, y)
    if rounding_mode == "floor":
        return e.floor_divide(x, y)
    if rounding_mode != "trunc":
        raise RuntimeError(
            f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}"
        )
    whole = e.floor_divide(x, y)  # decides the dtype; dead for floats
    if _is_float(whole):
        return e.trunc(e.div(x, y))
    return e.floor_divide(x - e.fmod(x, y), y)


def power(x: Value, y: Value) -> Value:
    """x ** y. The number exponents -1, -1/2, 1/2, 1, 2, 3, 4 become products and roots."""
    if not is_number(y) or isinstance(y, bool) or is_number(x):
        return e.pow_(x, y)
    if x.dtype.kind in "ui" and isinstance(y, numbers.Integral) and y < 0:
        raise RuntimeError(
            f"pow: integers cannot be raised to the negative integer power {y}; "
            "convert the tensor to float first"
        )
    rule = _POWERS.get(y)
    if rule is None:
        return e.pow_(x, y)
    if isinstance(y, float) and not _is_float(x):
        x = e.cast(x, dtype=default_float())
    elif x.dtype is dt.bool_:
        x = e.cast(x, dtype=dt.int64)
    return rule(x)


def _fourth(x: Value) -> Value:
    xx = x * x
    return xx * xx


_POWERS = {
    -1: lambda x: 1 / x,
    -0.5: e.rsqrt,
    0.5: e.sqrt,
    1: lambda x: x * 1,
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    4: _fourth,
}


def float_power(x: Value, y: Value) -> Value:
    """x ** y in float64."""

    def wide(v: Value) -> Value:
        return v if is_number(v) else e.cast(v, dtype=dt.float64)

    return power(wide(x), wide(y))


def clamp(x: Value, min: Value = None, max: Value = None) -> Value:
    """`x` held between `min` and `max`; at a bound the gradient is 1; NaN stays."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if min is not None:
        x = e.clamp_min(x, min)
    if max is not None:
        x = e.clamp_max(x, max)
    return x


def relu(x: Value) -> Value:
    """max(x, 0), with slope 0 at 0; NaN stays; bools are refused."""
    if x.dtype is dt.bool_:
        raise RuntimeError("relu: not defined for bool")
    return c.where(c.le(x, 0), 0, x)


def fmax(x: Value, y: Value) -> Value:
    """The larger of two elements; a number wins over NaN."""
    return c.where(logical_or(c.ge(x, y), isnan(y)), x, y)


def fmin(x: Value, y: Value) -> Value:
    """The smaller of two elements; a number wins over NaN."""
    return c.where(logical_or(c.le(x, y), isnan(y)), x, y)


def lerp(start: Value, end: Value, weight: Value) -> Value:
    """start + weight * (end - start)."""
    return start + weight * (end - start)


def addcmul(x: Value, tensor1: Value, tensor2: Value, *, value: float = 1) -> Value:
    """x + value * tensor1 * tensor2."""
    product = tensor1 * tensor2
    return x + (product if value == 1 else value * product)


def addcdiv(x: Value, tensor1: Value, tensor2: Value, *, value: float = 1) -> Value:
    """x + value * tensor1 / tensor2."""
    quotient = tensor1 / tensor2
    return x + (quotient if value == 1 else value * quotient)


def frac(x: Value) -> Value:
    """The fraction of each element, with its sign."""
    return x - e.trunc(x)


def round_to(x: Value, decimals: int = 0) -> Value:
    """Each element rounded, ties to even, to `decimals` decimal places."""
    if decimals == 0 or not _is_float(x):
        return e.round_(x)
    scale = 10.0 ** abs(decimals)
    return e.round_(x * scale) / scale if decimals > 0 else e.round_(x / scale) * scale


def ldexp(x: Value, y: Value) -> Value:
    """x * 2**y."""
    return e.mul(x, t.exp2(y))


def deg2rad(x: Value) -> Value:
    """Degrees to radians."""
    return x * (math.pi / 180)


def rad2deg(x: Value) -> Value:
    """Radians to degrees."""
    return x * (180 / math.pi)


# ---- tests and logic


def isnan(x: Value) -> Value:
    """Whether each element is NaN."""
    return x != x if is_number(x) else c.ne(x, x)


def isinf(x: Value) -> Value:
    """Whether each element is infinite."""
    return c.eq(e.abs_(x), math.inf) if _is_float(x) else c.ne(x, x)


def isfinite(x: Value) -> Value:
    """Whether each element is neither infinite nor NaN."""
    return c.lt(e.abs_(x), math.inf) if _is_float(x) else c.eq(x, x)


def isposinf(x: Value) -> Value:
    """Whether each element is +inf."""
    return c.eq(x, math.inf) if _is_float(x) else c.ne(x, x)


def isneginf(x: Value) -> Value:
    """Whether each element is -inf."""
    return c.eq(x, -math.inf) if _is_float(x) else c.ne(x, x)


def isreal(x: Value) -> Value:
    """True everywhere: there are no complex dtypes."""
    return full_of(True, c.ne(x, x))


def signbit(x: Value) -> Value:
    """Whether the sign bit is set (also of -0); integers: whether negative."""
    return c.lt(e.copysign(full_of(1, x), x) if _is_float(x) else x, _zero(x))


def isclose(
    x: Value, y: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    """Whether |x - y| <= atol + rtol * |y|, or x == y; NaNs are equal only if `equal_nan`."""
    if x.dtype is not y.dtype:
        raise RuntimeError(f"isclose: dtypes differ: {x.dtype} and {y.dtype}")
    same = c.eq(x, y)
    if equal_nan and _is_float(x):
        same = c.bitwise_or(same, c.bitwise_and(isnan(x), isnan(y)))
    if not _is_float(x):  # differences of integers are measured as floats
        x, y = e.cast(x, dtype=dt.float64), e.cast(y, dtype=dt.float64)
    gap, allowed = e.abs_(x - y), atol + e.abs_(rtol * y)
    return c.bitwise_or(same, c.bitwise_and(isfinite(gap), c.le(gap, allowed)))


def _truth(x: Value) -> Value:
    if is_number(x):
        return bool(x)
    return x if x.dtype is dt.bool_ else c.ne(x, 0)


def logical_and(x: Value, y: Value) -> Value:
    """Whether both elements are non-zero."""
    return c.bitwise_and(_truth(x), _truth(y))


def logical_or(x: Value, y: Value) -> Value:
    """Whether one element is non-zero."""
    return c.bitwise_or(_truth(x), _truth(y))


def logical_xor(x: Value, y: Value) -> Value:
    """Whether exactly one element is non-zero."""
    return c.bitwise_xor(_truth(x), _truth(y))


def logical_not(x: Value) -> Value:
    """Whether each element is zero."""
    return c.bitwise_not(x) if x.dtype is dt.bool_ else c.eq(x, 0)


def heaviside(x: Value, values: Value) -> Value:
    """0 below zero, 1 above, `values` at zero."""
    if not is_number(values) and values.dtype is not x.dtype:
        raise RuntimeError(f"heaviside: dtypes differ: {x.dtype} and {values.dtype}")
    above = e.cast(c.gt(x, 0), dtype=x.dtype)
    return c.where(c.eq(x, 0), values, above)


def nan_to_num(
    x: Value, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Value:
    """NaN and the infinities replaced by numbers (by default 0 and the largest finite ones)."""
    if not _is_float(x):
        return x
    largest = _LARGEST[x.dtype.suffix]
    high = largest if posinf is None else posinf
    low = -largest if neginf is None else neginf
    finite = c.where(c.eq(x, math.inf), high, c.where(c.eq(x, -math.inf), low, x))
    return c.where(isnan(x), nan, finite)


_LARGEST = {"f32": 3.4028234663852886e38, "f64": 1.7976931348623157e308}


# ---- transcendental


def sinc(x: Value) -> Value:
    """sin(pi x) / (pi x), 1 at 0."""
    zero = c.eq(x, 0)
    angle = c.where(zero, 1, x) * math.pi
    return c.where(zero, 1, t.sin(angle) / angle)


def logit(x: Value, eps: float | None = None) -> Value:
    """log(x / (1 - x)), of x held between eps and 1 - eps if given."""
    if not _is_float(x):
        x = e.cast(x, dtype=default_float())
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    return t.log(x / (1 - x))


def xlogy(x: Value, y: Value) -> Value:
    """x * log(y), 0 where x is 0 unless y is NaN."""
    x = full_of(x, t.log(y)) if is_number(x) else x
    y = full_of(y, t.exp(x)) if is_number(y) else y
    edge = c.bitwise_or(c.le(y, 0), c.eq(y, math.inf))  # where 0 * log(y) is not 0
    zero = c.bitwise_and(c.eq(x, 0), edge)
    return c.where(zero, 0, x * t.log(c.where(zero, 1, y)))


def logaddexp(x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) without overflow."""
    above = c.ge(x, y)  # both branches are the same smooth function: so are all derivatives
    gap = c.where(above, y - x, x - y)
    gap = c.where(isnan(gap), c.where(c.eq(x, y), 0, gap), gap)  # equal infinities
    return c.where(above, x, y) + t.log1p(t.exp(gap))


def logaddexp2(x: Value, y: Value) -> Value:
    """log2(2**x + 2**y) without overflow."""
    ln2 = math.log(2)
    return logaddexp(x * ln2, y * ln2) / ln2


def _softplus(x: Value) -> Value:
    """log(1 + exp(x)) by the branch that cannot overflow; smooth, as `logaddexp` is."""
    above = c.gt(x, 0)
    return c.where(above, x, 0) + t.log1p(t.exp(c.where(above, -x, x)))


def softplus(x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """log(1 + exp(beta x)) / beta; `x` itself where beta x is above `threshold`."""
    scaled = x * beta
    return c.where(c.gt(scaled, threshold), x, _softplus(scaled) / beta)


def logsigmoid(x: Value) -> Value:
    """log(sigmoid(x)) without overflow."""
    return -_softplus(-x)


def hypot(x: Value, y: Value) -> Value:
    """Length of the vector (x, y) without overflow on the way."""
    first = c.ge(e.abs_(x), e.abs_(y))
    large, small = c.where(first, x, y), c.where(first, y, x)
    zero = c.eq(large, 0)
    ratio = small / c.where(zero, 1, large)
    length = e.abs_(large) * e.sqrt(1 + ratio * ratio)
    return c.where(c.bitwise_or(isinf(x), isinf(y)), math.inf, length)

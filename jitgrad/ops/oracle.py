"""NumPy meanings that NumPy itself does not have, or has otherwise than PyTorch.

Entry: every function here stands behind the `numpy` entry of one op. Imports NumPy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any


def elementwise(fn: Any) -> Any:
    """A function of Python floats, applied to arrays of any shape and kept in their dtype."""
    table = np.frompyfunc(fn, fn.__code__.co_argcount if hasattr(fn, "__code__") else 1, 1)

    def oracle(*args: Array) -> Array:
        wide = [np.asarray(a, np.float64) for a in args]
        return np.asarray(table(*wide), np.float64)

    return oracle


def remainder(x: Array, y: Array) -> Array:
    """Remainder with the sign of y; integers by zero give 0."""
    if x.dtype.kind != "f":
        return np.remainder(x, y)
    mod = np.fmod(x, y)
    return np.where((mod != 0) & ((y < 0) != (mod < 0)), mod + y, mod)


def power(x: Array, y: Array) -> Array:
    """x to the power y; integers wrap, and a negative exponent gives 0 unless x is 1 or -1."""
    if x.dtype.kind != "i":
        return np.power(x, y)
    with np.errstate(all="ignore"):
        positive = np.power(x, np.maximum(y, 0))
    unit = np.where(y % 2 == 0, 1, x)
    inverse = np.where(np.abs(x) == 1, unit, 0)
    return np.where(y < 0, inverse, positive).astype(x.dtype)


def rint(x: Array) -> Array:
    """Nearest integral value, ties to even; integers unchanged."""
    return np.rint(x) if x.dtype.kind == "f" else x


def shift_left(x: Array, y: Array) -> Array:
    """x * 2**y; 0 when y is negative or not below the width."""
    bits = 8 * x.dtype.itemsize
    inside = (y >= 0) & (y < bits)
    return np.where(inside, np.left_shift(x, np.where(inside, y, 0)), 0).astype(x.dtype)


def shift_right(x: Array, y: Array) -> Array:
    """x // 2**y; all sign bits when y is negative or not below the width."""
    top = 8 * x.dtype.itemsize - 1
    by = np.where((y < 0) | (y > top), top, y).astype(x.dtype)
    out = np.right_shift(x, by)
    if x.dtype.kind == "u":
        out = np.where((y < 0) | (y > top), 0, out)
    return out.astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def check_index(index: Array, size: Array, what: str, wrapped: bool) -> Array:
    """`index`, or IndexError when one is outside [0, size)."""
    wrong = (index < 0) | (index >= size)
    if wrong.any():
        i = np.broadcast_to(index, wrong.shape)[wrong].flat[0]
        n = np.broadcast_to(size, wrong.shape)[wrong].flat[0]
        given = i - n if wrapped and i < 0 else i
        raise IndexError(f"{what}: index {given} is out of range for size {n}")
    return index


def checked(index: Array, size: int, what: str) -> Array:
    """`index` after the range check that library kernels make."""
    return check_index(index, np.int64(size), what, wrapped=False)


def _lgamma(x: float) -> float:
    if math.isnan(x):
        return x
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


# Bernoulli numbers B2 .. B14 over (2k)!: the tails of Euler-Maclaurin sums
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _digamma(x: float) -> float:
    if x == 0:
        return -math.copysign(math.inf, x)
    if math.isnan(x) or x == -math.inf:
        return math.nan
    if x < 0:
        if x == math.floor(x):
            return math.nan
        return _digamma(1 - x) - math.pi / math.tan(math.pi * math.fmod(x, 1))
    total = 0.0
    while x < 10:
        total -= 1 / x
        x += 1
    if math.isinf(x):
        return x
    tail = sum(b / (2 * k * x ** (2 * k)) for k, b in enumerate(_BERNOULLI, 1))
    return total + math.log(x) - 0.5 / x - tail


def _zeta(s: float, q: float) -> float:
    """Hurwitz zeta for s > 1, q > 0 by direct terms and an Euler-Maclaurin tail."""
    total = 0.0
    for _ in range(12):
        total += q**-s
        q += 1
    total += q ** (1 - s) / (s - 1) + 0.5 * q**-s
    factor = s
    for k, b in enumerate(_BERNOULLI, 1):
        total += b * factor * q ** (-s - 2 * k + 1) / math.factorial(2 * k)
        factor *= (s + 2 * k - 1) * (s + 2 * k)
    return total


def _polygamma(n: float, x: float) -> float:
    if n == 0:
        return _digamma(x)
    if math.isnan(x) or x == -math.inf or not math.isfinite(n) or n < 0 or n % 1:
        return math.nan
    if x == math.inf:
        return 0.0
    sign = 1.0 if n % 2 else -1.0
    if x <= 0:
        if x == math.floor(x):
            return math.inf if n % 2 else math.nan
        up = 0.0  # recurrence up to the positive axis
        while x <= 0:
            up += sign * math.factorial(int(n)) * x ** -(int(n) + 1)
            x += 1
        return up + _polygamma(n, x)
    return sign * math.factorial(int(n)) * _zeta(n + 1, x)


def _erfinv(y: float) -> float:
    if math.isnan(y) or abs(y) > 1:
        return math.nan
    if abs(y) == 1:
        return math.copysign(math.inf, y)
    t = math.log1p(-y * y)
    u = 2 / (math.pi * 0.147) + t / 2
    x = math.copysign(math.sqrt(max(0.0, math.sqrt(u * u - t / 0.147) - u)), y)
    for _ in range(4):  # Newton on erfc near the ends, where erf has lost the digits
        gap = (
            math.erf(x) - y
            if abs(y) < 0.5
            else (math.copysign(1, y) * ((1 - abs(y)) - math.erfc(abs(x))))
        )
        x -= gap / (2 / math.sqrt(math.pi) * math.exp(-x * x))
    return x


erf = elementwise(math.erf)
erfc = elementwise(math.erfc)
lgamma = elementwise(_lgamma)
digamma = elementwise(_digamma)
polygamma = elementwise(_polygamma)
erfinv = elementwise(_erfinv)

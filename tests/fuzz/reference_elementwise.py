"""Elementwise operators of the reference, a derivative beside each value.

Entry: `METHODS`, `binary`, `where`.
"""

from __future__ import annotations

import math

import numpy as np

from tests.fuzz.reference import Ref, lift, result_type, wide

FLOAT = np.dtype("float32")


def floating(dtype):
    """The dtype in which a floating op computes."""
    return dtype if np.dtype(dtype).kind == "f" else FLOAT


def share(lost, tie):
    """The slope of one of two operands: none if it lost, half in a tie, else all (nan as well)."""
    return np.where(lost, 0.0, np.where(tie, 0.5, 1.0))


# name -> (value, derivative of (x, y) or None)

UNARY = {
    "exp": (np.exp, lambda x, y: y),
    "log": (np.log, lambda x, y: 1 / x),
    "log1p": (np.log1p, lambda x, y: 1 / (1 + x)),
    "sqrt": (np.sqrt, lambda x, y: 0.5 / y),
    "rsqrt": (lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y / x),
    "sin": (np.sin, lambda x, y: np.cos(x)),
    "cos": (np.cos, lambda x, y: -np.sin(x)),
    "tanh": (np.tanh, lambda x, y: 1 - y * y),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y)),
}
SAME = {
    "neg": (np.negative, lambda x, y: -1.0),
    "abs": (np.abs, lambda x, y: np.sign(x)),
    "square": (np.square, lambda x, y: 2 * x),
    "relu": (lambda x: np.maximum(x, 0), lambda x, y: ~(x <= 0)),
    "floor": (np.floor, None),
    "sign": (np.sign, None),
}
BINARY = {
    "add": (np.add, lambda a, b, y: (1.0, 1.0)),
    "sub": (np.subtract, lambda a, b, y: (1.0, -1.0)),
    "mul": (np.multiply, lambda a, b, y: (b, a)),
    "maximum": (np.maximum, lambda a, b, y: (share(a < b, a == b), share(a > b, a == b))),
    "minimum": (np.minimum, lambda a, b, y: (share(a > b, a == b), share(a < b, a == b))),
    "atan2": (np.arctan2, lambda a, b, y: (b / (a * a + b * b), -a / (a * a + b * b))),
    "floor_divide": (np.floor_divide, None),
    "remainder": (np.remainder, None),
    "bitwise_and": (np.bitwise_and, None),
    "bitwise_or": (np.bitwise_or, None),
    "bitwise_xor": (np.bitwise_xor, None),
}
COMPARE = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


def unary(name, table, lifts):
    """A function of one tensor."""
    fn, slope = table[name]

    def run(x):
        dtype = floating(x.v.dtype) if lifts else x.v.dtype
        # Off by a rounding where the slope reads it, too: in 1 - y * y that may be all there is.
        y = x.world.rounded(fn(x.v.astype(dtype)).astype(dtype))
        if slope is None:
            t = lambda: 0.0  # noqa: E731
        else:
            t = lambda: x.dot * slope(wide(x), y.astype(np.float64))  # noqa: E731
        return lift(x.world, [x], y, t)

    return run


def operand(x, dtype):
    """A Ref's value or a number in `dtype`."""
    return (x.v if isinstance(x, Ref) else np.asarray(x)).astype(dtype)


def binary(name, lifts=False):
    """A function of two tensors or a tensor and a number."""
    fn, slope = (np.divide, divided) if name == "div" else BINARY[name]

    def run(a, b):
        refs = [x for x in (a, b) if isinstance(x, Ref)]
        dtype = result_type(a, b)
        dtype = floating(dtype) if lifts else dtype
        x, y = operand(a, dtype), operand(b, dtype)
        out = np.asarray(fn(x, y)).astype(dtype)

        def tangent():
            if slope is None:
                return 0.0
            parts = slope(x.astype(np.float64), y.astype(np.float64), out.astype(np.float64))
            return sum(
                np.where(r.dot == 0, 0.0, r.dot * p) if np.ndim(p) else r.dot * p
                for r, p in zip((a, b), parts, strict=True)
                if isinstance(r, Ref) and r.dot is not None
            )

        return lift(refs[0].world, refs, out, tangent)

    return run


def divided(a, b, y):
    """Derivatives of a quotient."""
    return 1 / b, -y / b


def compare(name):
    """A comparison."""

    def run(a, b):
        dtype = result_type(a, b)
        world = a.world if isinstance(a, Ref) else b.world
        return lift(world, [], COMPARE[name](operand(a, dtype), operand(b, dtype)))

    return run


def power(x, k):
    """x to the power of a constant."""
    dtype = result_type(x, k)
    y = np.power(x.v.astype(dtype), np.asarray(k, dtype))
    return lift(x.world, [x], y, lambda: x.dot * k * np.power(wide(x), k - 1.0))


def where(c, a, b):
    """a where c, else b."""
    refs = [x for x in (a, b) if isinstance(x, Ref)]
    dtype = result_type(a, b)
    out = np.where(c.v, operand(a, dtype), operand(b, dtype))

    def tangent():
        parts = [x.dot if isinstance(x, Ref) and x.dot is not None else 0.0 for x in (a, b)]
        return np.where(c.v, *parts)

    return lift(c.world, refs, out, tangent)


def clamp(x, min=None, max=None):
    """x cut to [min, max]."""
    y = np.clip(x.v, min, max).astype(x.v.dtype)
    low, high = (-math.inf if min is None else min), (math.inf if max is None else max)
    return lift(x.world, [x], y, lambda: x.dot * ((x.v >= low) & (x.v <= high)))


def masked_fill(x, mask, value):
    """x with `value` where the mask is true."""
    y = np.where(mask.v, np.asarray(value, x.v.dtype), x.v)
    return lift(x.world, [x], y, lambda: np.where(mask.v, 0.0, x.dot))


def to(x, dtype):
    """x converted; itself when it has that dtype."""
    dtype = np.dtype(dtype)
    if dtype == x.v.dtype:
        return x
    if dtype.kind == "b":
        return lift(x.world, [], x.v != 0)
    return lift(x.world, [x], x.v.astype(dtype), lambda: x.dot)


def clone(x):
    """A copy."""
    return lift(x.world, [x], x.v.copy(), lambda: x.dot)


METHODS = {
    **{n: unary(n, UNARY, True) for n in UNARY},
    **{n: unary(n, SAME, False) for n in SAME},
    **{n: binary(n) for n in BINARY},
    **{n: compare(n) for n in COMPARE},
    "div": binary("div", True),
    "pow": power,
    "clamp": clamp,
    "masked_fill": masked_fill,
    "to": to,
    "clone": clone,
}

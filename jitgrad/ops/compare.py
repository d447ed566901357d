"""Comparison, choice and bits: elementwise ops whose results or operands are not differentiated.

The template notation stands in `elementwise`. Imports: ir, oracle.
"""

from __future__ import annotations

import numpy as np

from jitgrad.ir.op import elementwise
from jitgrad.ops import oracle


@elementwise("{x} == {y}", numpy=np.equal, promote="bool", gradient=None)
def eq(x, y):
    """Whether two elements are equal."""


@elementwise("{x} != {y}", numpy=np.not_equal, promote="bool", gradient=None)
def ne(x, y):
    """Whether two elements differ; NaN differs from everything."""


@elementwise("{x} < {y}", numpy=np.less, promote="bool", gradient=None)
def lt(x, y):
    """Whether x is less than y."""


@elementwise("{x} <= {y}", numpy=np.less_equal, promote="bool", gradient=None)
def le(x, y):
    """Whether x is less than or equal to y."""


@elementwise("{x} > {y}", numpy=np.greater, promote="bool", gradient=None)
def gt(x, y):
    """Whether x is greater than y."""


@elementwise("{x} >= {y}", numpy=np.greater_equal, promote="bool", gradient=None)
def ge(x, y):
    """Whether x is greater than or equal to y."""


@elementwise("{x} if {condition} else {y}", numpy=np.where)
def where(condition, x, y):
    """`x` where the condition holds, else `y`."""


@where.gradient
def _(g, out, condition, x, y):
    return None, where(condition, g, 0), where(condition, 0, g)


@elementwise(
    "check_index({index}, {size})",
    numpy=oracle.check_index,
    gradient=None,
    check="index",
)
def check_index(index, size, *, what, wrapped):
    """`index` unchanged; IndexError naming `what` when it is outside [0, size).

    `wrapped` says that `size` was added to negative numbers: the error names what was given.
    """


@elementwise({"bui": "{x} & {y}"}, numpy=np.bitwise_and, gradient=None)
def bitwise_and(x, y):
    """Bits set in both; on bools, logical and."""


@elementwise({"bui": "{x} | {y}"}, numpy=np.bitwise_or, gradient=None)
def bitwise_or(x, y):
    """Bits set in either; on bools, logical or."""


@elementwise({"bui": "{x} ^ {y}"}, numpy=np.bitwise_xor, gradient=None)
def bitwise_xor(x, y):
    """Bits set in exactly one; on bools, logical exclusive or."""


@elementwise({"ui": "~{x}", "b": "not {x}"}, numpy=np.invert, gradient=None)
def bitwise_not(x):
    """Every bit flipped; on bools, logical not."""


@elementwise({"ui": "shift_left({x}, {y})"}, numpy=oracle.shift_left, gradient=None)
def bitwise_left_shift(x, y):
    """x * 2**y; 0 when y is negative or not below the width of the dtype."""


@elementwise({"ui": "shift_right({x}, {y})"}, numpy=oracle.shift_right, gradient=None)
def bitwise_right_shift(x, y):
    """x // 2**y; only sign bits when y is negative or not below the width of the dtype."""


@elementwise({"ui": "gcd({x}, {y})"}, numpy=np.gcd, gradient=None)
def gcd(x, y):
    """Greatest common divisor, not negative."""


def _lcm(x, y):
    """Of the mathematical integers, wrapped to the dtype at the end, as PyTorch does."""
    return np.abs(np.lcm(x.astype(np.int64), y.astype(np.int64))).astype(x.dtype)


@elementwise({"ui": "lcm({x}, {y})"}, numpy=_lcm, gradient=None)
def lcm(x, y):
    """Least common multiple, not negative."""

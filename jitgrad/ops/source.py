"""Ops without operands: constants, counters, random draws and memory.

`const` and `scalar` hold one number (Const: in the structural key; Scalar: a run-time slot).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.op import source
from jitgrad.ops import oracle_random


def _no_values(*_: Any) -> Any:
    raise AssertionError("leaves are read, not computed")


@source(numpy=_no_values, gradient=None, shape=lambda value: (), promote=None)
def const(*, value):
    """A number written by a rule or rewrite."""


@source(numpy=_no_values, gradient=None, shape=lambda: (), promote=None)
def scalar():
    """A Python number of the user."""


@source(numpy=_no_values, gradient=None, shape=None, promote=None)
def buffer():
    """Values in memory."""


@source(
    numpy=lambda shape, axis: np.broadcast_to(
        np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape
    ),
    gradient=None,
    shape=lambda shape, axis: shape,
    promote=lambda shape, axis: dt.int64,
)
def iota(*, shape, axis):
    """The index along `axis` at every position."""


def _random(draw_numbers: Any) -> Any:
    def oracle(shape: Any, dtype: Any, seed: int, draw: int) -> Any:
        return draw_numbers(shape, dtype.np, seed, draw)

    return oracle


_RANDOM = {
    "gradient": None,
    "shape": lambda shape, dtype, seed, draw: shape,
    "promote": lambda shape, dtype, seed, draw: dtype,
}


@source(numpy=_random(oracle_random.uniform), **_RANDOM)
def uniform(*, shape, dtype, seed, draw):
    """Uniform numbers in [0, 1): the high 24 (float64: 53) bits of Philox words."""


@source(numpy=_random(oracle_random.normal), **_RANDOM)
def normal(*, shape, dtype, seed, draw):
    """Standard normal numbers by the Box-Muller transform of Philox uniforms."""


@source(numpy=_random(oracle_random.bits), **_RANDOM)
def random_bits(*, shape, dtype, seed, draw):
    """Non-negative int64 numbers of 63 random bits."""

"""The text of a graph: operands by name, numbers in place, types, the user's lines."""

import re

import numpy as np

from jitgrad.ir.apply import scalar
from jitgrad.ir.dtype import float32
from jitgrad.ir.show import show
from jitgrad.ir.site import at
from jitgrad.ops import RECORDERS
from tests.ops.graphs import leaf


def test_lines():
    x = leaf(np.ones((2, 3), np.float32))
    y = (x * scalar(0.5, float32)).tanh()
    with at(("model.py", 12, ""), "grad of tanh"):
        z = RECORDERS["sum"](1 - y * y, axes=(1,))
    text = show([y, z])
    assert re.sub(r"(test_show|graphs).py:\d+", "HERE", re.sub("  +", "  ", text)).split("\n") == [
        "%0 = buffer f32[2,3]  HERE",
        "%1 = reshape(0.5:scalar, shape=(1,1)) f32[1,1]  HERE",
        "%2 = expand(%1, shape=(2,3)) f32[2,3]  HERE",
        "%3 = mul(%0, %2) f32[2,3]  HERE",
        "%4 = tanh(%3) f32[2,3]  HERE",
        "%5 = reshape(1, shape=(1,1)) f32[1,1]  model.py:12 (grad of tanh)",
        "%6 = expand(%5, shape=(2,3)) f32[2,3]  model.py:12 (grad of tanh)",
        "%7 = mul(%4, %4) f32[2,3]  model.py:12 (grad of tanh)",
        "%8 = sub(%6, %7) f32[2,3]  model.py:12 (grad of tanh)",
        "%9 = sum(%8, axes=(1)) f32[2,1]  model.py:12 (grad of tanh)",
        "-> %4, %9",
    ]


def test_views_and_dtypes():
    x = leaf(np.ones(4, np.float32))
    part = leaf(np.ones(2, np.float32))
    out = RECORDERS["write"](x, part, chain=(("slice", ((0,), (2,), (2,))),))
    assert "write(%0, %1, chain=.slice((0),(2),(2)))" in show(out)
    assert "cast(%0, dtype=int64) i64[4]" in show(RECORDERS["cast"](x, dtype=_int64()))


def _int64():
    from jitgrad.ir.dtype import int64

    return int64

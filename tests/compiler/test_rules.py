"""Every rewrite rule's worked example: it fires, and the bits are those of what it replaces."""

import numpy as np
import pytest

from jitgrad import ops
from jitgrad.compiler import schedule, snapshot
from jitgrad.compiler.rules import EXAMPLES
from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import buffer
from jitgrad.ir.evaluate import evaluate
from jitgrad.runtime import pool
from jitgrad.runtime.flush import flush

SPECIAL = [0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, -1e-38]


def realised(array):
    """A realised node over a copy of `array`."""
    return buffer(pool.wrap(np.ascontiguousarray(array)), array.shape, dt.BY_NUMPY[array.dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, dtype):
    values = np.array(SPECIAL if dtype.startswith("f") else [0, 3, -7, 2**31 - 1, -(2**31)], dtype)
    x = realised(values)
    node = eval(EXAMPLES[name], {"x": x, "cast": ops.cast})
    assert node.inputs, "an example is something to compute"
    want = evaluate([node])[0]
    assert name in schedule.build(snapshot.take([node])).fired
    flush([node])
    got = node.array()
    assert got.dtype == want.dtype
    bits = f"i{got.itemsize}"
    same = (got.view(bits) == want.view(bits)) | ((got != got) & (want != want))
    assert same.all(), (got, want)


def test_numbers_of_the_user_are_never_inspected():
    import jitgrad as torch

    x = torch.ones(3).realize()
    fired = schedule.build(snapshot.take([(x * 1)._storage.node])).fired
    assert "x * 1 = x" not in fired


def test_two_permutes_become_one():
    x = realised(np.arange(24.0).reshape(2, 3, 4))
    node = ops.neg(
        ops.RECORDERS["permute"](ops.RECORDERS["permute"](x, order=(2, 0, 1)), order=(1, 2, 0))
    )
    want = evaluate([node])[0]
    assert "two permutes = one" in schedule.build(snapshot.take([node])).fired
    flush([node])
    np.testing.assert_array_equal(node.array(), want)


def test_common_subexpressions_merge_but_draws_do_not():
    import jitgrad as torch

    x = torch.ones(3).realize()
    fired = schedule.build(snapshot.take([(x.exp() * x.exp())._storage.node])).fired
    assert "common subexpression" in fired
    both = torch.rand(50) - torch.rand(50)
    assert both.abs().max().item() > 0

"""The oracle: depth without recursion, memory given back, casts, errors that name the line."""

import sys

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import buffer
from jitgrad.ir.evaluate import convert, evaluate
from jitgrad.ops import OPERATORS, RECORDERS
from tests.ops.graphs import Memory, leaf, value


def test_a_deep_graph_needs_no_recursion():
    x = leaf(np.zeros(2))
    one, out = leaf(np.ones(2)), x
    for _ in range(20 * sys.getrecursionlimit()):
        out = out + one
    assert value(out).tolist() == [20 * sys.getrecursionlimit()] * 2


def test_shared_nodes_and_several_roots():
    x = leaf(np.array([1.0, 2.0]))
    y = x * x
    a, b, c = evaluate([y + y, y, x])
    assert (a.tolist(), b.tolist(), c.tolist()) == ([2, 8], [1, 4], [1, 2])


def test_strided_buffers_are_read_in_place():
    node = buffer(Memory(np.arange(12, dtype=np.float32)), (3, 2), dt.float32)
    node.strides, node.offset = (4, -1), 3
    assert value(node).tolist() == [[3, 2], [7, 6], [11, 10]]


def test_narrowing_floats_goes_through_int32():
    assert convert(np.array([-1.0, 300.0]), np.dtype(np.uint8)).tolist() == [255, 44]


def test_results_have_the_recorded_dtype():
    x = leaf(np.array([1, 2], np.int8))
    for node in (x + x, x / x, x < x, RECORDERS["sum"](x, axes=(0,)), 200 * x):
        assert value(node).dtype == node.dtype.np


def test_operators_are_on_nodes_but_equality_is_identity():
    x, y = leaf(np.array([5.0, -7.0])), leaf(np.array([2.0, 2.0]))
    for name, got in {
        "__floordiv__": x // y, "__mod__": x % y, "__pow__": x**y, "__rsub__": 1 - x,
        "__rtruediv__": 1 / x, "__rpow__": 2**y, "__neg__": -x, "__abs__": abs(x), "__ge__": x >= y,
        "__rfloordiv__": 9 // y, "__rmod__": 9 % y,
    }.items():  # fmt: skip
        assert name in OPERATORS
        plain = getattr(np.array([5.0, -7.0]), name)
        other = {"__rsub__": 1, "__rtruediv__": 1, "__rpow__": 2, "__rfloordiv__": 9, "__rmod__": 9}
        args = () if name in ("__neg__", "__abs__") else (other.get(name, np.array([2.0, 2.0])),)
        if name == "__rpow__":
            plain = np.array([2.0, 2.0]).__rpow__
        elif name in ("__rfloordiv__", "__rmod__"):
            plain = getattr(np.array([2.0, 2.0]), name)
        np.testing.assert_allclose(value(got), plain(*args))
    assert (x == y) is False and x in [y, x]
    bits = leaf(np.array([6, 3]))
    results = [
        value(n).tolist() for n in (bits & 2, bits | 1, bits ^ 3, ~bits, bits << 1, bits >> 1)
    ]
    assert results == [[2, 2], [7, 3], [5, 0], [-7, -4], [12, 6], [3, 1]]


def test_numbers_become_constants_of_the_operands_dtype():
    x = leaf(np.array([1.0], np.float32))
    number = (x * 2).inputs[1].inputs[0]
    assert number.op.name == "const" and number.dtype is dt.float32


def test_index_errors_name_the_users_line():
    x = leaf(np.zeros((3, 2)))
    node = RECORDERS["take"](x, leaf(np.array([3])))
    with pytest.raises(IndexError, match=r"take: index 3 .* size 3 \(recorded at .*py:\d+\)"):
        value(node)


def test_every_entry_is_reachable():
    from jitgrad import ops

    assert ops.tanh is RECORDERS["tanh"] and ops.sum_ is RECORDERS["sum"]
    assert ops.pow is ops.FUNCTIONS["pow"] and ops.pow_ is RECORDERS["pow"]
    assert ops.cast is RECORDERS["cast"]  # internal, yet reachable by name
    with pytest.raises(AttributeError, match="has no op 'tahn'"):
        _ = ops.tahn

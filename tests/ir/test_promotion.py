"""The promotion table against PyTorch's, exhaustively: dtype x dtype x kind of operand."""

import itertools

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ops import RECORDERS
from tests.ops.graphs import leaf

torch = pytest.importorskip("torch", reason="torch is not installed")

NUMBERS = (True, 3, 2.5)
RANKS = ((), (2,))


def operands():
    """Every dtype with and without axes, and the three kinds of numbers."""
    for dtype, shape in itertools.product(dt.ALL, RANKS):
        x = np.ones(shape, dtype.np)
        yield f"{dtype}{shape}", leaf(x), torch.from_numpy(x)
    for number in NUMBERS:
        yield repr(number), number, number


@pytest.mark.parametrize("name", ["mul", "div", "eq", "pow", "atan2", "maximum"])
def test_two_operands(name):
    for (a, x, p), (b, y, q) in itertools.product(operands(), operands()):
        tensors = [v for v in (p, q) if isinstance(v, torch.Tensor)]
        if not tensors or (name in ("atan2", "maximum") and len(tensors) < 2):
            continue
        if name == "eq" and not isinstance(p, torch.Tensor):
            continue
        if name == "pow" and torch.result_type(p, q) is torch.bool:
            continue  # refused, tested with the entries
        want = getattr(torch, name)(p, q).dtype if name != "mul" else torch.result_type(p, q)
        got = RECORDERS[name](x, y).dtype
        assert f"torch.{got.name}" == str(want), f"{name}({a}, {b}): {got}, PyTorch {want}"


def test_where_with_numbers():
    mask, other = leaf(np.array([True, False])), torch.tensor([True, False])
    values = list(operands())
    for (a, x, p), (b, y, q) in itertools.product(values, values):
        want = torch.where(other, p, q).dtype
        got = RECORDERS["where"](mask, x, y).dtype
        assert f"torch.{got.name}" == str(want), f"where({a}, {b}): {got}, PyTorch {want}"


def test_one_operand():
    for dtype in dt.ALL:
        x = np.ones(2, dtype.np)
        for name in ("exp", "sqrt", "sigmoid"):
            want = getattr(torch, name)(torch.from_numpy(x)).dtype
            assert f"torch.{RECORDERS[name](leaf(x)).dtype.name}" == str(want)


def test_default_dtype_is_that_of_python_floats_and_true_division():
    from jitgrad.ir.apply import default_float, set_default_float

    before = default_float()
    set_default_float(dt.float64)
    try:
        x = leaf(np.ones(2, np.int32))
        assert (x / x).dtype is dt.float64
        assert (x * 2.5).dtype is dt.float64
    finally:
        set_default_float(before)


def test_constants_wrap_as_casts_do():
    from jitgrad.ir.apply import const

    assert const(-1, dt.uint8).data == 255

"""Reductions of leading axes that keep few columns: rows of a chunk take turns at several lanes."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import debug
from jitgrad.kernels.columns import LANES, ROWS, SIDE, lane_count
from tests.compiler.programs import normal


def tree(a, columns):
    """The sum of the first axis of `a` as the kernels add it up, `columns` of it being behind."""
    lanes = lane_count(len(a), columns)
    chunks = []
    for begin in range(0, len(a), ROWS):
        held = np.zeros((lanes, *a.shape[1:]), np.float32)
        for k, row in enumerate(a[begin : begin + ROWS]):
            held[k % lanes] += row
        while len(held) > 1:
            held = held[: len(held) // 2] + held[len(held) // 2 :]
        chunks.append(held[0])
    levels = []  # of a binary counter: None where its bit is 0
    for value in chunks:
        for k, level in enumerate(levels):
            if level is None:
                levels[k] = value
                break
            value, levels[k] = level + value, None
        else:
            levels.append(value)
    total = None
    for level in levels:
        if level is not None:
            total = level if total is None else level + total
    return total


def test_count():
    for rows in (0, 1, 5, 64, 1000):
        for columns in (0, 1, 3, 10, 64, 65, 5000):
            n = lane_count(rows, columns)
            assert n & n - 1 == 0 and 1 <= n <= min(LANES, max(rows, 1))
            assert n == 1 or n * columns <= SIDE
    assert lane_count(1000, 2) == 16 and lane_count(1000, 10) == 8 and lane_count(1000, 65) == 1


WAYS = {  # what sums the columns of a matrix -> the sum
    "row-major": lambda a: a.sum(0),
    "computed": lambda a: (a * 2).sum(0) / 2,
    "rows apart": lambda a: torch.cat([a, a], 1)[:, : a.shape[1]].sum(0),
    "columns apart": lambda a: a.t().contiguous().t().sum(0),
    "a factor for each column": lambda a: (a * torch.ones(a.shape[1])).sum(0),
    "beside a product": lambda a: [a.sum(0), a.t() @ a][0],
    "of two axes": lambda a: a.reshape(len(a) // 5, 5, -1).sum((0, 1)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("columns", [2, 3, 10, 64, 65, 130])
def test_bits(way, columns):
    for rows in (5, 65, 510):
        a = normal(rows, columns)
        total = WAYS[way](a)
        torch.flush_all()
        np.testing.assert_array_equal(total.numpy(), tree(a.numpy(), columns))


@pytest.mark.parametrize("columns", [2, 7, 40])
@pytest.mark.parametrize("fuse", "01")
def test_bits_of_a_sum_begun_by_a_kernel_over_rows(columns, fuse, monkeypatch):
    monkeypatch.setenv("JITGRAD_FUSE", fuse)
    a = normal(200, columns)
    centred = a - a.amax(1, True)
    total = centred.sum(0)
    plan = debug.explain(total).schedule
    if fuse == "1":
        assert [step.combine for step in plan.steps] == [False, True]
    values = a.numpy() - a.numpy().max(1, keepdims=True)
    np.testing.assert_array_equal(total.numpy(), tree(values, columns))


@pytest.mark.parametrize("shape", [(3, 10, 2), (2, 65, 3), (40, 130, 8), (2, 64, 140)])
@pytest.mark.parametrize("jit", "01")
def test_bits_of_a_middle_axis(shape, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    a = normal(*shape)
    for x in (a, a.permute(1, 0, 2).contiguous().permute(1, 0, 2)):
        expected = tree(np.moveaxis(a.numpy(), 1, 0), shape[2])
        np.testing.assert_array_equal(x.sum(1).numpy(), expected)


def test_sums_with_other_axes_behind_them_have_loops_of_their_own():
    a = normal(4, 70, 3)
    both = a.sum(1), a.permute(1, 0, 2).sum(0)
    torch.flush_all()
    for total, behind in zip(both, (3, 12), strict=True):
        expected = tree(np.moveaxis(a.numpy(), 1, 0), behind)
        np.testing.assert_array_equal(total.numpy(), expected)
    assert lane_count(70, 3) != lane_count(70, 12)


@pytest.mark.parametrize("name", ["amax", "amin", "prod", "any", "all"])
def test_other_reductions(name):
    a = 1 + normal(130, 5) / 16
    if name in ("any", "all"):
        a = a > 1.1
    expected = getattr(np, name)(a.numpy(), 0)
    np.testing.assert_allclose(getattr(a, name)(0).numpy(), expected, rtol=1e-5)

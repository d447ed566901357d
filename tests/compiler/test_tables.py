"""Rows put into a table: one that is a number everywhere is never read, so it needs no memory."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.testing import assert_kernels
from tests.compiler.programs import labels, normal

WIDTHS = [1, 63, 64, 65, 130]  # pieces of 64 columns


def gradient(width, rows=9):
    """The gradient of an embedding, its indices and what comes from above, not computed yet."""
    table, index = normal(rows, width, grad=True), labels(40, rows)
    upstream = normal(40, width, seed=2)
    return torch.autograd.grad(F.embedding(index, table), table, upstream)[0], index, upstream


def test_the_gradient_of_an_embedding_has_no_table_of_zeros():
    with assert_kernels(2, steps=2):
        gradient(5)[0].realize()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("jit", "01")
def test_rows_are_added_in_order(width, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    found, index, upstream = gradient(width)
    expected = np.zeros((9, width), np.float32)
    np.add.at(expected, index.numpy(), upstream.numpy())
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("fill", [0, -2.5, float("inf"), True, 7])
@pytest.mark.parametrize("accumulate", [False, True])
def test_tables_of_one_number(fill, accumulate):
    table = torch.full((6, 70), fill)
    rows = torch.ones(3, 70, dtype=table.dtype)
    index = torch.tensor([4, 0, 4])
    expected = table.numpy().copy()
    if accumulate:
        np.add.at(expected, index.numpy(), rows.numpy())
    else:
        expected[index.numpy()] = 1
    found = torch.full((6, 70), fill).index_put((index,), rows, accumulate=accumulate)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_an_empty_table():
    index = torch.zeros(0, dtype=torch.int64)
    found = torch.zeros(0, 4).index_put((index,), torch.ones(0, 4), accumulate=True)
    assert found.shape == (0, 4) and found.numpy().shape == (0, 4)

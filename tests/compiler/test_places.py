"""Where an operand is read when it is smaller than what is computed: beside NumPy."""

import numpy as np
import pytest

import jitgrad as torch

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3, 3), (2, 1, 1, 3), (2, 1, 3), (2, 1, 3, 1), (2, 2, 3, 3)])
@pytest.mark.parametrize("reduced", [False, True])
def test_operands_of_an_epilogue_broadcast_over_the_batch(shape, reduced):
    a = RNG.standard_normal((2, 2, 3, 4))
    b = RNG.standard_normal((2, 2, 4, 3))
    c = RNG.standard_normal(shape)
    got = torch.tensor(a) @ torch.tensor(b) * torch.tensor(c)
    want = a @ b * c
    if reduced:
        got, want = got.softmax(-1), np.exp(want) / np.exp(want).sum(-1, keepdims=True)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_a_causal_mask_over_heads():
    q = RNG.standard_normal((2, 2, 5, 4))
    scores = torch.tensor(q) @ torch.tensor(q).mT
    mask = torch.tril(torch.ones(5, 5)).bool()
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1).numpy()
    assert np.array_equal(weights > 0, np.broadcast_to(np.tril(np.ones((5, 5))) > 0, (2, 2, 5, 5)))


def test_writing_at_an_element_of_an_index_tensor():
    rows, cols = torch.from_numpy(np.array([0, 2, 2])), torch.from_numpy(np.array([1, 0, 0]))
    counts = torch.zeros(3, 3, dtype=torch.int64)
    for row, col in zip(rows, cols, strict=True):
        counts[row, col] += 1
    assert counts.tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 0]]

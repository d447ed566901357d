"""Light values are computed again by the kernels that read them; axes kept in the middle."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.testing import assert_kernels
from tests.compiler.programs import normal
from tests.compiler.traffic import counted

IMAGES = 6, 3, 5, 8


def batch_norm(*shape):
    """Forward and backward: what is wanted, pending."""
    x, w, b = (normal(*s, seed=i, grad=True) for i, s in enumerate([shape, shape[1:2], shape[1:2]]))
    y = F.batch_norm(x, None, None, w, b, training=True)
    y.backward(normal(*shape, seed=4))
    return y.detach(), x.grad, w.grad, b.grad


def test_batch_norm_of_images_takes_four_passes():
    with assert_kernels(4, steps=7):  # and three sums over the batch of what rows gave
        wanted = batch_norm(*IMAGES)
        torch.flush_all()
    assert len(wanted) == 4


def test_its_bytes():
    wanted = batch_norm(4, 3, 16, 16)
    # The input for the mean, for the variance, for the result and its sums, for the gradient; the
    # gradient that comes for the last two, and a row of it in cache; the result and the gradient
    # that goes.
    assert counted(torch.flush_all) <= 1.05 * 9 * wanted[0].nbytes


@pytest.mark.parametrize("shape", [IMAGES, (70, 4), (3, 4, 9)])
def test_same_bits(shape, monkeypatch):
    found = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        found.append([t.numpy() for t in batch_norm(*shape)])
    for alone, fused in zip(*found, strict=True):
        np.testing.assert_array_equal(alone, fused)


def test_an_input_that_is_overwritten_meanwhile_is_not_read_again():
    x = normal(6, 4)
    before = x.numpy().copy()
    away = x - x.mean(0)
    spread = (away * away).mean(0)
    x.mul_(spread.sum())
    score = away * spread.rsqrt()
    torch.flush_all()
    want = before - before.mean(0)
    np.testing.assert_allclose(
        score.numpy(), want / np.sqrt((want * want).mean(0)), rtol=1e-5, atol=1e-6
    )


def test_what_can_fail_fails_once():
    x, index = normal(4, 3), torch.tensor([0, 9, 1])
    picked = x[index] - 1
    with pytest.raises(IndexError, match="out of bounds|out of range"):
        (picked - picked.mean(0)).sum(0).numpy()


@pytest.mark.parametrize("op", ["sum", "amax", "amin", "any", "all"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (70, 2, 3), (0, 2, 3), (3, 2, 0)])
def test_reductions_around_a_kept_axis(op, dtype, shape):
    x = np.random.default_rng(0).integers(-1, 4, shape).astype(dtype)
    empty = x.size == 0
    if (empty or dtype == "bool") and op in ("amax", "amin"):
        return
    t = torch.tensor(x)
    found = getattr(t, op)((0, 2))
    numpy = {"amax": "max", "amin": "min"}.get(op, op)
    np.testing.assert_allclose(found.numpy(), getattr(x, numpy)((0, 2)))
    assert tuple(getattr(t, op)((0, 2), keepdim=True).shape) == (1, shape[1], 1)

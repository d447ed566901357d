"""Reductions of axes in the middle: what is kept behind them lies together and is walked so."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import debug
from tests.compiler.programs import normal

CASES = [  # shape, axes, blocks of 128 columns
    ((3, 70, 5), 1, 3),
    ((2, 3, 140), 1, 4),
    ((2, 65, 3, 2, 11), (1, 3), 6),
    ((4, 5, 3, 6), (0, 2), 5),
    ((2, 1, 7, 300), (1, 2), 6),
]


@pytest.mark.parametrize("shape, axes, blocks", CASES)
@pytest.mark.parametrize("jit", "01")
def test_values_and_units(shape, axes, blocks, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    x = normal(*shape)
    for name in ("sum", "amax"):
        y = getattr(x, name)(axes)
        plan = debug.explain(y).schedule
        (step,) = plan.steps
        assert step.kernels[0].units[0] == "blocks"
        exact = getattr(x.numpy().astype(np.float64), name[-3:])(axis=axes)
        np.testing.assert_allclose(y.numpy(), exact, rtol=1e-5, atol=1e-5)
        assert exact.size // shape[-1] * -(-shape[-1] // 128) == blocks


def test_argmax_has_a_loop_for_each_result():
    x = normal(3, 70, 5)
    np.testing.assert_array_equal(x.argmax(1).numpy(), x.numpy().argmax(1))


def test_a_channel_softmax():
    x = normal(2, 7, 5, 6, grad=True)
    y = x.softmax(1)
    np.testing.assert_allclose(y.sum(1).detach().numpy(), 1, rtol=1e-6)
    (found,) = torch.autograd.grad(y, x, torch.ones(2, 7, 5, 6))
    np.testing.assert_allclose(found.numpy(), 0, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits(threads, monkeypatch):
    before = torch.get_num_threads()
    results = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        torch.set_num_threads(threads)
        x = normal(3, 130, 9, grad=True)
        y = torch.log_softmax(x * 2, 1)
        (g,) = torch.autograd.grad(y, x, normal(3, 130, 9, seed=1))
        results.append((y.detach().numpy(), g.numpy()))
    torch.set_num_threads(before)
    for fused, alone in zip(*results, strict=True):
        np.testing.assert_array_equal(fused, alone)

"""Long loops over columns or elements are cut around polynomials; short ones are left whole."""

import re

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import debug
from jitgrad.compiler.source import RUN
from jitgrad.nn import functional as F
from tests.compiler.programs import normal


def loops(*tensors):
    """Bodies of the innermost loops over columns of a computation's first kernel."""
    source = debug.explain(*tensors).schedule.steps[0].kernels[0].source
    found = re.findall(r"( +)for j in [^\n]*\n((?:\1    [^\n]*\n)+)", source)
    return [[line.strip() for line in body.splitlines()] for _, body in found]


def activated():
    """Layer norm, gelu, the input added, and the gradient."""
    x = normal(6, 10, grad=True)
    y = F.gelu(F.layer_norm(x, (10,)), approximate="tanh") + x
    y.backward(normal(6, 10, seed=1))
    return y.detach(), x.grad


def test_a_polynomial_leaves_a_long_loop():
    bodies = loops(*activated())
    (alone,) = [body for body in bodies if any("sigmoid_f32" in line for line in body)]
    assert len(alone) == 3  # load, compute, store


def test_a_short_loop_stays_whole():
    bodies = loops(normal(6, 10).softmax(1))
    (whole,) = [body for body in bodies if any("exp_nonpositive_f32" in line for line in body)]
    assert any(" - max" in line for line in whole)


def cell(n):
    """The elementwise part of an LSTM cell with dropout, and the gradient: one kernel."""
    torch.manual_seed(0)
    i, f, g, c = (normal(n, seed=k, grad=True) for k in range(4))
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = F.dropout(torch.tanh(c), 0.25)
    return h.detach(), *torch.autograd.grad(h.sum(), [i, f, g])


def test_elements_are_taken_run_by_run():
    source = debug.explain(*cell(1100)).schedule.steps[0].kernels[0].source
    assert f"for base in range(lo, hi, {RUN}):" in source
    bodies = loops(*cell(1100))
    assert len(bodies) == 4  # gates, what the second tanh is of, that one alone, all the rest
    (alone,) = [body for body in bodies if len(body) == 3]
    assert "tanh_f32" in alone[1]


def test_stores_into_one_buffer_keep_their_order():
    x = normal(2000)
    y = torch.cat([torch.tanh(torch.sigmoid(x) * x + x.exp() * 2 - 1) * k for k in (1, 2)])
    kernel = debug.explain(y).schedule.steps[0].kernels[0]
    assert "base" not in kernel.source


@pytest.mark.parametrize(
    "case", [activated, lambda: cell(1), lambda: cell(512), lambda: cell(1100)]
)
def test_same_bits(monkeypatch, case):
    found = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        found += [[t.numpy() for t in case()]]
    for cut, alone in zip(*found, strict=True):
        np.testing.assert_array_equal(cut, alone)
    assert torch.isfinite(torch.tensor(found[0][0])).all()

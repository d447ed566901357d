"""Long loops of row kernels are cut around polynomials; short ones are left whole."""

import re

import numpy as np

import jitgrad as torch
from jitgrad import debug
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
    (whole,) = [body for body in bodies if any("exp_f32" in line for line in body)]
    assert any(" - max" in line for line in whole)


def test_same_bits(monkeypatch):
    found = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        found += [[t.numpy() for t in activated()]]
    for cut, alone in zip(*found, strict=True):
        np.testing.assert_array_equal(cut, alone)
    assert torch.isfinite(torch.tensor(found[0][0])).all()

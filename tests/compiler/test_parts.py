"""Reductions of leading axes that kernels over rows begin: column sums of what a row kernel has."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.testing import assert_kernels
from tests.compiler.programs import labels, normal
from tests.compiler.traffic import counted

COLUMNS = 10


def normed(rows, columns=COLUMNS):
    """Layer norm with weight and bias, gelu, the input added; its inputs and the gradient."""
    x = normal(rows, columns, grad=True)
    weight, bias = normal(columns, seed=1, grad=True), normal(columns, seed=2, grad=True)
    y = F.gelu(F.layer_norm(x, (columns,), weight, bias), approximate="tanh") + x
    return y, (x, weight, bias), normal(rows, columns, seed=3)


def test_forward_and_all_gradients_are_one_kernel():
    y, _, upstream = normed(6)
    with assert_kernels(1, steps=2):
        y.backward(upstream)
        torch.flush_all()


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_gradients_are_one_kernel(norm):
    x, weight = normal(6, COLUMNS, grad=True), normal(COLUMNS, seed=1, grad=True)
    y = getattr(F, f"{norm}_norm")(x, (COLUMNS,), weight)
    y.realize()
    upstream = normal(6, COLUMNS, seed=3)
    with assert_kernels(1, steps=2):
        y.backward(upstream)
        torch.flush_all()


def test_bytes():
    y, inputs, upstream = normed(192, 96)
    y.backward(upstream)
    minimum = 2 * (inputs[0].nbytes + upstream.nbytes)
    # Weight and bias are read for each row in two loops, but come from memory once.
    cached = 2 * 2 * inputs[0].nbytes
    assert counted(torch.flush_all) <= 1.1 * minimum + cached


def test_what_is_in_memory_anyway_is_summed_from_there():
    x, bias = normal(6, COLUMNS, grad=True), normal(COLUMNS, grad=True)
    with assert_kernels(2, steps=4):  # the gradient of x is wanted itself
        F.cross_entropy(x + bias, labels(6, COLUMNS)).backward()
        torch.flush_all()


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 200, 64 * 7])
@pytest.mark.parametrize("way", ["interpreted", "compiled"])
def test_same_bits_as_alone(rows, way, monkeypatch):
    if way == "compiled":
        monkeypatch.setenv("JITGRAD_JIT", "1")
    found = {}
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        y, inputs, upstream = normed(rows)
        y.backward(upstream)
        found[fuse] = [y.detach().numpy(), *(t.grad.numpy() for t in inputs)]
    for fused, alone in zip(found["1"], found["0"], strict=True):
        np.testing.assert_array_equal(fused, alone)


@pytest.mark.parametrize("reduce", ["sum", "prod", "amax", "amin"])
@pytest.mark.parametrize("shape", [(130, 4, 6), (2, 65, 7)])
def test_every_reduction(reduce, shape, monkeypatch):
    found = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        x = normal(*shape)
        wide = x.reshape(shape[0], -1)
        share = (wide / wide.abs().sum(1, True)).reshape(shape)
        found.append(getattr(share, reduce)(0).numpy())
    np.testing.assert_array_equal(*found)


def test_truth_and_integers(monkeypatch):
    found = []
    for fuse in "01":
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        x = torch.tensor(np.random.default_rng(0).integers(-9, 9, (70, 5)).astype("int32"))
        low = x - x.amin(1, True)
        found += [low.sum(0), (low > 3).all(0), (low > 12).any(0), low.sum(0).dtype]
    assert found[3] is found[7] is torch.int64
    for fused, alone in zip(found[4:7], found[:3], strict=True):
        np.testing.assert_array_equal(fused.numpy(), alone.numpy())


def test_no_rows():
    x = torch.zeros(0, 4)
    np.testing.assert_array_equal((x - x.sum(1, True)).sum(0).numpy(), np.zeros(4, np.float32))

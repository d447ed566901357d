"""Column sums in a product's kernel: a bias gradient beside its weight gradient."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.testing import assert_kernels
from tests.compiler.programs import normal


def both(a, x):
    """The columns of `a` summed, and its product with `x` over the same axis."""
    return a.reshape(-1, a.shape[-1]).sum(0), a.reshape(-1, a.shape[-1]).t() @ x


def test_one_kernel():
    a, x = normal(6, 4), normal(6, 5, seed=1)
    with assert_kernels(1, steps=1):
        total, product = both(a, x)
        torch.flush_all()
    np.testing.assert_allclose(total.numpy(), a.numpy().sum(0), rtol=1e-6)
    np.testing.assert_allclose(product.numpy(), a.numpy().T @ x.numpy(), rtol=1e-5)


def test_gradients_of_a_linear_layer_over_sequences():
    x, w, b = normal(2, 3, 4), normal(5, 4, seed=1, grad=True), normal(5, seed=2, grad=True)
    y, upstream = F.linear(x, w, b), normal(2, 3, 5, seed=3)
    y.realize()
    with assert_kernels(1, steps=1):
        y.backward(upstream)
        torch.flush_all()


@pytest.mark.parametrize(
    "shape", [(1, 3, 2), (65, 5, 7), (130, 200, 3), (64 * 5, 130, 40), (0, 3, 2)]
)
@pytest.mark.parametrize("jit", "01")
def test_same_bits_as_alone(shape, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    rows, columns, others = shape if jit == "1" else (shape[0], min(shape[1], 9), 2)
    results = []
    for fused in "10":
        monkeypatch.setenv("JITGRAD_FUSE", fused)
        a, x = normal(rows, columns), normal(rows, others, seed=1)
        results.append([v.numpy() for v in both(a, x)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_parts(monkeypatch):
    """The product is cut along both axes: each column is summed once."""
    monkeypatch.setenv("JITGRAD_JIT", "1")
    a, x = normal(300, 520), normal(300, 40, seed=1)
    total, product = both(a, x)
    np.testing.assert_allclose(total.numpy(), a.numpy().sum(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(product.numpy(), a.numpy().T @ x.numpy(), rtol=1e-4, atol=1e-3)


def test_what_the_product_waits_for_does_not_ride():
    a, x = normal(6, 4), normal(6, 5, seed=1)
    total = a.sum(0)
    product = a.t() @ (x * total.max())
    want = a.numpy().T @ (x.numpy() * a.numpy().sum(0).max())
    np.testing.assert_allclose(product.numpy(), want, rtol=1e-5)


def test_what_follows_the_sum_waits_for_the_product():
    a, x = normal(6, 4), normal(6, 5, seed=1)
    total, product = both(a, x)
    scaled, mixed = total * 2, product * total[:, None]
    torch.flush_all()
    np.testing.assert_allclose(scaled.numpy(), 2 * a.numpy().sum(0), rtol=1e-6)
    want = a.numpy().T @ x.numpy() * a.numpy().sum(0)[:, None]
    np.testing.assert_allclose(mixed.numpy(), want, rtol=1e-5)


@pytest.mark.parametrize("view", ["part", "other axis", "batch", "integers", "expanded"])
def test_other_sums_do_not_ride(view):
    a, x = normal(6, 4), normal(6, 5, seed=1)
    if view == "part":
        pair = a[1:5].sum(0), a[1:5].t() @ x[1:5]
    elif view == "other axis":
        pair = a.sum(1), a.t() @ x
    elif view == "batch":
        a, x = normal(2, 6, 4), normal(2, 6, 5, seed=1)
        pair = a.sum((0, 1)), a.transpose(1, 2) @ x
    elif view == "integers":
        a, x = (torch.arange(24).reshape(6, 4), torch.arange(30).reshape(6, 5))
        pair = a.sum(0), a.t() @ x
    else:
        a = normal(1, 4).expand(6, 4)
        pair = a.sum(0), a.t() @ x
    torch.flush_all()
    n, m = a.numpy(), x.numpy()
    if view == "part":
        want = n[1:5].sum(0), n[1:5].T @ m[1:5]
    elif view == "batch":
        want = n.sum((0, 1)), n.transpose(0, 2, 1) @ m
    else:
        want = n.sum(1 if view == "other axis" else 0), n.T @ m
    for found, expected in zip(pair, want, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)

"""The right operand of a product, computed in the product's kernel."""

import dataclasses

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import debug
from jitgrad.runtime import flush, tiles
from jitgrad.testing import assert_kernels
from tests.compiler.programs import normal

pytestmark = pytest.mark.usefixtures("tiled")


@pytest.fixture
def tiled(monkeypatch):
    """Schedules as they are made where products run in register tiles, and no others."""
    monkeypatch.setattr(tiles, "CPU", dataclasses.replace(tiles.CPU, prologues=lambda: True))
    flush.forget()
    yield
    flush.forget()


def integers(*shape):
    """A realised tensor of int8."""
    return torch.tensor(np.random.default_rng(3).integers(-99, 99, shape).astype(np.int8))


FORMS = {
    "as it lies": lambda k, n: normal(k, n, seed=1) * 0.5 + 1,
    "transposed": lambda k, n: (normal(n, k, seed=1) * 0.5 + 1).t(),
    "by rows": lambda k, n: normal(k, n, seed=1) * normal(k, 1, seed=2),
    "by columns": lambda k, n: (normal(n, k, seed=1) * normal(n, 1, seed=2)).t(),
    "converted": lambda k, n: integers(n, k).float().t(),
    "sequences": lambda k, n: (normal(k, 3, n, seed=1) - 0.5).reshape(-1, n),
}
SHAPES = [(37, 40, 784), (1000, 130, 5), (100, 1023, 7), (8, 64, 4096), (3, 2, 1), (5, 4, 0)]


def product(form, m, n, k):
    """A product, with an epilogue, of an operand in one of the forms."""
    right = FORMS[form](k, n)
    return (normal(m, right.shape[0]) @ right + 1).relu()


@pytest.mark.parametrize("form", FORMS)
def test_one_kernel(form):
    with assert_kernels(1, steps=1):
        y = product(form, 6, 5, 4)
        torch.flush_all()
    assert y.shape == (6, 5)


def test_its_source(golden):
    (step,) = debug.explain(product("transposed", 6, 5, 4)).schedule.steps
    golden("prologue.py.txt", step.kernels[0].source.strip() + "\n")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_as_a_kernel_of_its_own(form, shape, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "1")
    fused = product(form, *shape).numpy()
    monkeypatch.setenv("JITGRAD_FUSE", "0")
    np.testing.assert_array_equal(product(form, *shape).numpy(), fused)


@pytest.mark.parametrize("form", FORMS)
def test_interpreted(form, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "1")
    compiled = product(form, 7, 18, 9).numpy()
    monkeypatch.setenv("JITGRAD_JIT", "0")
    np.testing.assert_array_equal(product(form, 7, 18, 9).numpy(), compiled)
    right = FORMS[form](9, 18).numpy().astype(np.float64)
    want = normal(7, len(right)).numpy() @ right + 1
    np.testing.assert_allclose(compiled, np.maximum(want, 0), rtol=1e-4, atol=1e-4)


def test_threads_share_it(monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "1")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = product("transposed", 600, 200, 300).numpy()
        torch.set_num_threads(3)
        np.testing.assert_array_equal(product("transposed", 600, 200, 300).numpy(), alone)
    finally:
        torch.set_num_threads(before)


def test_products_that_share_an_operand_compute_it_each():
    x, w = normal(6, 4), normal(5, 4, seed=1)
    with assert_kernels(2, steps=2):
        scaled = w * 0.5
        backward = x @ scaled.t() @ scaled
        del scaled
        torch.flush_all()
    half = w.numpy() * np.float32(0.5)
    np.testing.assert_allclose(backward.numpy(), x.numpy() @ half.T @ half, rtol=1e-5, atol=1e-6)


OTHERS = {
    "left": lambda x, w: (x * 0.5) @ w,
    "two operands": lambda x, w: x @ (w * normal(4, 5, seed=2)),
    "costly": lambda x, w: x @ w.exp(),
    "batched": lambda x, w: x.reshape(2, 3, 4) @ (w * 0.5).reshape(1, 4, 5).expand(2, 4, 5),
    "a slice": lambda x, w: x[:, 1:] @ (w * 0.5)[1:],
    "float64": lambda x, w: x.double() @ (w.double() * 0.5),
    "both sides": lambda x, w: (lambda s: s.t() @ s)(w * 0.5),
    "turned": lambda x, w: x @ (w.reshape(5, 4).t() * 0.5),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_read_from_memory(case):
    y = OTHERS[case](normal(6, 4), normal(4, 5, seed=1))
    assert "operand computed in its product" not in str(debug.explain(y))


def test_a_sum_of_the_operand_computes_it_too():
    x, w = normal(6, 4), normal(4, 5, seed=1)
    scaled = w * 0.5
    y = x @ scaled + scaled.sum()
    del scaled
    half = w.numpy() * np.float32(0.5)
    np.testing.assert_allclose(y.numpy(), x.numpy() @ half + half.sum(), rtol=1e-5, atol=1e-6)


def test_an_operand_that_the_user_keeps_is_in_memory():
    scaled = normal(4, 5, seed=1) * 0.5
    y = normal(6, 4) @ scaled
    torch.flush_all()
    want = normal(6, 4).numpy() @ scaled.numpy()
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-6)


def test_memory_that_is_written_meanwhile_is_read_before():
    x, w = normal(6, 4), normal(4, 5, seed=1)
    before = w.numpy().copy()
    y = x @ (w * 0.5)
    w.mul_(3)
    torch.flush_all()
    np.testing.assert_allclose(y.numpy(), x.numpy() @ before * 0.5, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(w.numpy(), before * np.float32(3))


def test_its_bytes_and_operations():
    y = normal(64, 32) @ (normal(32, 48, seed=1) * 0.5)
    text = str(debug.explain(y))
    assert f"{4 * (64 * 32 + 32 * 48 + 64 * 48)} bytes, {2 * 64 * 32 * 48 + 32 * 48} flops" in text

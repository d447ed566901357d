"""How many kernels computations become; no kernel is chosen by a function's name."""

import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.testing import assert_kernels
from tests.compiler.programs import ROWS, labels, lion, mlp, normal, train


def kernels_of(run):
    """Kernels and steps that `run` takes."""
    torch.flush_all()
    before = torch.stats()
    run()
    after = torch.stats()
    return tuple(after[k] - before[k] for k in ("kernels_run", "steps_run"))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_computation_is_one_kernel(name):
    x, t = normal(6, 10), labels(6, 10)
    with assert_kernels(1):
        ROWS[name](x, t).realize()


@pytest.mark.parametrize("name", ROWS)
def test_its_gradient_is_one_kernel(name):
    x, t = normal(6, 10, grad=True), labels(6, 10)
    y = ROWS[name](x, t)
    weight = normal(*y.shape, seed=2)
    y.realize()
    with assert_kernels(1):
        y.backward(weight)
        x.grad.realize()


@pytest.mark.parametrize("name", ROWS)
def test_both_together_are_one_kernel(name):
    x, t = normal(6, 10, grad=True), labels(6, 10)
    weight = normal(*ROWS[name](x, t).shape, seed=2)
    with assert_kernels(1):
        y = ROWS[name](x, t)
        y.backward(weight)
        torch.flush_all()


def test_gelu_and_its_gradient_are_one_kernel_and_one_combine_step():
    x = normal(40, grad=True)
    with assert_kernels(1, steps=2):
        y = F.gelu(x).sum()
        y.backward()
        torch.flush_all()


LAYERS = {
    "matrix": lambda x, w, b: torch.relu(F.linear(x, w, b)),
    "sequences": lambda x, w, b: F.gelu(F.linear(x.reshape(2, 3, 4), w, b)) + b,
    "positions": lambda x, w, b: F.linear(x.reshape(2, 3, 4), w, b) + torch.ones(3, 5),
    "residual and dropout": lambda x, w, b: F.dropout(F.linear(x, w, b), 0.5) + torch.ones(6, 5),
    "scaled": lambda x, w, b: torch.tanh((x.reshape(2, 3, 4) @ w.t()) * 2) / b,
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_follows_a_product_element_by_element_joins_it(name):
    x, w, b = normal(6, 4), normal(5, 4), normal(5)
    with assert_kernels(1):
        LAYERS[name](x, w, b).realize()


def test_a_training_step():
    model, optimizer = mlp()
    x, t = normal(5, 12), labels(5, 4)
    for _ in range(2):
        train(model, optimizer, x, t).realize()
    _, steps = kernels_of(lambda: train(model, optimizer, x, t).realize())
    assert steps <= 12
    for p in model.parameters():
        p.grad.realize()
    with assert_kernels(1, steps=1):
        optimizer.step()


def test_a_lion_update_of_all_parameters_is_one_kernel():
    model, _ = mlp()
    x, t = normal(5, 12), labels(5, 4)
    moments = [torch.zeros_like(p).realize() for p in model.parameters()]
    F.cross_entropy(model(x), t).backward()
    torch.flush_all()
    with assert_kernels(1, steps=1):
        lion(list(model.parameters()), moments)
        torch.flush_all()


def test_a_training_step_with_lion():
    model, _ = mlp()
    x, t = normal(5, 12), labels(5, 4)
    parameters = list(model.parameters())
    moments = [torch.zeros_like(p).realize() for p in parameters]

    def step():
        model.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        lion(parameters, moments)
        torch.flush_all()

    _, steps = kernels_of(step)
    assert steps <= 12


def test_a_wrong_count_is_said():
    x = normal(3)
    with pytest.raises(AssertionError, match="2 kernels expected, 1 kernels in 1 steps"):
        with assert_kernels(2):
            (x * 2).realize()


def test_unfused_every_op_is_a_kernel(monkeypatch):
    monkeypatch.setenv("JITGRAD_FUSE", "0")
    x = normal(3)
    with assert_kernels(3):
        ((x * 2).tanh() + 1).realize()

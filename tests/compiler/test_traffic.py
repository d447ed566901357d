"""Kernels read every input and write every output about once: their loads and stores counted."""

import pytest

import jitgrad as torch
from tests.compiler.programs import ROWS, labels, mlp, normal, train
from tests.compiler.traffic import counted

ROOM = 1.1
ROW = 24, 96


@pytest.mark.parametrize("name", ["softmax", "log-softmax", "layer norm", "RMS norm"])
def test_forward(name):
    x, t = normal(*ROW), labels(*ROW)
    minimum = 2 * x.nbytes
    assert minimum <= counted(lambda: ROWS[name](x, t).realize()) <= ROOM * minimum


@pytest.mark.parametrize("name", ["softmax", "log-softmax", "layer norm", "RMS norm"])
def test_gradient(name):
    x, t = normal(*ROW, grad=True), labels(*ROW)
    y = ROWS[name](x, t)
    weight = normal(*ROW, seed=2)
    y.realize()
    # The input, the gradient that comes, the one that goes; a quotient's rule reads the result too.
    minimum = (4 if name == "RMS norm" else 3) * x.nbytes
    y.backward(weight)
    assert counted(lambda: x.grad.realize()) <= ROOM * minimum


def test_cross_entropy_and_its_gradient():
    torch.flush_all()  # what other tests have left pending
    x, t = normal(*ROW, grad=True), labels(*ROW)
    ROWS["cross entropy"](x, t).backward()
    minimum = 2 * x.nbytes + 2 * t.nbytes  # labels are counted before they are used
    assert counted(torch.flush_all) <= ROOM * minimum


def test_adam():
    model, optimizer = mlp(40, 30, 20)
    for _ in range(2):
        train(model, optimizer, normal(5, 40), labels(5, 20)).realize()
    elements = sum(p.numel() for p in model.parameters())
    minimum = 7 * 4 * elements  # parameter, gradient and two moments in; all but the gradient out
    assert minimum <= counted(optimizer.step) <= ROOM * minimum


def test_a_chain_of_elementwise_ops():
    x, y = normal(500), normal(500, seed=1)
    minimum = 3 * x.nbytes
    assert counted(lambda: ((x * y + 1).sigmoid() * (-x * x).exp()).realize()) == minimum

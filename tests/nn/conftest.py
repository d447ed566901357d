"""Shared by the tests of nn: PyTorch as a reference, gradients by differences, no compiler."""

import numpy as np
import pytest


@pytest.fixture
def torch():
    """PyTorch, the reference where it is installed."""
    return pytest.importorskip("torch", reason="PyTorch (torch) is not installed")


@pytest.fixture
def numgrad():
    """`numgrad(f, arrays, i)`: the gradient of the scalar f(*arrays) with respect to array i."""

    def gradient(f, arrays, i, eps=1e-6):
        x = arrays[i]
        grad = np.zeros_like(x)
        for at in np.ndindex(*x.shape):
            old = x[at]
            x[at] = old + eps
            high = f(*arrays)
            x[at] = old - eps
            low = f(*arrays)
            x[at] = old
            grad[at] = (high - low) / (2 * eps)
        return grad

    return gradient


@pytest.fixture(autouse=True)
def interpreted(request, monkeypatch):
    """What is meant, not its machine code: kernels run as Python unless a test is `compiled`."""
    if "compiled" not in request.fixturenames:
        monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.fixture
def compiled():
    """For a test that runs machine code."""

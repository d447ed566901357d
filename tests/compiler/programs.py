"""Computations whose kernels are counted: PyTorch's functions, and the same by plain operators.

Each takes the module that stands for torch and makes its own inputs.
"""

from __future__ import annotations

import numpy as np

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F


def normal(*shape, seed=0, grad=False):
    """A realised tensor of normal numbers."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return torch.tensor(values).requires_grad_(grad)


def labels(rows, classes, seed=1):
    """A realised tensor of class numbers."""
    return torch.tensor(np.random.default_rng(seed).integers(0, classes, rows))


def plain_softmax(x):
    """Softmax by operators."""
    e = (x - x.amax(1, True)).exp()
    return e / e.sum(1, True)


def plain_rms_norm(x):
    """RMS norm by operators."""
    return x / ((x * x).mean(-1, True) + 1e-6).sqrt()


# name -> function of (rows, classes) matrix x and targets
ROWS = {
    "softmax": lambda x, t: x.softmax(1),
    "log-softmax": lambda x, t: x.log_softmax(1),
    "layer norm": lambda x, t: F.layer_norm(x, (x.shape[1],)),
    "cross entropy": lambda x, t: F.cross_entropy(x, t),
    "softmax by operators": lambda x, t: plain_softmax(x),
    "RMS norm": lambda x, t: plain_rms_norm(x),
}


def mlp(inputs=12, hidden=8, classes=4):
    """The model and Adam over its parameters, as the main job has them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train(model, optimizer, x, t):
    """One step."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), t)
    loss.backward()
    optimizer.step()
    return loss


def lion(parameters, moments, rate=1e-3, decay=0.1):
    """A Lion update of all parameters, by operators."""
    with torch.no_grad():
        for p, m in zip(parameters, moments, strict=True):
            direction = (m * 0.9 + p.grad * 0.1).sign()
            p.mul_(1 - rate * decay)
            p.sub_(direction * rate)
            m.mul_(0.99).add_(p.grad * 0.01)

"""Loops as people write them, none of which reads a value. Entry: `LOOPS`: name -> step."""

from __future__ import annotations

import itertools

import numpy as np

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F

ROWS, INPUTS, CLASSES = 16, 20, 4


def data():
    """A batch."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, INPUTS)).astype(np.float32)
    return torch.tensor(x), torch.tensor(rng.integers(0, CLASSES, ROWS))


def network(dropout):
    """A small classifier."""
    torch.manual_seed(0)
    layers = [nn.Linear(INPUTS, 16), nn.ReLU()]
    layers += [nn.Dropout(0.25)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(16, CLASSES))


def training():
    """Training with dropout, the loss never read."""
    model = network(dropout=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, t = data()

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), t).backward()
        optimizer.step()

    return step


def training_with_total():
    """The same, adding up the loss."""
    model = network(dropout=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    x, t = data()
    total = torch.zeros(())

    def step():
        nonlocal total
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        total = total + loss.detach()

    return step


def counting():
    """Evaluation that counts right answers: `correct += ...`."""
    model = network(dropout=False)
    x, t = data()
    correct = torch.zeros((), dtype=torch.int64)

    def step():
        nonlocal correct
        correct += (model(x).argmax(1) == t).sum()

    return step


def counting_quietly():
    """The same under no_grad, with a new tensor each time."""
    model = network(dropout=False)
    x, t = data()
    correct = torch.zeros((), dtype=torch.int64)

    def step():
        nonlocal correct
        with torch.no_grad():
            correct = correct + (model(x).argmax(1) == t).sum()

    return step


def running_mean():
    """Statistics updated in place through a view."""
    x, _ = data()
    means = torch.zeros(3, INPUTS)

    def step():
        with torch.no_grad():
            means[1] = means[1] * 0.9 + x.mean(0) * 0.1

    return step


LOOPS = {
    "training": training,
    "training, loss added up": training_with_total,
    "counting": counting,
    "counting quietly": counting_quietly,
    "running mean": running_mean,
}


# ---- to measure the measuring by


def steady():
    """A step that costs the same each time."""
    return lambda: sum(range(10_000))


def aging():
    """A step that costs a fifth more after 4000 times."""
    size = itertools.count(20_000)
    return lambda: sum(range(next(size) // 2))

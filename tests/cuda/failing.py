"""Computations that must fail: an index out of range, found at different places of a kernel.

Entry: `FAILING`, name -> function.
"""

import jitgrad as torch
from jitgrad.nn import functional as F
from tests.compiler.programs import normal

FAILING = {}


def failing(fn):
    """Register a program that must fail."""
    FAILING[fn.__name__.replace("_", " ")] = fn
    return fn


@failing
def index_of_elements():
    return [normal(6)[torch.tensor([1, 7, 2])] * 2]


@failing
def label_of_a_row():
    return [F.cross_entropy(normal(5, 9), torch.tensor([1, 2, 9, 3, 4]))]


@failing
def index_in_a_row():
    return [normal(3, 9).gather(1, torch.tensor([[0, 1, 40], [2, 2, 2], [1, 1, 1]])).softmax(1)]


@failing
def index_of_a_sum():
    return [normal(6).gather(0, torch.tensor([0, 1, -40, 3])).sum()]


@failing
def index_of_a_scatter():
    return [normal(4).scatter_add(0, torch.tensor([0, 9]), normal(2))]

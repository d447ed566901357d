"""Sizes and numbers compile nothing: only a size of 1, which changes what broadcasts, may."""

import pytest

import jitgrad as torch
from jitgrad.runtime import build
from tests.compiler.programs import labels, mlp, normal, train


def made():
    """Schedules and kernels made so far, however they came about."""
    found = torch.stats()
    loaded = found["kernels_compiled"] + found["kernels_loaded"]
    return found["schedules"], loaded + build.counters.interpreted


def sweep(sizes, inputs):
    """Train at each size with another learning rate; sizes at which something was made."""
    model, optimizer = mlp(inputs, 8, 4)
    news = {}
    for k, rows in enumerate(sizes):
        optimizer.param_groups[0]["lr"] = 1e-3 / (1 + k)
        before = made()
        train(model, optimizer, normal(rows, inputs), labels(rows, 4)).item()
        if made() != before:
            news[rows] = tuple(b - a for a, b in zip(before, made(), strict=True))
    return news


def test_interpreted():
    sizes = [6, 7, 1, 10, 12, 8, 4, 13, 1, 31]  # 12, 8 and 4 are sizes of the layers too
    assert set(sweep(sizes, 12)) <= {6, 7, 1}


@pytest.mark.usefixtures("compiled")
def test_two_hundred_batch_sizes():
    sizes = [64, 65, *range(2, 199), 1, 10, 128, 200, 784, 257, 512, 300, 301, 64]
    assert len(set(sizes)) >= 200
    before = len(torch.stats()["recompiles"])
    news = sweep(sizes, 784)
    assert set(news) <= {64, 65, 1}, news
    named = torch.stats()["recompiles"][before:]
    assert len(named) <= 12, named


def test_slices_scalars_and_seeds_compile_nothing():
    x = normal(50, 20)
    (x[3:9, 2:7] * 1.5).realize()
    before = made()
    for k in range(4, 20):
        (x[k : k + 10, k - 2 : k] * (0.1 * k)).realize()
        torch.manual_seed(k)
    assert made() == before


def test_two_thousand_shapes_and_five_hundred_numbers_make_few_kernels():
    before = made()[1]
    for k in range(200):
        a = normal(2 + k % 37, 2 + k % 23)
        ((a * (k + 0.5)).relu().sum(1) + k).realize()
    assert made()[1] - before < 20

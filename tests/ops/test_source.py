"""Random sources: Philox's published vectors, the kernels' own numbers, moments."""

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import make_source
from jitgrad.kernels import random as kernels
from jitgrad.ops.oracle_random import philox
from tests.ops.graphs import value


@pytest.mark.parametrize(
    "counter, draw, seed, want",
    [
        (0, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (2**64 - 1, 2**64 - 1, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (0x85A308D3243F6A88, 0x0370734413198A2E, 0x299F31D0A4093822,
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_published_vectors_of_philox(counter, draw, seed, want):
    with np.errstate(over="ignore"):
        words = philox(np.array([counter], np.uint64), seed, draw)
    assert " ".join(f"{int(w[0]):08x}" for w in words) == want


def draw(name, shape, dtype, seed=3, number=5):
    return value(make_source(name, shape=shape, dtype=dtype, seed=seed, draw=number))


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=str)
@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_kernels_draw_the_oracles_numbers(name, dtype):
    got = draw(name, (3, 50), dtype).ravel()
    one = getattr(kernels, f"{name}_{dtype.suffix}")
    with np.errstate(all="ignore"):
        want = np.array([one(3, 5, i) for i in range(150)])
    if name == "uniform":
        assert (got == want).all()
    else:
        np.testing.assert_allclose(got, want, 8 * np.finfo(dtype.np).eps)


def test_moments_and_independence():
    u, n = draw("uniform", (40000,), dt.float32), draw("normal", (40000,), dt.float64)
    assert abs(u.mean() - 0.5) < 0.01 and abs(u.var() - 1 / 12) < 0.002
    assert abs(n.mean()) < 0.02 and abs(n.var() - 1) < 0.03
    assert (draw("uniform", (64,), dt.float32, number=6) != u[:64]).any()
    assert (draw("uniform", (64,), dt.float32, seed=4) != u[:64]).any()
    assert 0 <= u.min() and u.max() < 1


def test_bits_are_63():
    bits = draw("random_bits", (4000,), dt.int64)
    assert bits.min() >= 0 and bits.max() > 2**62 and bits.dtype == np.int64
    assert abs((bits & 1).mean() - 0.5) < 0.05

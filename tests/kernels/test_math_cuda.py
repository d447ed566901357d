"""float32 functions as a CUDA device computes them, without float64: error bounds, in Python."""

import numpy as np
import pytest

from jitgrad.kernels import power, power_cuda, trig, trig_cuda

from .accuracy import BOUNDS_F32, edges, reference, ulp_f32
from .test_math_f32 import pairs, powers


def of_all_sizes():
    """Numbers of every exponent, some near multiples of pi / 2, and edges."""
    rng = np.random.default_rng(8)
    drawn = rng.standard_normal(3000) * np.exp2(rng.uniform(-20, 127, 3000))
    near = [16367173 * 2.0**72, *(np.arange(1, 600) * np.pi / 2)]  # the first, within 2^-29
    return np.concatenate([drawn.astype(np.float32), np.float32(near), edges(np.float32)])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_trigonometric(name, monkeypatch):
    monkeypatch.setattr(trig, "_reduce", trig_cuda._reduce)
    x = of_all_sizes()
    with np.errstate(all="ignore"):
        got = np.array([getattr(trig, f"{name}_f32")(v) for v in x])
    exact = reference(name, x)
    assert got.dtype == np.float32
    assert ulp_f32(got, exact).max() <= BOUNDS_F32[name]
    zero = (got == 0) & (exact == 0)
    assert zero.sum() == 2 * (name != "cos")
    assert (np.signbit(got[zero]) == np.signbit(exact[zero])).all()


@pytest.mark.parametrize("numbers", [lambda: powers(np.float32, 2000), lambda: pairs(np.float32)])
def test_power(numbers, monkeypatch):
    monkeypatch.setattr(power, "_power", power_cuda._power)
    x, y = numbers()
    with np.errstate(all="ignore"):
        got = np.array([power.pow_f32(a, b) for a, b in zip(x, y, strict=True)])
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert got.dtype == np.float32
    assert ulp_f32(got, exact).max() <= 0.9
    zero = exact == 0
    assert (np.signbit(got[zero]) == np.signbit(exact[zero])).all()

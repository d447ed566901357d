"""float32 functions: error bounds, zeros' signs, vector registers, compiled == Python."""

import platform
import re

import numpy as np
import pytest

from .accuracy import BOUNDS_F32, edges, reference, samples_f32, ulp_f32
from .harness import elementwise, same, twin

NAMES = sorted(BOUNDS_F32)


@pytest.fixture(scope="module")
def samples():
    return samples_f32()


def check(name, x):
    got, exact = elementwise(f"{name}_f32", "f32")(x), reference(name, x)
    error = ulp_f32(got, exact)
    at = int(np.argmax(error))
    assert error[at] <= BOUNDS_F32[name], f"{name}({x[at]!r}) = {got[at]!r}: {error[at]:.3f} ulp"
    zero = (got == 0) & (exact == 0)
    assert (np.signbit(got[zero]) == np.signbit(exact[zero])).all(), f"{name}: sign of a zero"


@pytest.mark.parametrize("name", NAMES)
def test_error_on_samples_and_edges(name, samples):
    check(name, samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_error_on_every_float32(name):
    low = np.arange(2**18, dtype=np.uint32)
    for high in range(2**14):
        check(name, (low + np.uint32(high << 18)).view(np.float32))


def powers(dtype, n=200_000):
    """Bases and exponents whose powers fill the range; bases near 1 and negative ones too."""
    rng = np.random.default_rng(4)
    top = np.finfo(dtype).maxexp - 1
    x = np.ldexp(rng.uniform(1, 2, n), rng.integers(-top, top, n))
    y = rng.uniform(-1, 1, n) * top / np.maximum(np.abs(np.log2(x)), 1e-3)
    near = 1 + rng.uniform(-1, 1, n) * 2.0 ** rng.integers(-20, -1, n)
    far = rng.uniform(-1, 1, n) * top / np.abs(np.log2(near))
    x = np.concatenate([x, near, -rng.uniform(0.1, 10, n)]).astype(dtype)
    return x, np.concatenate([y, far, rng.integers(-20, 20, n)]).astype(dtype)


def pairs(dtype):
    """Every pair of the edges."""
    e = np.append(edges(dtype), np.array([3, -3, 2.5, -2.5], dtype))
    return np.repeat(e, e.size), np.tile(e, e.size)


def test_pow():
    power = elementwise("pow_f32", "f32", 2)
    x, y = powers(np.float32)
    exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulp_f32(power(x, y), exact).max() <= 0.6
    x, y = pairs(np.float32)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
        assert ulp_f32(power(x, y), exact).max() <= 0.6
        zero = exact == 0
        assert (np.signbit(power(x, y)[zero]) == np.signbit(exact[zero])).all()


def test_atan2():
    angle = elementwise("atan2_f32", "f32", 2)
    rng = np.random.default_rng(6)
    scale = 10.0 ** rng.integers(-6, 6, 10**5)
    x = (rng.normal(size=10**5) * scale).astype(np.float32)
    y = rng.normal(size=10**5).astype(np.float32)
    for a, b in ((y, x), pairs(np.float32)):
        exact = np.arctan2(a.astype(np.float64), b.astype(np.float64))
        got = angle(a, b)
        assert ulp_f32(got, exact).max() <= 1.4
        zero = exact == 0
        assert (np.signbit(got[zero]) == np.signbit(exact[zero])).all()


@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_python(name, samples):
    x = np.concatenate([samples[:: 2**13], np.linspace(-9, 9, 61, dtype=np.float32)])
    python = twin(f"{name}_f32")
    assert same(elementwise(f"{name}_f32", "f32")(x), np.array([python(v) for v in x]))


@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_compiled_equals_python_of_two(name):
    x, y = (a[::3] for a in pairs(np.float32))
    python = twin(f"{name}_f32")
    want = np.array([python(a, b) for a, b in zip(x, y, strict=True)])
    assert same(elementwise(f"{name}_f32", "f32", 2)(x.copy(), y.copy()), want)


def vectorised(function):
    """Whether the loop works in registers of 32 bytes or more and calls nothing."""
    asm = function.asm()
    return re.search(r"v(mul|fmadd\d+|sqrt)p[sd]\s.*[yz]mm", asm) and not re.search(r"\bcall", asm)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86 registers")
@pytest.mark.parametrize("suffix", ["f32", "f64"])
@pytest.mark.parametrize("name", [*NAMES, "pow", "atan2"])
def test_loops_use_vector_registers(name, suffix):
    inputs = 2 if name in ("pow", "atan2") else 1
    assert vectorised(elementwise(f"{name}_{suffix}", suffix, inputs).function)

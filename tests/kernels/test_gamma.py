"""erfinv, lgamma, digamma, polygamma against mpmath; the largest term sets the scale."""

import mpmath
import numpy as np
import pytest

from .harness import DTYPES, elementwise, same, twin

SUFFIXES = ["f32", "f64"]
_EXACT = {
    "erfinv": mpmath.erfinv,
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "digamma": mpmath.digamma,
}


def points(name, suffix):
    rng = np.random.default_rng(8)
    if name == "erfinv":
        x = np.concatenate([rng.uniform(-1, 1, 300), 1 - 2.0 ** -rng.uniform(1, 22, 100), [1e-30]])
    else:
        x = [rng.uniform(0.01, 20, 300), rng.uniform(0.9, 2.1, 200), rng.uniform(20, 1e6, 50)]
        x = np.concatenate([*x, rng.uniform(-6, 0, 100)])
    return x.astype(DTYPES[suffix])


def scale(name, x, exact):
    """What an error is measured by: the value, or near zeros of the function its largest term."""
    if name == "erfinv" or (name == "lgamma" and x > 0):
        return abs(exact)
    size = abs(exact) + 2
    return size + abs(np.pi / np.tan(np.pi * x)) + 30 if x < 0 else size


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", sorted(_EXACT))
def test_error(name, suffix):
    x = points(name, suffix)
    got = elementwise(f"{name}_{suffix}", suffix)(x)
    eps = float(np.finfo(x.dtype).eps)
    with mpmath.workprec(160):
        for v, g in zip(x.tolist(), got.tolist(), strict=True):
            exact = _EXACT[name](mpmath.mpf(v))
            error = abs(mpmath.mpf(g) - exact) / mpmath.mpf(scale(name, v, float(exact)))
            assert error <= 3 * eps, (v, g, float(error / eps))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_polygamma(suffix):
    n = np.repeat(np.array([0, 1, 2, 3, 5], DTYPES[suffix]), 6)
    x = np.tile(np.array([0.1, 0.5, 2, 7.5, 100, -0.5], DTYPES[suffix]), 5)
    want = [
        float(mpmath.polygamma(int(a), mpmath.mpf(float(b)))) for a, b in zip(n, x, strict=True)
    ]
    got = elementwise(f"polygamma_{suffix}", suffix, 2)(n, x)
    np.testing.assert_allclose(got, want, rtol=40 * np.finfo(x.dtype).eps)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_poles_and_ends(suffix):
    inf, nan = np.inf, np.nan
    table = {
        "erfinv": ([0.0, -0.0, 1, -1, 1.5, -2, nan], [0.0, -0.0, inf, -inf, nan, nan, nan]),
        "lgamma": ([0.0, -0.0, 1, 2, -1, -3, inf, -inf, nan], [inf, inf, 0, 0] + [inf] * 4 + [nan]),
        "digamma": ([0.0, -0.0, -1, inf, -inf, nan], [-inf, inf, nan, inf, nan, nan]),
    }
    for name, (x, want) in table.items():
        x, want = np.array(x, DTYPES[suffix]), np.array(want, DTYPES[suffix])
        np.testing.assert_array_equal(elementwise(f"{name}_{suffix}", suffix)(x), want)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", sorted(_EXACT))
def test_compiled_equals_python(name, suffix):
    x = points(name, suffix)[::17].copy()
    python = twin(f"{name}_{suffix}")
    assert same(elementwise(f"{name}_{suffix}", suffix)(x), np.array([python(v) for v in x]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_polygamma_never_hangs(suffix):
    inf, nan = np.inf, np.nan
    n = np.array([1, 1, 1, 1, 1e30, -1, nan, 1.5, 1, 3, 2], DTYPES[suffix])
    x = np.array([inf, -inf, -1e30, nan, 2, 2, 2, 2, 0, -3, -3], DTYPES[suffix])
    want = np.array([0, nan, nan, nan, nan, nan, nan, nan, inf, inf, nan], DTYPES[suffix])
    np.testing.assert_array_equal(elementwise(f"polygamma_{suffix}", suffix, 2)(n, x), want)

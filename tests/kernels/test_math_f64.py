"""float64 functions against mpmath, at a few thousand points each; compiled == Python."""

import mpmath
import numpy as np
import pytest

from .accuracy import BOUNDS_F64, edges, reference
from .harness import elementwise, same, twin
from .test_math_f32 import pairs, powers

NAMES = sorted(BOUNDS_F64)
POINTS = 250
_EXACT = {
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": lambda x: mpmath.log(x) / mpmath.log(10),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
}
# Open intervals where the result is finite and not trivial; the whole line where not named.
_DOMAIN = {
    "exp": (-750, 711), "exp2": (-1080, 1025), "expm1": (-60, 711), "log": (0, 1e308),
    "log1p": (-1, 1e308), "log2": (0, 1e308), "log10": (0, 1e308), "acosh": (1, 1e308),
    "atanh": (-1, 1), "asin": (-1, 1), "acos": (-1, 1), "sinh": (-711, 711), "cosh": (-711, 711),
    "erfc": (-7, 28), "erf": (-7, 7), "sigmoid": (-750, 60), "rsqrt": (0, 1e308), "tanh": (-25, 25),
}  # fmt: skip


@pytest.fixture(autouse=True)
def precision():
    with mpmath.workprec(160):
        yield


def points(name):
    """All exponents, the middle, around 0, around 1 and, for the circle, near its quarters."""
    rng = np.random.default_rng(64)

    def sign(x):
        return x * rng.choice([-1, 1], x.size)

    def scaled(low, high):
        return sign(np.ldexp(rng.uniform(1, 2, POINTS), rng.integers(low, high, POINTS)))

    lowest = -300 if name in ("sinh", "asinh") else -1074  # mpmath is slow on tiny ones there
    parts = [scaled(lowest, 1024), rng.uniform(-40, 40, POINTS), rng.uniform(-3, 3, 2 * POINTS)]
    parts += [rng.uniform(-800, 800, POINTS), scaled(-30, 10), 1 + scaled(-53, -1)]
    if name in ("sin", "cos", "tan"):
        parts.append(rng.integers(1, 2**40, POINTS) * np.pi / 2)
        parts.append(np.array([6381956970095103 * 2.0**797]))  # the hardest float64
    x = np.concatenate(parts)
    low, high = _DOMAIN.get(name, (-1.7e308, 1.7e308))
    return x[(x > low) & (x < high)]


def ulp(got, exact):
    """The error of one result; beyond the range as if it went on."""
    nearest = float(exact)
    if np.isinf(got) or np.isinf(nearest):
        if got == nearest:
            return 0.0
        got = np.copysign(2.0**1023, got) if np.isinf(got) else got
        return float(abs(2 * mpmath.mpf(got) - exact) / mpmath.mpf(2) ** 971)
    return float(abs(mpmath.mpf(got) - exact) / mpmath.mpf(np.spacing(abs(nearest))))


@pytest.mark.parametrize("name", NAMES)
def test_error(name):
    x = points(name)
    got = elementwise(f"{name}_f64", "f64")(x)
    exact = _EXACT.get(name) or getattr(mpmath, name)
    errors = [ulp(g, exact(mpmath.mpf(v))) for v, g in zip(x.tolist(), got.tolist(), strict=True)]
    at = int(np.argmax(errors))
    assert errors[at] <= BOUNDS_F64[name], f"{name}({x[at]!r}) = {got[at]!r}: {errors[at]:.3f} ulp"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"erf", "erfc"}))
def test_edges(name):
    x = edges(np.float64)
    got, want = elementwise(f"{name}_f64", "f64")(x), reference(name, x)
    np.testing.assert_allclose(got, want, rtol=1e-15, atol=0)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_edges_of_error_functions():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 30.0, -30.0])
    nan, inf = np.nan, [1.0, -1.0]
    assert same(elementwise("erf_f64", "f64")(x), np.array([0.0, -0.0, *inf, nan, *inf]))
    assert same(elementwise("erfc_f64", "f64")(x), np.array([1.0, 1, 0, 2, nan, 0, 2]))


def test_pow():
    power = elementwise("pow_f64", "f64", 2)
    x, y = powers(np.float64, 700)
    got = power(x, y)
    for a, b, g in zip(x.tolist(), y.tolist(), got.tolist(), strict=True):
        exact = mpmath.power(abs(mpmath.mpf(a)), mpmath.mpf(b))
        assert ulp(g, -exact if a < 0 and b % 2 else exact) <= 1, (a, b)
    x, y = pairs(np.float64)
    with np.errstate(all="ignore"):
        want = np.power(x, y)
    np.testing.assert_allclose(power(x, y), want, rtol=1e-15, atol=0)
    assert (np.signbit(power(x, y)) == np.signbit(want))[~np.isnan(want)].all()


def test_atan2():
    angle = elementwise("atan2_f64", "f64", 2)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 1500)) * 10.0 ** rng.integers(-9, 9, (2, 1500))
    for a, b, g in zip(y.tolist(), x.tolist(), angle(y, x).tolist(), strict=True):
        assert ulp(g, mpmath.atan2(mpmath.mpf(a), mpmath.mpf(b))) <= 1.4
    y, x = pairs(np.float64)
    want = np.arctan2(y, x)
    np.testing.assert_allclose(angle(y, x), want, rtol=1e-15, atol=5e-324)
    assert (np.signbit(angle(y, x)) == np.signbit(want))[~np.isnan(want)].all()


@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_python(name):
    x = np.concatenate([points(name)[::13], edges(np.float64)])
    python = twin(f"{name}_f64")
    assert same(elementwise(f"{name}_f64", "f64")(x), np.array([python(v) for v in x]))


@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_compiled_equals_python_of_two(name):
    x, y = (a[::3].copy() for a in pairs(np.float64))
    python = twin(f"{name}_f64")
    want = np.array([python(a, b) for a, b in zip(x, y, strict=True)])
    assert same(elementwise(f"{name}_f64", "f64", 2)(x, y), want)

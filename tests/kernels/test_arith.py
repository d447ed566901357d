"""Division, remainders, powers and signs: Python's and PyTorch's meaning, no traps."""

import math

import numpy as np
import pytest

from .harness import DTYPES, elementwise, same, twin

DIVISIONS = ["floor_divide", "trunc_divide", "remainder", "fmod"]
FLOATS, INTEGERS = ["f32", "f64"], ["i8", "i16", "i32", "i64", "u8"]


def numbers(suffix):
    """Pairs of interesting integers, zero divisors and the smallest number included."""
    info = np.iinfo(DTYPES[suffix])
    some = {info.min, info.min + 1, -7, -3, -2, -1, 0, 1, 2, 3, 7, 100, info.max - 1, info.max}
    values = np.array(sorted(v for v in some if info.min <= v <= info.max), DTYPES[suffix])
    return np.repeat(values, values.size), np.tile(values, values.size)


def wrap(value, suffix):
    info = np.iinfo(DTYPES[suffix])
    return (value - info.min) % 2 ** (8 * DTYPES[suffix].itemsize) + info.min


def expect(name, a, b):
    """Python's exact answer; 0 where the divisor is 0."""
    if name == "gcd":
        return math.gcd(a, b)
    if name == "lcm":
        return abs(wrap(a // math.gcd(a, b) * b, "i64")) if a and b else 0
    if name.startswith("shift"):
        inside = 0 <= b < 64
        return (a << b if inside else 0) if name == "shift_left" else a >> (b if inside else 63)
    if name == "pow":
        if b < 0:
            return 1 if a == 1 or (a == -1 and b % 2 == 0) else -1 if a == -1 else 0
        return pow(a, b, 2**64)
    if b == 0:
        return 0
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return {
        "floor_divide": a // b,
        "remainder": a % b,
        "trunc_divide": quotient,
        "fmod": a - quotient * b,
    }[name]


@pytest.mark.parametrize("suffix", INTEGERS)
@pytest.mark.parametrize("name", [*DIVISIONS, "pow", "shift_left", "shift_right", "gcd", "lcm"])
def test_integers(name, suffix):
    a, b = numbers(suffix)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    want = np.array([wrap(expect(name, x, y), suffix) for x, y in pairs]).astype(DTYPES[suffix])
    assert same(elementwise(f"{name}_{suffix}", suffix, 2)(a, b), want)
    python = twin(f"{name}_{suffix}")
    assert same(np.array([python(x, y) for x, y in zip(a, b, strict=True)]), want)


@pytest.mark.parametrize("suffix", INTEGERS)
def test_sign_and_magnitude(suffix):
    a = np.unique(numbers(suffix)[0])
    with np.errstate(over="ignore"):
        assert same(elementwise(f"abs_{suffix}", suffix)(a), np.abs(a))
    for name in ("sign", "sgn"):
        assert same(elementwise(f"{name}_{suffix}", suffix)(a), np.sign(a))
        assert same(np.array([twin(f"{name}_{suffix}")(v) for v in a]), np.sign(a))


def reals(suffix):
    e = [0.0, 1, 1.5, 2, 3, 7.25, 1e-30, 1e30, 0.1, 0.3, 5e-324, np.inf, np.nan]
    with np.errstate(all="ignore"):
        values = np.array(e + [-v for v in e], DTYPES[suffix])
    return np.repeat(values, values.size), np.tile(values, values.size)


@pytest.mark.parametrize("suffix", FLOATS)
def test_float_division(suffix):
    a, b = reals(suffix)
    with np.errstate(all="ignore"):
        want = {"fmod": np.fmod(a, b), "remainder": np.fmod(a, b)}
        crossed = (want["fmod"] != 0) & ((b < 0) != (want["fmod"] < 0))
        want["remainder"] = np.where(crossed, want["fmod"] + b, want["fmod"])
        want["floor_divide"] = np.where(b == 0, a / b, np.floor_divide(a, b))
    for name, expected in want.items():
        got = elementwise(f"{name}_{suffix}", suffix, 2)(a, b)
        np.testing.assert_array_equal(got, expected)
        python = twin(f"{name}_{suffix}")
        assert same(np.array([python(x, y) for x, y in zip(a, b, strict=True)]), got)


@pytest.mark.parametrize("suffix", FLOATS)
def test_float_signs_rounding_and_kinds(suffix):
    x = np.append(
        np.unique(reals(suffix)[0]), np.array([0.5, 1.5, 2.5, -0.5, -0.0], DTYPES[suffix])
    )
    sign = np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype)
    assert (elementwise(f"sign_{suffix}", suffix)(x) == sign).all()
    assert same(elementwise(f"round_{suffix}", suffix)(x), np.rint(x))
    for name in ("isnan", "isinf", "isfinite"):
        got = elementwise(f"{name}_{suffix}", suffix, out="b1")(x)
        assert (got == getattr(np, name)(x)).all()


@pytest.mark.parametrize("suffix", FLOATS)
def test_nextafter(suffix):
    a, b = reals(suffix)
    want = np.nextafter(a, b)
    assert same(elementwise(f"nextafter_{suffix}", suffix, 2)(a, b), want)
    python = twin(f"nextafter_{suffix}")
    assert same(np.array([python(x, y) for x, y in zip(a, b, strict=True)]), want)

"""What the math functions are measured against: bounds in ulp, references, inputs.

An error in ulp is |got - exact| in units of the spacing of floats at the exact value.
"""

import numpy as np

from .harness import elementwise

# The promise is 2 (pow: 4); each bound is what was measured, a little rounded up.
BOUNDS_F32 = {
    "exp": 1.0, "exp2": 1.0, "expm1": 1.4, "sigmoid": 1.7, "tanh": 2.0, "sinh": 1.8, "cosh": 1.4,
    "log": 1.0, "log2": 1.5, "log10": 1.2, "log1p": 1.0, "asinh": 1.4, "acosh": 1.2, "atanh": 1.5,
    "asin": 1.5, "acos": 1.2, "atan": 1.4, "sin": 1.8, "cos": 1.8, "tan": 1.8,
    "erf": 1.2, "erfc": 2.0, "rsqrt": 1.6,
}  # fmt: skip
BOUNDS_F64 = {
    "exp": 1.0, "exp2": 1.0, "expm1": 1.4, "sigmoid": 1.9, "tanh": 1.5, "sinh": 1.6, "cosh": 1.4,
    "log": 1.0, "log2": 1.4, "log10": 1.2, "log1p": 1.0, "asinh": 1.2, "acosh": 1.2, "atanh": 1.2,
    "asin": 1.5, "acos": 1.2, "atan": 1.4, "sin": 0.9, "cos": 0.9, "tan": 1.0,
    "erf": 1.2, "erfc": 1.95, "rsqrt": 1.6,
}  # fmt: skip
_NUMPY = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip


def reference(name, x):
    """The function in float64; the error functions by our own, which mpmath checks."""
    with np.errstate(all="ignore"):
        x = x.astype(np.float64)
        if name in ("erf", "erfc"):
            return elementwise(f"{name}_f64", "f64")(x)
        if name == "sigmoid":
            return np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x)))
        if name == "rsqrt":
            return 1 / np.sqrt(x)
        return getattr(np, _NUMPY.get(name, name))(x)


def ulp_f32(got, exact):
    """Errors of float32 results against float64 ones; the range ends as if it went on."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        top = np.float32(2.0**127)  # np.spacing of the largest number overflows
        ulp = np.spacing(np.minimum(np.abs(rounded), top)).astype(np.float64)
        beyond = np.float64(2.0**128)
        wide = np.where(np.isinf(got), np.copysign(beyond, got), got.astype(np.float64))
        error = np.abs(wide - np.clip(exact, -beyond, beyond)) / ulp
    agree = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    error = np.where(agree & ~np.isfinite(exact), 0, error)
    return np.where(np.isnan(got) != np.isnan(exact), np.inf, error)


def edges(dtype):
    """Zeros, infinities, NaN, the smallest and largest numbers, and numbers around 1."""
    info = np.finfo(dtype)
    one = np.array([0, info.smallest_subnormal, info.tiny, info.max, np.inf, 1, 2, 0.5], dtype)
    near = np.nextafter(one, np.array(0.75, dtype))
    return np.concatenate([one, near, -one, -near, np.array([np.nan, -np.nan], dtype)])


def samples_f32():
    """2^20 fixed numbers: 2048 in each of the 512 intervals of sign and exponent, and edges."""
    rng = np.random.default_rng(20)
    mantissas = np.arange(2048, dtype=np.uint32) * 4096 + rng.integers(0, 4096, (512, 2048))
    bits = (np.arange(512, dtype=np.uint32)[:, None] << 23) + mantissas.astype(np.uint32)
    return np.concatenate([bits.ravel().view(np.float32), edges(np.float32)])

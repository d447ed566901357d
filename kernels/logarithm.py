"""float32 logarithms and the inverse hyperbolic functions made of them.

x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3; log(1 + f) is a polynomial. Nothing branches: loops over
these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f32`, reached through `math`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import (
    absolute,
    bits_f32,
    cast_f32,
    copysign,
    fma_f32,
    horner,
    int_f32,
    select,
    sqrt,
)

INLINE = True
_T = np.float32
_0, _1, _2, _HALF = _T(0), _T(1), _T(2), _T(0.5)
_INF, _NAN = _T(np.inf), _T(np.nan)
_TWO_THIRDS, _ONE_BITS, _MANTISSA = np.int32(0x3F2AAAAB), np.int32(0x3F800000), np.int32(23)
_MIN_NORMAL, _LIFT, _LIFTED = _T(2.0**-126), _T(2.0**23), _T(23)
_HUGE = _T(2.0**24)  # from here on 1 + x is x
_FAR = _T(2.0**30)  # from here on sqrt(x^2 + 1) is x
_LN2, _LN2_LO = _T(0.6931472), _T(-1.9046542e-09)
_LOG2E, _LOG2E_LO = _T(1.442695), _T(1.925963e-08)
_LOG10E, _LOG10E_LO = _T(0.4342945), _T(-1.010305e-08)
_LOG10_2, _LOG10_2_LO = _T(0.30103), _T(-1.4320989e-08)

# (log(1 + f) - f + f^2 / 2) / f^3, |f| <= 1/3: 2^-27.59
_LOG = tuple(
    map(
        _T,
        (
            -0.12647147,
            0.14008816,
            -0.122408405,
            0.14000104,
            -0.16676389,
            0.20010835,
            -0.24999888,
            0.33333206,
        ),
    )
)
# (log2(1 + f) - f log2(e)) / f^2: 2^-27.04
_LOG2 = tuple(
    map(
        _T,
        (
            -0.18149456,
            0.2020461,
            -0.17685679,
            0.20199211,
            -0.24056558,
            0.28869438,
            -0.360673,
            0.48089653,
            -0.7213475,
        ),
    )
)
# (log10(1 + f) - f log10(e)) / f^2: 2^-28.80
_LOG10 = tuple(
    map(
        _T,
        (
            -0.0553876,
            0.06084173,
            -0.05303586,
            0.060801186,
            -0.0724364,
            0.086905986,
            -0.1085727,
            0.14476427,
            -0.21714725,
        ),
    )
)


def _exponent(bits):
    """e for the bits of a positive number."""
    return np.int32(np.int32(bits - _TWO_THIRDS) >> _MANTISSA)


def split_f32(x):
    """(f, e): x = 2^e (1 + f) for x > 0, subnormal ones too."""
    tiny = x < _MIN_NORMAL
    bits = int_f32(select(tiny, x * _LIFT, x))
    e = _exponent(bits)
    f = bits_f32(np.int32(bits - np.int32(e << _MANTISSA))) - _1
    return f, cast_f32(e) - select(tiny, _LIFTED, _0)


def _log(f, e, low):
    """log(2^e (1 + f)) + low; what is small is added first."""
    square = f * f
    tail = fma_f32(e, _LN2_LO, fma_f32(square, fma_f32(f, horner(f, _LOG), -_HALF), low))
    return fma_f32(e, _LN2, f + tail)


def _edges(x, y):
    """y, or what a logarithm is at 0, inf, nan and below 0."""
    y = select(x < _INF, y, x)
    y = select(x == _0, -_INF, y)
    return select(x < _0, _NAN, y)


def log_f32(x):
    """Natural logarithm."""
    f, e = split_f32(x)
    return _edges(x, _log(f, e, _0))


def log_sum_f32(x, low):
    """log(x + low) for normal x up to 1, low what the sum lost to rounding: precise near 1."""
    bits = int_f32(x)
    e = _exponent(bits)
    return _log(bits_f32(np.int32(bits - np.int32(e << _MANTISSA))) - _1, cast_f32(e), low)


def log2_f32(x):
    """Logarithm to base 2; exact for powers of 2."""
    f, e = split_f32(x)
    y = fma_f32(f, _LOG2E, fma_f32(f, _LOG2E_LO, f * f * horner(f, _LOG2)))
    return _edges(x, e + y)


def log10_f32(x):
    """Logarithm to base 10."""
    f, e = split_f32(x)
    y = fma_f32(f, _LOG10E, fma_f32(f, _LOG10E_LO, f * f * horner(f, _LOG10)))
    return _edges(x, fma_f32(e, _LOG10_2, fma_f32(e, _LOG10_2_LO, y)))


def _log1p(x, low):
    """log(1 + x + low) for x > -1, where low is what x lost to rounding."""
    u = _1 + x
    bits = int_f32(u)
    e = _exponent(bits)
    shift = np.int32(e << _MANTISSA)
    s = bits_f32(np.int32(_ONE_BITS - shift))  # 2^-e
    f = fma_f32(x, s, s - _1)
    lost = fma_f32(low, s, fma_f32(x, s, (s - _1) - f))
    huge = x > _HUGE
    f = select(huge, bits_f32(np.int32(bits - shift)) - _1, f)
    return _log(f, cast_f32(e), select(huge, _0, lost * (_1 - f)))


def log1p_f32(x):
    """log(1 + x), precise near 0."""
    y = _log1p(x, _0)
    y = select(x < _INF, y, x)
    y = select(x == -_1, -_INF, y)
    y = select(x < -_1, _NAN, y)
    return select(x == _0, x, y)


def asinh_f32(x):
    """log(|x| + sqrt(x^2 + 1)) = log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))."""
    a = absolute(x)
    square = a * a
    rest = square / (_1 + sqrt(_1 + square))
    v = a + rest
    far = a > _FAR
    low = select(far, _0, (a - v) + rest)
    y = _log1p(select(far, a, v), low) + select(far, _LN2, _0)
    return copysign(select(a < _INF, y, a), x)


def acosh_f32(x):
    """log(x + sqrt(x^2 - 1)) = log1p(d + sqrt(d^2 + 2 d)), d = x - 1."""
    d = x - _1
    square = fma_f32(d, d, d + d)
    root = sqrt(square)
    # the rounding error of the root, so that acosh is precise near 1
    error = fma_f32(-root, root, square) / (root + root)
    v = root + d
    far = x > _FAR
    low = select(far | (root == _0), _0, ((root - v) + d) + error)
    y = _log1p(select(far, x, v), low) + select(far, _LN2, _0)
    y = select(x < _INF, y, x)
    return select(x < _1, _NAN, y)


def atanh_f32(x):
    """log1p(2 x / (1 - x)) / 2, the argument as 2 x + 2 x^2 / (1 - x)."""
    a = absolute(x)
    twice = a + a
    rest = twice * a / (_1 - a)
    v = twice + rest
    part = v - twice
    low = (twice - (v - part)) + (rest - part)
    y = _HALF * _log1p(v, select(v < _INF, low, _0))
    y = select(v < _INF, y, v)
    return copysign(select(a > _1, _NAN, y), x)

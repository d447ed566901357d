"""float32 trigonometric functions.

The argument is reduced to a part of a turn in float64 (the one use of it here, and not on CUDA, see
`trig_cuda`): x times those bits of 1 / (2 pi) that matter at its size. Nothing branches: loops over
these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f32`, reached through `math`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import (
    absolute,
    bits_f32,
    cast_f32,
    cast_f64,
    cast_i32,
    fma_f32,
    fma_f64,
    horner,
    int_f32,
    int_f64,
    rint,
    select,
)

INLINE = True
_T = np.float32
_0, _1, _2, _HALF = _T(0), _T(1), _T(2), _T(0.5)
_W = np.float64
_QUARTERS = _W(
    1.5 * 2.0**50
)  # adding it rounds to a quarter and leaves the number of quarters in the low bits
# 1 / (2 pi) less its first 0, 30, 59, 88 bits, as a sum of two: x times those bits is whole turns
# from 2^0, 2^55, 2^84, 2^113 on
_A0, _A1, _A2, _A3 = map(
    _W, (0.15915494309189535, 8.32702869033044e-10, 5.69002518269599e-19, 3.08589082117261e-27)
)
_B0, _B1, _B2, _B3 = map(
    _W,
    (-9.839338337591243e-18, -3.2457026124465296e-26, 4.17071691715206e-35, 2.897178338357036e-44),
)
_FROM_1, _FROM_2, _FROM_3 = _W(2.0**55), _W(2.0**84), _W(2.0**113)
_TAU = _W(6.283185307179586)
_ONE, _TWO, _SIGN = np.int32(1), np.int32(2), np.int32(30)
# (sin(r) / r - 1) / r^2 in r^2, |r| <= pi / 4: 2^-32.24
_SIN = tuple(map(_T, (2.8002546e-06, -0.00019849896, 0.008333372, -0.16666667)))
# (cos(r) - 1 + r^2 / 2) / r^4 in r^2: 2^-33.10
_COS = tuple(map(_T, (2.4432715e-05, -0.0013887312, 0.041666646)))
# (tan(r) / r - 1) / r^2 in r^2: 2^-29.42
_TAN = tuple(
    map(_T, (0.004374879, 9.5818e-05, 0.010827816, 0.021286609, 0.054058757, 0.13332677, 0.3333335))
)


def _reduce(x):
    """(r, low, q): x = r + low + q pi / 2 up to whole turns, |r| <= pi / 4, low below its bits."""
    x = cast_f64(x)
    size = absolute(x)
    a = select(size < _FROM_1, _A0, select(size < _FROM_2, _A1, select(size < _FROM_3, _A2, _A3)))
    b = select(size < _FROM_1, _B0, select(size < _FROM_2, _B1, select(size < _FROM_3, _B2, _B3)))
    high = x * a
    low = fma_f64(x, b, fma_f64(x, a, -high))
    high = high - rint(high)
    near = high + low + _QUARTERS
    turn = (high - (near - _QUARTERS)) + low
    wide = turn * _TAU
    r = cast_f32(wide)
    return r, cast_f32(wide - cast_f64(r)), cast_i32(int_f64(near))


def sin_poly_f32(r):
    """sin(r), |r| <= pi / 4."""
    z = r * r
    return fma_f32(r * z, horner(z, _SIN), r)


def cos_poly_f32(r):
    """cos(r), |r| <= pi / 4."""
    z = r * r
    return fma_f32(z * z, horner(z, _COS), fma_f32(-_HALF, z, _1))


def turn_f32(r, q):
    """sin(r + q pi / 2), |r| <= pi / 4."""
    y = select(np.int32(q & _ONE) != 0, cos_poly_f32(r), sin_poly_f32(r))
    return bits_f32(np.int32(int_f32(y) ^ np.int32(np.int32(q & _TWO) << _SIGN)))


def sin_f32(x):
    """Sine."""
    r, _, q = _reduce(x)
    return select(x == _0, x, turn_f32(r, q))


def cos_f32(x):
    """Cosine."""
    r, _, q = _reduce(x)
    return turn_f32(r, np.int32(q + _ONE))


def tan_f32(x):
    """Tangent."""
    r, low, q = _reduce(x)
    z = r * r
    t = r * z * horner(z, _TAN)
    y = r + t
    lost = ((r - y) + t) + low * fma_f32(y, y, _1)
    y = y + lost
    return select(x == _0, x, select(np.int32(q & _ONE) != 0, -_1 / y, y))

"""float32 inverse trigonometric functions.

Nothing branches: loops over these vectorise. pi / 2 and pi are sums of two numbers.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f32`, reached through `math`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, copysign, fma_f32, horner, int_f32, select, sqrt

INLINE = True
_T = np.float32
_0, _1, _2, _HALF, _INF = _T(0), _T(1), _T(2), _T(0.5), _T(np.inf)
_MIDDLE = _T(0.5625)  # from here on by the half angle
_PIO2, _PIO2_LO, _PI, _PI_LO = _T(1.5707964), _T(-4.371139e-08), _T(3.1415927), _T(-8.742278e-08)
# (asin(x) / x - 1) / x^2 in x^2, |x| <= 0.5625: 2^-28.92
_ASIN = tuple(map(_T, (0.047355723, 0.00685296, 0.033976786, 0.044236563, 0.07502078, 0.16666631)))
# (atan(x) / x - 1) / x^2 in x^2, |x| <= 1: 2^-28.21
_ATAN = tuple(
    map(
        _T,
        (
            -0.0017389732,
            0.01066674,
            -0.030709004,
            0.057478942,
            -0.08374951,
            0.1094222,
            -0.1426229,
            0.1999836,
            -0.33333293,
        ),
    )
)


def _half_asin(a, large):
    """asin(a), or where large half of acos(a)."""
    z = select(large, (_1 - a) * _HALF, a * a)
    s = select(large, sqrt(z), a)
    return fma_f32(s * z, horner(z, _ASIN), s)


def asin_f32(x):
    """asin(x); near 1 pi/2 - 2 asin(sqrt((1 - x) / 2))."""
    a = absolute(x)
    large = a > _MIDDLE
    t = _half_asin(a, large)
    return copysign(select(large, fma_f32(-_2, t, _PIO2) + _PIO2_LO, t), x)


def acos_f32(x):
    """acos(x); near 1 and -1 by the half angle."""
    a = absolute(x)
    large = a > _MIDDLE
    t = _half_asin(a, large)
    near = _PIO2 - (copysign(t, x) - _PIO2_LO)
    far = select(x < _0, _PI - (_2 * t - _PI_LO), _2 * t)
    return select(large, far, near)


def _atan_unit(w):
    """atan of 0 <= w <= 1."""
    z = w * w
    return fma_f32(w * z, horner(z, _ATAN), w)


def atan_f32(x):
    """atan(x); beyond 1 pi/2 - atan(1/x)."""
    a = absolute(x)
    steep = a > _1
    t = _atan_unit(select(steep, _1 / a, a))
    return copysign(select(steep, _PIO2 - (t - _PIO2_LO), t), x)


def atan2_f32(y, x):
    """The angle of the point (x, y)."""
    a, b = absolute(y), absolute(x)
    steep = a > b
    low, high = select(steep, b, a), select(steep, a, b)
    q = select(high == _0, _0, low / high)
    t = _atan_unit(select(low == _INF, _1, q))
    t = select(steep, _PIO2 - (t - _PIO2_LO), t)
    t = select(int_f32(x) < 0, _PI - (t - _PI_LO), t)
    return select((x != x) | (y != y), x + y, copysign(t, y))

"""float64 inverse trigonometric functions.

Nothing branches: loops over these vectorise. pi / 2 and pi are sums of two numbers.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f64`, reached through `math64`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, copysign, fma_f64, horner, int_f64, select, sqrt

INLINE = True
_T = np.float64
_0, _1, _2, _HALF, _INF = _T(0), _T(1), _T(2), _T(0.5), _T(np.inf)
_MIDDLE = _T(0.5625)  # from here on by the half angle
_PIO2, _PIO2_LO, _PI, _PI_LO = (
    _T(1.5707963267948966),
    _T(6.123233995736766e-17),
    _T(3.141592653589793),
    _T(1.2246467991473532e-16),
)
# (asin(x) / x - 1) / x^2 in x^2, |x| <= 0.5625: 2^-57.74
_ASIN = tuple(
    map(
        _T,
        (
            0.059421348431380125,
            -0.07588128057164525,
            0.06776506781383551,
            -0.021192883829810702,
            0.01730897575015244,
            0.007809670377745584,
            0.011855257027425587,
            0.013931347490340938,
            0.017355352294985363,
            0.022372023268977515,
            0.030381949045539956,
            0.04464285705057186,
            0.075000000000936,
            0.16666666666666333,
        ),
    )
)
# (atan(x) / x - 1) / x^2 in x^2, |x| <= 1: 2^-57.40
_ATAN = tuple(
    map(
        _T,
        (
            1.2851805242397334e-05,
            -0.00014841831625624026,
            0.000813964717957847,
            -0.0028355190990207095,
            0.007099985521128468,
            -0.013763346705652345,
            0.021838074673802617,
            -0.02978335206593911,
            0.03656514353516968,
            -0.04215367849911121,
            0.047208494315127504,
            -0.052530783065543436,
            0.058804272191223445,
            -0.06666386806559987,
            0.07692277677819165,
            -0.09090906812665642,
            0.11111110995908832,
            -0.14285714282181675,
            0.19999999999944268,
            -0.3333333333333302,
        ),
    )
)


def _half_asin(a, large):
    """asin(a), or where large half of acos(a)."""
    z = select(large, (_1 - a) * _HALF, a * a)
    s = select(large, sqrt(z), a)
    return fma_f64(s * z, horner(z, _ASIN), s)


def asin_f64(x):
    """asin(x); near 1 pi/2 - 2 asin(sqrt((1 - x) / 2))."""
    a = absolute(x)
    large = a > _MIDDLE
    t = _half_asin(a, large)
    return copysign(select(large, fma_f64(-_2, t, _PIO2) + _PIO2_LO, t), x)


def acos_f64(x):
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
    return fma_f64(w * z, horner(z, _ATAN), w)


def atan_f64(x):
    """atan(x); beyond 1 pi/2 - atan(1/x)."""
    a = absolute(x)
    steep = a > _1
    t = _atan_unit(select(steep, _1 / a, a))
    return copysign(select(steep, _PIO2 - (t - _PIO2_LO), t), x)


def atan2_f64(y, x):
    """The angle of the point (x, y)."""
    a, b = absolute(y), absolute(x)
    steep = a > b
    low, high = select(steep, b, a), select(steep, a, b)
    q = select(high == _0, _0, low / high)
    t = _atan_unit(select(low == _INF, _1, q))
    t = select(steep, _PIO2 - (t - _PIO2_LO), t)
    t = select(int_f64(x) < 0, _PI - (t - _PI_LO), t)
    return select((x != x) | (y != y), x + y, copysign(t, y))

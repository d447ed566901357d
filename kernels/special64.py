"""float64 error functions.

Nothing branches: loops over these vectorise. e^(-a^2) takes the rounding error of a^2 along.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `erf_f64`, `erfc_f64`, reached through `math64`. May import: NumPy, `intrinsics`,
`exponential64`.
"""

import numpy as np

from .exponential64 import EXPM1, reduce_sum_f64, scale_f64
from .intrinsics import absolute, copysign, fma_f64, horner, select

INLINE = True
_T = np.float64
_ERFC_FAR = _T(0.75)
_0, _1, _2 = _T(0), _T(1), _T(2)
_ERFC_ZERO = _T(27.3)
# erf(x) / x - 1 in x^2, |x| <= 1: 2^-56.54
_ERF = tuple(
    map(
        _T,
        (
            6.762801638832501e-11,
            -1.1876555591839105e-09,
            1.4798357234369911e-08,
            -1.6372371891698225e-07,
            1.6463247307130268e-06,
            -1.4925748180206354e-05,
            0.00012055338161400656,
            -0.0008548327199358272,
            0.00522397762924565,
            -0.026866170645631897,
            0.11283791670958783,
            -0.37612638903183876,
            0.1283791670955126,
        ),
    )
)
# a e^(a^2) erfc(a) in (a - 2) / (a + 2), 3/4 <= a <= 27.3: 2^-54.94
_ERFC = tuple(
    map(
        _T,
        (
            -4.348101500775023e-08,
            5.644124590964273e-07,
            -1.2197706950065142e-06,
            -4.2009873273370625e-07,
            1.6612079221676922e-06,
            2.5963715020903996e-06,
            1.058132519076254e-06,
            -8.490841467379672e-06,
            -1.888467844529616e-05,
            6.193994700118314e-06,
            8.931036023841864e-05,
            8.94253842648678e-05,
            -0.00031435147197566817,
            -0.0007501851081884038,
            0.0011266580435673552,
            0.004784898576836938,
            -0.00751573841285335,
            -0.028976446698437342,
            0.12151493052462317,
            -0.20384429592887682,
            0.16721101041410602,
        ),
    )
)
_ERFC_0 = _T(0.5107913526210115)


def _erfc_far(a):
    """e^(-a^2) p(a) / a for a >= 3/4."""
    square = a * a
    shifted, r, low = reduce_sum_f64(-square)
    low = low + fma_f64(-a, a, square)
    w = (a - _2) / (a + _2)
    t = horner(w, _ERFC)
    p = fma_f64(t, w, _ERFC_0)
    p_low = fma_f64(t, w, _ERFC_0 - p)
    inverse = _1 / a
    h = p * inverse
    h_low = (fma_f64(-h, a, p) + p_low) * inverse
    # e + low = e^(r + low) - 1
    q = r * r * horner(r, EXPM1)
    e = r + q
    low = fma_f64(low, _1 + e, (r - e) + q)
    return scale_f64(h + fma_f64(h, e, fma_f64(h, low, h_low)), shifted)


def erf_f64(x):
    """A polynomial up to 1, then 1 - erfc."""
    a = absolute(x)
    near = fma_f64(a, horner(a * a, _ERF), a)
    far = _1 - _erfc_far(select(a > _ERFC_ZERO, _ERFC_ZERO, a))
    return copysign(select(a < _1, near, far), x)


def erfc_f64(x):
    """1 - x - x p(x^2) up to 3/4, then the exponential form."""
    a = absolute(x)
    near = fma_f64(-x, horner(x * x, _ERF), _1 - x)
    far = _erfc_far(select(a > _ERFC_ZERO, _ERFC_ZERO, a))
    return select(a < _ERFC_FAR, near, select(x < _0, _2 - far, far))

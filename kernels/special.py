"""float32 error functions.

Nothing branches: loops over these vectorise. e^(-a^2) takes the rounding error of a^2 along.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `erf_f32`, `erfc_f32`, reached through `math`. May import: NumPy, `intrinsics`,
`exponential`.
"""

import numpy as np

from .exponential import EXPM1, power_of_two_f32, reduce_f32, reduce_sum_f32, scale_f32
from .intrinsics import absolute, copysign, fma_f32, horner, select

INLINE = True
_T = np.float32
_ERFC_FAR = _T(0.75)
_0, _1, _2 = _T(0), _T(1), _T(2)
_ERF_ONE, _ERFC_ZERO = _T(4), _T(10.1)
# erf(x) / x - 1 in x^2, |x| <= 1: 2^-29.54
_ERF = tuple(
    map(
        _T,
        (
            7.919902e-05,
            -0.0008030654,
            0.005190726,
            -0.026855124,
            0.11283618,
            -0.3761263,
            0.12837917,
        ),
    )
)
# -log(erfc(a)), 1 <= a <= 4, times erfc(a): 2^-35.60
_ERF_TAIL = tuple(
    map(
        _T,
        (
            -3.8914305e-07,
            2.723941e-05,
            -0.00047530158,
            0.00432094,
            -0.02545266,
            0.10874087,
            0.6329591,
            1.1296968,
            -0.00021116555,
        ),
    )
)
# a e^(a^2) erfc(a) in (a - 1) / (a + 1), 3/4 <= a <= 10.1: 2^-28.79
_ERFC = tuple(
    map(
        _T,
        (
            0.003598085,
            -0.0063973903,
            4.2923773e-05,
            -0.003259905,
            0.004169743,
            0.017510487,
            0.019646112,
            -0.04082401,
            -0.16661854,
            0.30874312,
        ),
    )
)
_ERFC_0 = _T(0.42758358)


def erf_f32(x):
    """A polynomial up to 1, then 1 - e^-p(|x|)."""
    a = absolute(x)
    near = fma_f32(a, horner(a * a, _ERF), a)
    shifted, r = reduce_f32(-horner(select(a > _ERF_ONE, _ERF_ONE, a), _ERF_TAIL))
    e = fma_f32(r * r, horner(r, EXPM1), r) + _1
    far = _1 - e * power_of_two_f32(shifted)
    return copysign(select(a < _1, near, far), x)


def _erfc_far(a):
    """e^(-a^2) p(a) / a for a >= 3/4."""
    square = a * a
    shifted, r, low = reduce_sum_f32(-square)
    low = low + fma_f32(-a, a, square)
    w = (a - _1) / (a + _1)
    t = horner(w, _ERFC)
    p = fma_f32(t, w, _ERFC_0)
    p_low = fma_f32(t, w, _ERFC_0 - p)
    inverse = _1 / a
    h = p * inverse
    h_low = (fma_f32(-h, a, p) + p_low) * inverse
    # e + low = e^(r + low) - 1
    q = r * r * horner(r, EXPM1)
    e = r + q
    low = fma_f32(low, _1 + e, (r - e) + q)
    return scale_f32(h + fma_f32(h, e, fma_f32(h, low, h_low)), shifted)


def erfc_f32(x):
    """1 - x - x p(x^2) up to 3/4, then the exponential form."""
    a = absolute(x)
    near = fma_f32(-x, horner(x * x, _ERF), _1 - x)
    far = _erfc_far(select(a > _ERFC_ZERO, _ERFC_ZERO, a))
    return select(a < _ERFC_FAR, near, select(x < _0, _2 - far, far))

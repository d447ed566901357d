"""float64 powers: pow, its logarithm as a sum of two numbers, and 1 / sqrt.

Nothing branches: loops over these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `pow_f64`, `rsqrt_f64`, reached through `math64`. May import: NumPy, `intrinsics`,
`exponential64`, `logarithm64`.
"""

import numpy as np

from .exponential64 import exp2_sum_f64
from .intrinsics import absolute, fma_f64, horner, int_f64, select, sqrt, trunc
from .logarithm64 import split_f64

INLINE = True
_T = np.float64
_0, _1, _2, _HALF, _INF, _NAN = map(_T, (0, 1, 2, 0.5, np.inf, np.nan))
_Y_LOW, _Y_HIGH = _T(-(2.0**66)), _T(2.0**66)  # beyond, every x but 1 over- or underflows
_P_LOW, _P_HIGH = _T(-1100), _T(1100)
_SCALE, _SCALE_LO = _T(2.8853900817779268), _T(4.0710547481862066e-17)  # 2 / ln2
_THIRD, _THIRD_LO = _T(0.3333333333333333), _T(1.850371707708594e-17)
# (atanh(s) / s - 1 - z / 3) / z^2 in z = s^2, |s| <= 1/5: 2^-76.57
_POW_TAIL = tuple(
    map(
        _T,
        (
            1.2031912510662512,
            -0.23694127424399763,
            0.07726572794025874,
            0.05083218135528103,
            0.058892628586126095,
            0.06666492204434817,
            0.0769231060571137,
            0.0909090905940125,
            0.11111111111320017,
            0.1428571428571353,
            0.2,
        ),
    )
)


def _log2_sum(f, e):
    """e + log2(1 + f) as a sum of two, good to 2^-64: 2 atanh(s) / ln2 with s = f / (2 + f)."""
    d = _2 + f
    inverse = _1 / d
    s = f * inverse
    s_low = (fma_f64(-s, d, f) - s * (f - (d - _2))) * inverse
    z = s * s
    z_low = fma_f64(s, s, -z) + _2 * s * s_low
    # w = 1/3 + z tail(z), c = s z, t = c w: atanh(s) = s + t
    tail = z * horner(z, _POW_TAIL)
    w = _THIRD + tail
    w_low = ((_THIRD - w) + tail) + _THIRD_LO
    c = s * z
    c_low = fma_f64(s, z, -c) + fma_f64(s, z_low, s_low * z)
    t = c * w
    t_low = fma_f64(c, w, -t) + fma_f64(c, w_low, c_low * w)
    a = s + t
    a_low = ((s - a) + t) + (s_low + t_low)
    b = a * _SCALE
    b_low = fma_f64(a, _SCALE, -b) + fma_f64(a, _SCALE_LO, a_low * _SCALE)
    high = e + b
    part = high - e
    return high, ((e - (high - part)) + (b - part)) + b_low


def pow_f64(x, y):
    """x to the power y as IEEE says: 2^(y log2|x|), then the cases of 0, inf, nan and the sign."""
    a = absolute(x)
    f, e = split_f64(a)
    high, low = _log2_sum(f, e)
    n = select(y < _Y_LOW, _Y_LOW, y)
    n = select(n > _Y_HIGH, _Y_HIGH, n)
    p = n * high
    p_low = fma_f64(n, high, -p) + n * low
    inside = (p > _P_LOW) & (p < _P_HIGH)
    p_low = select(inside, p_low, _0)
    p = select(p < _P_LOW, _P_LOW, p)
    p = select(p > _P_HIGH, _P_HIGH, p)
    return power_edges_f64(x, y, exp2_sum_f64(p, p_low))


def power_edges_f64(x, y, r):
    """x^y, where r is |x|^y for ordinary |x|."""
    a = absolute(x)
    infinite = (a == _INF) == (y > _0)
    r = select((a == _0) | (a == _INF), select(infinite, _INF, _0), r)
    half = y * _HALF
    whole = trunc(y) == y
    odd = whole & (trunc(half) != half)
    r = select((int_f64(x) < 0) & odd, -r, r)
    r = select((x < _0) & (a < _INF) & (whole == (y != y)), _NAN, r)
    r = select((x != x) | (y != y), x + y, r)
    return select((y == _0) | (x == _1), _1, r)


def rsqrt_f64(x):
    """1 / sqrt(x)."""
    return _1 / sqrt(x)

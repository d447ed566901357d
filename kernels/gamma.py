"""float32 gamma functions and the inverse error function.

Accuracy: erfinv 2 units in the last place; the others, which have zeros off the integers, a few
units of the largest term. polygamma wants an order below 200 and x > -1000, else it is NaN. All
but polygamma vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `erfinv_f32`, `lgamma_f32`, `digamma_f32`, `polygamma_f32`, reached through
`math`. May import: NumPy, `intrinsics`, `logarithm`, `power`, `trig`.
"""

import numpy as np

from .intrinsics import Table, absolute, copysign, fma_f32, horner, lookup, rint, select, sqrt
from .logarithm import log_f32
from .power import pow_f32
from .trig import sin_f32, tan_f32

INLINE = True
_T = np.float32
_0, _1, _2, _HALF, _INF, _NAN = map(_T, (0, 1, 2, 0.5, np.inf, np.nan))
_PI, _HALF_LOG_TAU = _T(np.pi), _T(0.9189385332046728)
_NEAR, _CENTRE_0, _CENTRE_1 = map(_T, (5, 2.5, 3.125))
_ONE_HALF, _THREE_HALVES, _FIVE_HALVES, _EIGHT, _STIRLING_FROM = map(_T, (0.5, 1.5, 2.5, 8, 8.5))
_ZETA_FROM, _TINY = _T(12), _T(2.0**-60)  # gamma(x) is 1 / x below it
_POLY_LOWEST, _POLY_ORDER = _T(-1000), _T(200)  # the sum is taken term by term
# B_2j / (2 j)!: the Euler-Maclaurin sum of the zeta function
_ZETA = Table(
    map(_T, (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000))
)
# erfinv(x) / x, w = -log(1 - x^2): in w - 2.5 up to 5: 2^-24.57
_ERFINV_0 = tuple(
    map(
        _T,
        (
            -1.2657057e-10,
            -8.687029e-09,
            2.6179203e-08,
            4.6463032e-07,
            -3.4870513e-06,
            -4.955589e-06,
            0.00021843145,
            -0.0012527569,
            -0.0041775135,
            0.2466403,
            1.5014094,
        ),
    )
)
# in sqrt(w) - 3.125 beyond: 2^-26.27
_ERFINV_1 = tuple(
    map(
        _T,
        (
            0.00011514002,
            -0.00017965188,
            -0.00030059266,
            0.0013190046,
            -0.0025326058,
            0.0037782397,
            -0.0052989507,
            0.0070493976,
            1.0037186,
            2.9583201,
        ),
    )
)
# lgamma(2 + w) / w, |w| <= 1/2: 2^-25.92
_LGAMMA = tuple(
    map(
        _T,
        (
            0.00076207414,
            0.00059351104,
            -0.00039690896,
            -0.0006643255,
            0.00062927906,
            -0.0010824708,
            0.0028781875,
            -0.0073975874,
            0.020581298,
            -0.067351766,
            0.32246703,
            0.42278433,
        ),
    )
)
# x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) in x^-2, x >= 8.4: 2^-33.74
_STIRLING = tuple(map(_T, (0.0008095528, -0.0027782777, 0.083333336)))
# x^2 (log(x) - 1 / (2 x) - digamma(x)) in x^-2, x >= 8: 2^-37.50
_DIGAMMA = tuple(map(_T, (0.0038305866, -0.008331852, 0.08333333)))


def erfinv_f32(x):
    """The inverse of erf on [-1, 1]."""
    w = -log_f32((_1 - x) * (_1 + x))
    root = sqrt(w)
    near = horner(w - _CENTRE_0, _ERFINV_0)
    tail = horner(root - _CENTRE_1, _ERFINV_1)
    y = x * select(w < _NEAR, near, tail)
    return select(absolute(x) == _1, copysign(_INF, x), y)


def _shifted(a):
    """(w, p, up): |w| <= 1/2, gamma(a) = gamma(2 + w) p, or / p where up, for 0 < a < 8.5."""
    y = a
    p = _1
    for _ in range(6):
        large = y > _FIVE_HALVES
        y = select(large, y - _1, y)
        p = select(large, p * y, p)
    up = a < _THREE_HALVES
    tiny = a < _ONE_HALF
    w = select(up, select(tiny, a, a - _1), y - _2)
    return w, select(up, select(tiny, a * (a + _1), a), p), up


def lgamma_f32(x):
    """log|gamma(x)|; below 0 by reflection."""
    a = absolute(x)
    w, p, up = _shifted(a)
    large = a > _STIRLING_FROM
    log = log_f32(select(large, a, p))
    near = fma_f32(w, horner(w, _LGAMMA), select(up, -log, log))
    inverse = _1 / a
    rest = fma_f32(inverse, horner(inverse * inverse, _STIRLING), _HALF_LOG_TAU - _HALF)
    far = fma_f32(a - _HALF, log - _1, rest)
    value = select(large, far, near)
    fraction = a - rint(a)
    reflected = log_f32(_PI / absolute(a * sin_f32(fraction * _PI))) - value
    value = select(x < -_TINY, reflected, value)
    return select((a == _INF) | ((x < _0) & (fraction == _0)), _INF, value)


def digamma_f32(x):
    """The derivative of lgamma: up to 8 by recurrence, below 0 by reflection."""
    negative = x < _0
    y = select(negative, _1 - x, x)
    n, d = _0, _1  # the sum of 1 / (y + k) is n / d
    for _ in range(8):
        small = y < _EIGHT
        n = select(small, fma_f32(n, y, d), n)
        d = select(small, d * y, d)
        y = select(small, y + _1, y)
    inverse = _1 / y
    z = inverse * inverse
    value = log_f32(y) - (fma_f32(z, horner(z, _DIGAMMA), _HALF * inverse) + n / d)
    fraction = x - rint(x)
    value = select(negative, value - _PI / tan_f32(fraction * _PI), value)
    value = select(negative & (fraction == _0), _NAN, value)
    value = select(x == _0, -copysign(_INF, x), value)
    return select(x == _INF, _INF, value)


def polygamma_f32(n, x):
    """Derivative n of digamma: (-1)^(n+1) n! times the sum of (x + k)^-(n+1) over k >= 0."""
    if n == _0:
        return digamma_f32(x)
    if not (_POLY_LOWEST < x and _0 < n and n < _POLY_ORDER and rint(n) == n):
        return _NAN
    if x == _INF:
        return _0
    if x <= _0 and rint(x) == x:
        return _INF if rint(n * _HALF) * _2 != n else _NAN
    s = n + _1
    factor = _1
    k = _1
    while k <= n:
        factor = factor * -k
        k = k + _1
    total = _0
    y = x
    while y < _ZETA_FROM + n:
        total = total + pow_f32(y, -s)
        y = y + _1
    power = pow_f32(y, -s)
    total = total + power * (y / n + _HALF)
    term = power * s / y
    j = s
    for i in range(6):
        total = fma_f32(lookup(_ZETA, i), term, total)
        term = term * (j + _1) * (j + _2) / (y * y)
        j = j + _2
    return -factor * total

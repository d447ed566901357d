"""float64 gamma functions and the inverse error function.

Accuracy: erfinv 2 units in the last place; the others, which have zeros off the integers, a few
units of the largest term. polygamma wants an order below 200 and x > -1000, else it is NaN. All
but polygamma vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `erfinv_f64`, `lgamma_f64`, `digamma_f64`, `polygamma_f64`, reached through
`math64`. May import: NumPy, `intrinsics`, `logarithm64`, `power64`, `trig64`.
"""

import numpy as np

from .intrinsics import Table, absolute, copysign, fma_f64, horner, lookup, rint, select, sqrt
from .logarithm64 import log_f64
from .power64 import pow_f64
from .trig64 import sin_f64, tan_f64

INLINE = True
_T = np.float64
_0, _1, _2, _HALF, _INF, _NAN = map(_T, (0, 1, 2, 0.5, np.inf, np.nan))
_PI, _HALF_LOG_TAU = _T(np.pi), _T(0.9189385332046728)
_NEAR, _FAR, _CENTRE_0, _CENTRE_1, _CENTRE_2 = map(_T, (5, 16, 2.5, 3.125, 5))
_ONE_HALF, _THREE_HALVES, _FIVE_HALVES, _EIGHT, _STIRLING_FROM = map(_T, (0.5, 1.5, 2.5, 8, 8.5))
_ZETA_FROM, _TINY = _T(20), _T(2.0**-60)  # gamma(x) is 1 / x below it
_POLY_LOWEST, _POLY_ORDER = _T(-1000), _T(200)  # the sum is taken term by term
# B_2j / (2 j)!: the Euler-Maclaurin sum of the zeta function
_ZETA = Table(
    map(_T, (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000))
)
# erfinv(x) / x, w = -log(1 - x^2): in w - 2.5 up to 5: 2^-54.36
_ERFINV_0 = tuple(
    map(
        _T,
        (
            -2.9259553364675834e-21,
            -8.905972614966143e-20,
            2.735695928667182e-19,
            5.634886137948566e-18,
            -2.841476807519794e-17,
            -1.4797685575171758e-16,
            1.9105287567087407e-15,
            -2.7797412708156335e-15,
            -7.620163217874879e-14,
            5.350661060609869e-13,
            9.118291331431273e-13,
            -3.1100709652260893e-11,
            1.196063905820555e-10,
            9.072986712283972e-10,
            -1.0861168085233585e-08,
            1.341681142060823e-08,
            4.787252178092373e-07,
            -3.4166196037789117e-06,
            -4.99607959854628e-06,
            0.000218250264347835,
            -0.0012527079078110761,
            -0.004177317724384536,
            0.246640276744167,
            1.501409351110792,
        ),
    )
)
# in sqrt(w) - 3.125 up to 16: 2^-54.47
_ERFINV_1 = tuple(
    map(
        _T,
        (
            8.057461584710776e-10,
            -2.174424713617287e-09,
            3.3636689294836954e-10,
            1.2486099180963436e-08,
            -3.952740273296391e-08,
            3.5438136587461236e-08,
            1.2803901102698804e-07,
            -5.381923946408371e-07,
            7.530652655592292e-07,
            8.915228405671363e-07,
            -6.273167664731341e-06,
            1.1404238634195498e-05,
            2.1847190975632885e-06,
            -5.885322322128188e-05,
            0.0001361048299512816,
            -8.955318607145768e-05,
            -0.0003286621659967931,
            0.0012606698759224184,
            -0.0025198826921868467,
            0.003794420015476323,
            -0.0053010106084711356,
            0.0070478844178053215,
            1.0037186917979248,
            2.958320150240462,
        ),
    )
)
# in sqrt(w) - 5 beyond: 2^-55.71
_ERFINV_2 = tuple(
    map(
        _T,
        (
            5.728148744352112e-12,
            -2.1374416498891978e-11,
            1.5506211157956035e-11,
            7.428491970205777e-11,
            -3.823993376116101e-10,
            1.3064704097212624e-09,
            -3.532334531320743e-09,
            7.8319508056671e-09,
            -1.5214819398793004e-08,
            2.9011740465887522e-08,
            -6.757231556982512e-08,
            2.2905556721870555e-07,
            -9.930255753920183e-07,
            4.526051881717314e-06,
            -1.9681771190271724e-05,
            7.599527817872911e-05,
            -0.00021503011979895914,
            -0.00013871931838488645,
            1.0103004648645448,
            4.849906401408584,
        ),
    )
)
# lgamma(2 + w) / w, |w| <= 1/2: 2^-56.24
_LGAMMA = tuple(
    map(
        _T,
        (
            3.0309931081237675e-06,
            -1.93185307860234e-07,
            -4.440668955979683e-06,
            3.29309885948435e-07,
            2.696791314313182e-06,
            4.560034518501448e-08,
            -1.4598565855921465e-06,
            1.0105585010456665e-06,
            -1.809662475038495e-06,
            4.3634461684488565e-06,
            -9.473533708700722e-06,
            2.050871926522773e-05,
            -4.49229213101674e-05,
            9.945738580821274e-05,
            -0.00022315496620808035,
            0.0005096695313608879,
            -0.0011927539037313876,
            0.0028905103305432857,
            -0.007385551028844388,
            0.020580808427787492,
            -0.06735230105319641,
            0.3224670334241132,
            0.42278433509846713,
        ),
    )
)
# x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) in x^-2, x >= 8.4: 2^-64.36
_STIRLING = tuple(
    map(
        _T,
        (
            0.005062655108801521,
            -0.0018895955463208384,
            0.0008414430035257727,
            -0.0005952362219948134,
            0.0007936507875833638,
            -0.002777777777768573,
            0.08333333333333333,
        ),
    )
)
# x^2 (log(x) - 1 / (2 x) - digamma(x)) in x^-2, x >= 8: 2^-70.09
_DIGAMMA = tuple(
    map(
        _T,
        (
            -0.28730867428593326,
            0.07929611187017231,
            -0.021033492495449967,
            0.007575241851671067,
            -0.004166664031877209,
            0.0039682539607976295,
            -0.008333333333323187,
            0.08333333333333333,
        ),
    )
)


def erfinv_f64(x):
    """The inverse of erf on [-1, 1]."""
    w = -log_f64((_1 - x) * (_1 + x))
    root = sqrt(w)
    near = horner(w - _CENTRE_0, _ERFINV_0)
    tail = horner(root - _CENTRE_1, _ERFINV_1)
    tail = select(w > _FAR, horner(root - _CENTRE_2, _ERFINV_2), tail)
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


def lgamma_f64(x):
    """log|gamma(x)|; below 0 by reflection."""
    a = absolute(x)
    w, p, up = _shifted(a)
    large = a > _STIRLING_FROM
    log = log_f64(select(large, a, p))
    near = fma_f64(w, horner(w, _LGAMMA), select(up, -log, log))
    inverse = _1 / a
    rest = fma_f64(inverse, horner(inverse * inverse, _STIRLING), _HALF_LOG_TAU - _HALF)
    far = fma_f64(a - _HALF, log - _1, rest)
    value = select(large, far, near)
    fraction = a - rint(a)
    reflected = log_f64(_PI / absolute(a * sin_f64(fraction * _PI))) - value
    value = select(x < -_TINY, reflected, value)
    return select((a == _INF) | ((x < _0) & (fraction == _0)), _INF, value)


def digamma_f64(x):
    """The derivative of lgamma: up to 8 by recurrence, below 0 by reflection."""
    negative = x < _0
    y = select(negative, _1 - x, x)
    n, d = _0, _1  # the sum of 1 / (y + k) is n / d
    for _ in range(8):
        small = y < _EIGHT
        n = select(small, fma_f64(n, y, d), n)
        d = select(small, d * y, d)
        y = select(small, y + _1, y)
    inverse = _1 / y
    z = inverse * inverse
    value = log_f64(y) - (fma_f64(z, horner(z, _DIGAMMA), _HALF * inverse) + n / d)
    fraction = x - rint(x)
    value = select(negative, value - _PI / tan_f64(fraction * _PI), value)
    value = select(negative & (fraction == _0), _NAN, value)
    value = select(x == _0, -copysign(_INF, x), value)
    return select(x == _INF, _INF, value)


def polygamma_f64(n, x):
    """Derivative n of digamma: (-1)^(n+1) n! times the sum of (x + k)^-(n+1) over k >= 0."""
    if n == _0:
        return digamma_f64(x)
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
        total = total + pow_f64(y, -s)
        y = y + _1
    power = pow_f64(y, -s)
    total = total + power * (y / n + _HALF)
    term = power * s / y
    j = s
    for i in range(6):
        total = fma_f64(lookup(_ZETA, i), term, total)
        term = term * (j + _1) * (j + _2) / (y * y)
        j = j + _2
    return -factor * total

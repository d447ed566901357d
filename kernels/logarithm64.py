"""float64 logarithms and the inverse hyperbolic functions made of them.

x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3; log(1 + f) is a polynomial. Nothing branches: loops over
these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f64`, reached through `math64`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, bits_f64, copysign, fma_f64, horner, int_f64, select, sqrt

INLINE = True
_T = np.float64
_0, _1, _2, _HALF = _T(0), _T(1), _T(2), _T(0.5)
_INF, _NAN = _T(np.inf), _T(np.nan)
_TWO_THIRDS, _ONE_BITS, _MANTISSA = (
    np.int64(0x3FE5555555555555),
    np.int64(0x3FF0000000000000),
    np.int64(52),
)
_MIN_NORMAL, _LIFT, _LIFTED = _T(2.0**-1022), _T(2.0**52), _T(52)
_HUGE = _T(2.0**53)  # from here on 1 + x is x
_FAR = _T(2.0**500)  # from here on sqrt(x^2 + 1) is x
_LN2, _LN2_LO = _T(0.6931471805599453), _T(2.3190468138462996e-17)
_LOG2E, _LOG2E_LO = _T(1.4426950408889634), _T(2.0355273740931033e-17)
_LOG10E, _LOG10E_LO = _T(0.4342944819032518), _T(1.098319650216765e-17)
_LOG10_2, _LOG10_2_LO = _T(0.3010299956639812), _T(-2.8037281277851704e-18)
_FIELD, _BIAS = np.int64(0x7FF), np.int64(1023)
_MAGIC, _MAGIC_BITS = _T(1.5 * 2.0**52), np.int64(0x4338000000000000)

# (log(1 + f) - f + f^2 / 2) / f^3, |f| <= 1/3: 2^-59.27
_LOG = tuple(
    map(
        _T,
        (
            -0.08126579319017417,
            0.08500777823378876,
            -0.03958893855660976,
            0.0417466658167526,
            -0.05717500358305541,
            0.06051984976258934,
            -0.06234717216478826,
            0.06650620047370145,
            -0.07143770742839387,
            0.07693269935913283,
            -0.08333298660826874,
            0.090908724211132,
            -0.10000000809786731,
            0.11111111972466045,
            -0.12499999989181035,
            0.14285714274108977,
            -0.16666666666737878,
            0.20000000000077428,
            -0.2499999999999984,
            0.33333333333333154,
        ),
    )
)
# (log2(1 + f) - f log2(e)) / f^2: 2^-58.73
_LOG2 = tuple(
    map(
        _T,
        (
            -0.11678921540631969,
            0.12263406404690202,
            -0.057389857932919904,
            0.06023128907467177,
            -0.08241396035328487,
            0.08731080871652125,
            -0.08995862939737831,
            0.09594828561803835,
            -0.10306184760421488,
            0.11099041386501327,
            -0.12022414399253148,
            0.1311535661117884,
            -0.1442695136142061,
            0.16029946139777418,
            -0.1803368800051373,
            0.20609929138844685,
            -0.2404491734818524,
            0.28853900817890676,
            -0.36067376022224296,
            0.4808983469629852,
            -0.7213475204444817,
        ),
    )
)
# (log10(1 + f) - f log10(e)) / f^2: 2^-60.38
_LOG10 = tuple(
    map(
        _T,
        (
            -0.03505221548145646,
            0.03691383739593775,
            -0.017339816796732424,
            0.018132973485812304,
            -0.024792352218924816,
            0.026282792064866677,
            -0.027082721349857182,
            0.02888336403044067,
            -0.031024480391152156,
            0.03341143946937327,
            -0.036191086897831376,
            0.039481157663757066,
            -0.04342945055568608,
            0.04825494616225927,
            -0.054286810217688296,
            0.06204206879314954,
            -0.0723824136504933,
            0.08685889638098443,
            -0.10857362047581463,
            0.14476482730108317,
            -0.2171472409516259,
        ),
    )
)


def _exponent(bits):
    """e for the bits of a positive number, shifted without a sign: AVX2 can't for int64."""
    biased = np.int64(np.int64(bits + np.int64(_ONE_BITS - _TWO_THIRDS)) >> _MANTISSA) & _FIELD
    return np.int64(biased - _BIAS)


def _to_float(e):
    """A small int64 as float64 through the bits of 2^52 + 2^51 + e; AVX2 has no conversion."""
    return bits_f64(np.int64(e + _MAGIC_BITS)) - _MAGIC


def split_f64(x):
    """(f, e): x = 2^e (1 + f) for x > 0, subnormal ones too."""
    tiny = x < _MIN_NORMAL
    bits = int_f64(select(tiny, x * _LIFT, x))
    e = _exponent(bits)
    f = bits_f64(np.int64(bits - np.int64(e << _MANTISSA))) - _1
    return f, _to_float(e) - select(tiny, _LIFTED, _0)


def _log(f, e, low):
    """log(2^e (1 + f)) + low; what is small is added first."""
    square = f * f
    tail = fma_f64(e, _LN2_LO, fma_f64(square, fma_f64(f, horner(f, _LOG), -_HALF), low))
    return fma_f64(e, _LN2, f + tail)


def _edges(x, y):
    """y, or what a logarithm is at 0, inf, nan and below 0."""
    y = select(x < _INF, y, x)
    y = select(x == _0, -_INF, y)
    return select(x < _0, _NAN, y)


def log_f64(x):
    """Natural logarithm."""
    f, e = split_f64(x)
    return _edges(x, _log(f, e, _0))


def log2_f64(x):
    """Logarithm to base 2; exact for powers of 2."""
    f, e = split_f64(x)
    y = fma_f64(f, _LOG2E, fma_f64(f, _LOG2E_LO, f * f * horner(f, _LOG2)))
    return _edges(x, e + y)


def log10_f64(x):
    """Logarithm to base 10."""
    f, e = split_f64(x)
    y = fma_f64(f, _LOG10E, fma_f64(f, _LOG10E_LO, f * f * horner(f, _LOG10)))
    return _edges(x, fma_f64(e, _LOG10_2, fma_f64(e, _LOG10_2_LO, y)))


def _log1p(x, low):
    """log(1 + x + low) for x > -1, where low is what x lost to rounding."""
    u = _1 + x
    bits = int_f64(u)
    e = _exponent(bits)
    shift = np.int64(e << _MANTISSA)
    s = bits_f64(np.int64(_ONE_BITS - shift))  # 2^-e
    f = fma_f64(x, s, s - _1)
    lost = fma_f64(low, s, fma_f64(x, s, (s - _1) - f))
    huge = x > _HUGE
    f = select(huge, bits_f64(np.int64(bits - shift)) - _1, f)
    return _log(f, _to_float(e), select(huge, _0, lost * (_1 - f)))


def log1p_f64(x):
    """log(1 + x), precise near 0."""
    y = _log1p(x, _0)
    y = select(x < _INF, y, x)
    y = select(x == -_1, -_INF, y)
    y = select(x < -_1, _NAN, y)
    return select(x == _0, x, y)


def asinh_f64(x):
    """log(|x| + sqrt(x^2 + 1)) = log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))."""
    a = absolute(x)
    square = a * a
    rest = square / (_1 + sqrt(_1 + square))
    v = a + rest
    far = a > _FAR
    low = select(far, _0, (a - v) + rest)
    y = _log1p(select(far, a, v), low) + select(far, _LN2, _0)
    return copysign(select(a < _INF, y, a), x)


def acosh_f64(x):
    """log(x + sqrt(x^2 - 1)) = log1p(d + sqrt(d^2 + 2 d)), d = x - 1."""
    d = x - _1
    square = fma_f64(d, d, d + d)
    root = sqrt(square)
    # the rounding error of the root, so that acosh is precise near 1
    error = fma_f64(-root, root, square) / (root + root)
    v = root + d
    far = x > _FAR
    low = select(far | (root == _0), _0, ((root - v) + d) + error)
    y = _log1p(select(far, x, v), low) + select(far, _LN2, _0)
    y = select(x < _INF, y, x)
    return select(x < _1, _NAN, y)


def atanh_f64(x):
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

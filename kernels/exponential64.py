"""float64 exponentials and the hyperbolic functions made of them.

x = n ln2 + r with |r| <= ln2 / 2; exp(r) is a polynomial; the factor 2^n is written into the
exponent bits in two halves, so that overflow and subnormal results round once. Nothing branches:
loops over these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f64`, reached through `math64`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, bits_f64, copysign, fma_f64, horner, int_f64, select

INLINE = True
_T = np.float64
_0, _1, _2, _HALF, _QUARTER = _T(0), _T(1), _T(2), _T(0.5), _T(0.25)
_MAGIC = _T(1.5 * 2.0**52)  # adding it rounds to an integer and leaves that in the low bits
_ONE_BITS, _MANTISSA = np.int64(0x3FF0000000000000), np.int64(52)
_54_BITS = np.int64((1023 + 54) << 52)  # of 2^54
_LOG2E, _LN2, _LN2_LO = _T(1.4426950408889634), _T(0.6931471805599453), _T(2.3190468138462996e-17)
_EXP_LOW, _EXP_HIGH = _T(-746), _T(710)
_EXP2_LOW, _EXP2_HIGH = _T(-1076), _T(1025)
_EXPM1_LOW, _TOP = _T(-40), _T(1023)
_CHORD = _T(1.47)
_SINH_HIGH, _TANH_ONE, _TANH_SMALL = _T(711), _T(19.1), _T(0.6)

# (exp(r) - 1 - r) / r^2, |r| <= ln2 / 2: 2^-63.84
EXPM1 = tuple(
    map(
        _T,
        (
            2.092192599729662e-09,
            2.5112974520318452e-08,
            2.7557251418525806e-07,
            2.755723208455656e-06,
            2.480158734953298e-05,
            0.00019841269899277967,
            0.0013888888888873197,
            0.008333333333315802,
            0.041666666666666685,
            0.16666666666666685,
            0.5,
        ),
    )
)
_EXP = (*EXPM1, _1, _1)
_EXP_54 = tuple(c * _T(2.0**-54) for c in _EXP)
# 2^r, |r| <= 1/2: 2^-59.42
_EXP2 = tuple(
    map(
        _T,
        (
            2.551622817412896e-11,
            4.465566862098615e-10,
            7.055064418414828e-09,
            1.0177985498492046e-07,
            1.3215486312772803e-06,
            1.5252734037022494e-05,
            0.000154035303940562,
            0.0013333558146164316,
            0.009618129107628048,
            0.055504108664822936,
            0.24022650695910072,
            0.6931471805599453,
            1.0,
        ),
    )
)
# (tanh(x) / x - 1) / x^2 in x^2, |x| <= 0.6: 2^-57.63
_TANH = tuple(
    map(
        _T,
        (
            -1.7147197974122546e-05,
            7.925080768712796e-05,
            -0.00023034211281715037,
            0.0005871615762103712,
            -0.001455207171807852,
            0.003592035768022624,
            -0.00886322657317581,
            0.021869487986351344,
            -0.0539682539485426,
            0.13333333333297875,
            -0.3333333333333311,
        ),
    )
)
# (sinh(x) / x - 1) / x^2 in x^2, |x| <= 1: 2^-61.52
_SINH = tuple(
    map(
        _T,
        (
            7.765916630596675e-13,
            1.6056999965204122e-10,
            2.5052126861989364e-08,
            2.7557319130352524e-06,
            0.00019841269841531245,
            0.00833333333333297,
            0.16666666666666669,
        ),
    )
)


def power_of_two_f64(shifted):
    """2^n for n = shifted - _MAGIC, a normal number."""
    return bits_f64(np.int64(np.int64(np.int64(int_f64(shifted)) << _MANTISSA) + _ONE_BITS))


def scale_f64(x, shifted):
    """x * 2^n for n = shifted - _MAGIC, also where 2^n over- or underflows."""
    half = fma_f64(shifted - _MAGIC, _HALF, _MAGIC)
    rest = np.int64(np.int64(int_f64(shifted) - int_f64(half)) << _MANTISSA)
    return x * power_of_two_f64(half) * bits_f64(np.int64(rest + _ONE_BITS))


def reduce_f64(x):
    """(shifted, r): x = n ln2 + r with n = shifted - _MAGIC."""
    shifted = fma_f64(x, _LOG2E, _MAGIC)
    n = shifted - _MAGIC
    return shifted, fma_f64(-n, _LN2_LO, fma_f64(-n, _LN2, x))


def reduce_sum_f64(x):
    """(shifted, r, low): the same with r + low in place of r."""
    shifted = fma_f64(x, _LOG2E, _MAGIC)
    n = shifted - _MAGIC
    first, second = fma_f64(-n, _LN2, x), -n * _LN2_LO
    r = first + second
    return shifted, r, (first - r) + second


def exp_f64(x):
    """e^x."""
    x = select(x < _EXP_LOW, _EXP_LOW, x)
    x = select(x > _EXP_HIGH, _EXP_HIGH, x)
    shifted, r = reduce_f64(x)
    return scale_f64(horner(r, _EXP), shifted)


def exp_nonpositive_f64(x):
    """e^x for x <= 0 or NaN, bit for bit: 2^n may be subnormal, but 2^(n + 54) is a number."""
    shifted, r = reduce_f64(select(x < _EXP_LOW, _EXP_LOW, x))
    power = np.int64(np.int64(np.int64(int_f64(shifted)) << _MANTISSA) + _54_BITS)
    return horner(r, _EXP_54) * bits_f64(power)


def exp2_f64(x):
    """2^x."""
    x = select(x < _EXP2_LOW, _EXP2_LOW, x)
    x = select(x > _EXP2_HIGH, _EXP2_HIGH, x)
    shifted = x + _MAGIC
    return scale_f64(horner(x - (shifted - _MAGIC), _EXP2), shifted)


def exp2_sum_f64(x, low):
    """2^(x + low), |x| <= 1100."""
    shifted = x + _MAGIC
    r = x - (shifted - _MAGIC)
    return scale_f64(horner(r + low, _EXP2), shifted)


def expm1_f64(x):
    """e^x - 1, precise near 0."""
    clamped = select(x < _EXPM1_LOW, _EXPM1_LOW, x)
    clamped = select(clamped > _EXP_HIGH, _EXP_HIGH, clamped)
    shifted, r = reduce_f64(clamped)
    top = shifted - _MAGIC > _TOP  # 2^n would overflow: half of it, twice
    s = power_of_two_f64(select(top, shifted - _1, shifted))
    y = fma_f64(s, r * r * horner(r, EXPM1), fma_f64(s, r, s - _1))
    return select(x == _0, x, y * select(top, _2, _1))


def sigmoid_f64(x):
    """1 / (1 + e^-x), from e^-|x| so that nothing overflows."""
    e = exp_nonpositive_f64(-absolute(x))
    d = _1 + e
    q = select(x < _0, e, _1) / d
    lost = (_1 - d) + e
    # q - q * lost / d, with a chord for 1 / d in [1/2, 1]
    return fma_f64(-q * lost, fma_f64(d, -_HALF, _CHORD), q)


def tanh_f64(x):
    """A polynomial near 0, else 1 - 2 / (e^2|x| + 1)."""
    a = absolute(x)
    clamped = select(a > _TANH_ONE, _TANH_ONE, a)
    shifted, r = reduce_f64(clamped + clamped)
    e = horner(r, _EXP) * power_of_two_f64(shifted)
    far = _1 - _2 / (e + _1)
    z = a * a
    near = fma_f64(a * z, horner(z, _TANH), a)
    return copysign(select(a < _TANH_SMALL, near, far), x)


def _half_exp(a):
    """e^a / 2 for a >= 0, finite up to the overflow of sinh and cosh."""
    shifted, r = reduce_f64(select(a > _SINH_HIGH, _SINH_HIGH, a))
    return scale_f64(horner(r, _EXP), shifted - _1)


def sinh_f64(x):
    """(e^x - e^-x) / 2."""
    a = absolute(x)
    h = _half_exp(a)
    z = a * a
    near = fma_f64(a * z, horner(z, _SINH), a)
    return copysign(select(a < _1, near, h - _QUARTER / h), x)


def cosh_f64(x):
    """(e^x + e^-x) / 2."""
    h = _half_exp(absolute(x))
    return h + _QUARTER / h

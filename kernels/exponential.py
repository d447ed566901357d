"""float32 exponentials and the hyperbolic functions made of them.

x = n ln2 + r with |r| <= ln2 / 2; exp(r) is a polynomial; the factor 2^n is written into the
exponent bits in two halves, so that overflow and subnormal results round once. Nothing branches:
loops over these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f32`, reached through `math`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, bits_f32, copysign, fma_f32, horner, int_f32, select

INLINE = True
_T = np.float32
_0, _1, _2, _HALF, _QUARTER = _T(0), _T(1), _T(2), _T(0.5), _T(0.25)
_MAGIC = _T(1.5 * 2.0**23)  # adding it rounds to an integer and leaves that in the low bits
_ONE_BITS, _MANTISSA = np.int32(0x3F800000), np.int32(23)
_LOG2E, _LN2, _LN2_LO = _T(1.442695), _T(0.6931472), _T(-1.9046542e-09)
_EXP_LOW, _EXP_HIGH = _T(-104), _T(89)
_EXP2_LOW, _EXP2_HIGH = _T(-151), _T(129)
_EXPM1_LOW, _TOP = _T(-20), _T(127)
_CHORD = _T(1.47)
_SINH_HIGH, _TANH_ONE, _TANH_SMALL = _T(90), _T(9.1), _T(0.6)

# (exp(r) - 1 - r) / r^2, |r| <= ln2 / 2: 2^-28.12
_EXPM1 = tuple(map(_T, (0.0013936181, 0.008369444, 0.04166645, 0.16666514, 0.5)))
_EXP = (*_EXPM1, _1, _1)
# 2^r, |r| <= 1/2: 2^-28.21
_EXP2 = tuple(
    map(_T, (0.00015456358, 0.0013391643, 0.009618077, 0.05550358, 0.2402265, 0.6931472, 1.0))
)
# (tanh(x) / x - 1) / x^2 in x^2, |x| <= 0.6: 2^-28.28
_TANH = tuple(map(_T, (-0.0058804704, 0.02078251, -0.053779505, 0.13331868, -0.33333296)))
# (sinh(x) / x - 1) / x^2 in x^2, |x| <= 1: 2^-31.39
_SINH = tuple(map(_T, (2.789984e-06, 0.00019841666, 0.008333315, 0.16666667)))


def power_of_two_f32(shifted):
    """2^n for n = shifted - _MAGIC, a normal number."""
    return bits_f32(np.int32(np.int32(np.int32(int_f32(shifted)) << _MANTISSA) + _ONE_BITS))


def scale_f32(x, shifted):
    """x * 2^n for n = shifted - _MAGIC, also where 2^n over- or underflows."""
    half = fma_f32(shifted - _MAGIC, _HALF, _MAGIC)
    rest = np.int32(np.int32(int_f32(shifted) - int_f32(half)) << _MANTISSA)
    return x * power_of_two_f32(half) * bits_f32(np.int32(rest + _ONE_BITS))


def reduce_f32(x):
    """(shifted, r): x = n ln2 + r with n = shifted - _MAGIC."""
    shifted = fma_f32(x, _LOG2E, _MAGIC)
    n = shifted - _MAGIC
    return shifted, fma_f32(-n, _LN2_LO, fma_f32(-n, _LN2, x))


def reduce_sum_f32(x):
    """(shifted, r, low): the same with r + low in place of r."""
    shifted = fma_f32(x, _LOG2E, _MAGIC)
    n = shifted - _MAGIC
    first, second = fma_f32(-n, _LN2, x), -n * _LN2_LO
    r = first + second
    return shifted, r, (first - r) + second


def exp_f32(x):
    """e^x."""
    x = select(x < _EXP_LOW, _EXP_LOW, x)
    x = select(x > _EXP_HIGH, _EXP_HIGH, x)
    shifted, r = reduce_f32(x)
    return scale_f32(horner(r, _EXP), shifted)


def exp2_f32(x):
    """2^x."""
    x = select(x < _EXP2_LOW, _EXP2_LOW, x)
    x = select(x > _EXP2_HIGH, _EXP2_HIGH, x)
    shifted = x + _MAGIC
    return scale_f32(horner(x - (shifted - _MAGIC), _EXP2), shifted)


def expm1_f32(x):
    """e^x - 1, precise near 0."""
    clamped = select(x < _EXPM1_LOW, _EXPM1_LOW, x)
    clamped = select(clamped > _EXP_HIGH, _EXP_HIGH, clamped)
    shifted, r = reduce_f32(clamped)
    top = shifted - _MAGIC > _TOP  # 2^n would overflow: half of it, twice
    s = power_of_two_f32(select(top, shifted - _1, shifted))
    y = fma_f32(s, r * r * horner(r, _EXPM1), fma_f32(s, r, s - _1))
    return select(x == _0, x, y * select(top, _2, _1))


def sigmoid_f32(x):
    """1 / (1 + e^-x), from e^-|x| so that nothing overflows."""
    e = exp_f32(-absolute(x))
    d = _1 + e
    q = select(x < _0, e, _1) / d
    lost = (_1 - d) + e
    # q - q * lost / d, with a chord for 1 / d in [1/2, 1]
    return fma_f32(-q * lost, fma_f32(d, -_HALF, _CHORD), q)


def tanh_f32(x):
    """A polynomial near 0, else 1 - 2 / (e^2|x| + 1)."""
    a = absolute(x)
    clamped = select(a > _TANH_ONE, _TANH_ONE, a)
    shifted, r = reduce_f32(clamped + clamped)
    e = horner(r, _EXP) * power_of_two_f32(shifted)
    far = _1 - _2 / (e + _1)
    z = a * a
    near = fma_f32(a * z, horner(z, _TANH), a)
    return copysign(select(a < _TANH_SMALL, near, far), x)


def _half_exp(a):
    """e^a / 2 for a >= 0, finite up to the overflow of sinh and cosh."""
    shifted, r = reduce_f32(select(a > _SINH_HIGH, _SINH_HIGH, a))
    return scale_f32(horner(r, _EXP), shifted - _1)


def sinh_f32(x):
    """(e^x - e^-x) / 2."""
    a = absolute(x)
    h = _half_exp(a)
    z = a * a
    near = fma_f32(a * z, horner(z, _SINH), a)
    return copysign(select(a < _1, near, h - _QUARTER / h), x)


def cosh_f32(x):
    """(e^x + e^-x) / 2."""
    h = _half_exp(absolute(x))
    return h + _QUARTER / h

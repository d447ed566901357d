"""float32 exponentials and the hyperbolic functions made of them.

x = n ln2 + r with |r| <= ln2 / 2; exp(r) is a polynomial. Adding a magic number rounds to n and
leaves n plus the exponent's bias in the low bits, so that a shift makes 2^n of them; where 2^n may
over- or underflow, it is made in two halves, so that the result rounds once. Nothing branches:
loops over these vectorise, and their time is their number of instructions.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f32`, reached through `math`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, bits_f32, copysign, fma_f32, horner, int_f32, select

INLINE = True
_T = np.float32
_0, _1, _2, _HALF, _QUARTER = _T(0), _T(1), _T(2), _T(0.5), _T(0.25)
# for `power_of_two_f32`; the same for 2^(n + 24); for `scale_f32`
_MAGIC, _MAGIC_24, _MAGIC_SCALE = (_T(1.5 * 2.0**23 + bias) for bias in (127, 151, 254))
_MANTISSA, _HALVE, _SIGN, _NONE = np.int32(23), np.int32(1), np.int32(-(2**31)), np.int32(0)
_LOG2E, _LN2, _LN2_LO = _T(1.442695), _T(0.6931472), _T(-1.9046542e-09)
_EXP_LOW, _EXP_HIGH = _T(-104), _T(89)
_EXP2_LOW, _EXP2_HIGH = _T(-151), _T(129)
_EXPM1_LOW, _TOP = _T(-20), _T(127)
_SINH_HIGH, _TANH_ONE = _T(90), _T(9.1)
_2_LOG2E, _HALF_LN2 = _2 * _LOG2E, _HALF * _LN2

# (exp(r) - 1 - r) / r^2, |r| <= ln2 / 2: 2^-28.12
EXPM1 = tuple(map(_T, (0.0013936181, 0.008369444, 0.04166645, 0.16666514, 0.5)))
_EXP = (*EXPM1, _1, _1)
_EXP_24 = tuple(c * _T(2.0**-24) for c in _EXP)
# 2^r, |r| <= 1/2: 2^-28.21
_EXP2 = tuple(
    map(_T, (0.00015456358, 0.0013391643, 0.009618077, 0.05550358, 0.2402265, 0.6931472, 1.0))
)
# ((1 - exp(-2 u)) / 2 - u) / u^2, |u| <= ln2 / 4: 0.2 ulp of tanh
_TANH = tuple(map(_T, (-0.04427257, 0.13382167, -0.3333403, 0.66666293, -1.0)))
# (sinh(x) / x - 1) / x^2 in x^2, |x| <= 1: 2^-31.39
_SINH = tuple(map(_T, (2.789984e-06, 0.00019841666, 0.008333315, 0.16666667)))


def power_of_two_f32(shifted):
    """2^n for n = shifted - _MAGIC, a normal number."""
    return bits_f32(np.int32(int_f32(shifted) << _MANTISSA))


def scale_f32(x, shifted):
    """x * 2^n for n = shifted - _MAGIC_SCALE, also where 2^n over- or underflows."""
    both = int_f32(shifted)  # n and twice the bias
    half = np.int32(np.int32(both >> _HALVE) << _MANTISSA)
    return x * bits_f32(half) * bits_f32(np.int32(np.int32(both << _MANTISSA) - half))


def _reduce(x, magic):
    """(shifted, r): x = n ln2 + r with n = shifted - magic."""
    shifted = fma_f32(x, _LOG2E, magic)
    n = shifted - magic
    return shifted, fma_f32(-n, _LN2_LO, fma_f32(-n, _LN2, x))


def reduce_f32(x):
    """(shifted, r): x = n ln2 + r, shifted for `power_of_two_f32`."""
    return _reduce(x, _MAGIC)


def reduce_sum_f32(x):
    """(shifted, r, low): x = n ln2 + r + low, shifted for `scale_f32`."""
    shifted = fma_f32(x, _LOG2E, _MAGIC_SCALE)
    n = shifted - _MAGIC_SCALE
    first, second = fma_f32(-n, _LN2, x), -n * _LN2_LO
    r = first + second
    return shifted, r, (first - r) + second


def exp_f32(x):
    """e^x."""
    x = select(x < _EXP_LOW, _EXP_LOW, x)
    x = select(x > _EXP_HIGH, _EXP_HIGH, x)
    shifted, r = _reduce(x, _MAGIC_SCALE)
    return scale_f32(horner(r, _EXP), shifted)


def exp_nonpositive_f32(x):
    """e^x for x <= 0 or NaN, bit for bit: 2^n may be subnormal, but 2^(n + 24) is a number."""
    shifted, r = _reduce(select(x < _EXP_LOW, _EXP_LOW, x), _MAGIC_24)
    return horner(r, _EXP_24) * power_of_two_f32(shifted)


def exp2_f32(x):
    """2^x."""
    x = select(x < _EXP2_LOW, _EXP2_LOW, x)
    x = select(x > _EXP2_HIGH, _EXP2_HIGH, x)
    shifted = x + _MAGIC_SCALE
    return scale_f32(horner(x - (shifted - _MAGIC_SCALE), _EXP2), shifted)


def expm1_f32(x):
    """e^x - 1, precise near 0."""
    clamped = select(x < _EXPM1_LOW, _EXPM1_LOW, x)
    clamped = select(clamped > _EXP_HIGH, _EXP_HIGH, clamped)
    shifted, r = reduce_f32(clamped)
    top = shifted - _MAGIC > _TOP  # 2^n would overflow: half of it, twice
    s = power_of_two_f32(select(top, shifted - _1, shifted))
    y = fma_f32(s, r * r * horner(r, EXPM1), fma_f32(s, r, s - _1))
    return select(x == _0, x, y * select(top, _2, _1))


def sigmoid_f32(x):
    """With e = e^-|x| and q = e / (1 + e): 1 - q, or e - e q where x < 0."""
    e = exp_nonpositive_f32(-absolute(x))
    top = select(int_f32(x) < _NONE, e, _1)
    return fma_f32(-top, e / (e + _1), top)


def tanh_f32(x):
    """h / (1 - h) for h = (1 - e^-2|x|) / 2, each rounded by itself."""
    a = absolute(x)
    a = select(a > _TANH_ONE, _TANH_ONE, a)
    shifted = fma_f32(a, -_2_LOG2E, _MAGIC)
    u = fma_f32(shifted - _MAGIC, _HALF_LN2, a)  # -2 a = n ln2 - 2 u
    s = power_of_two_f32(shifted)
    p = fma_f32(u * u, horner(u, _TANH), u)
    rest = fma_f32(s, -_HALF, _HALF)  # h = rest + s p
    t = fma_f32(s, p, rest) / fma_f32(-s, p, _1 - rest)
    return bits_f32(np.int32(int_f32(t) | np.int32(int_f32(x) & _SIGN)))


def _half_exp(a):
    """e^a / 2 for a >= 0, finite up to the overflow of sinh and cosh."""
    shifted, r = _reduce(select(a > _SINH_HIGH, _SINH_HIGH, a), _MAGIC_SCALE)
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

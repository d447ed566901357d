"""Element arithmetic beyond one machine operation: division, remainders, integer powers, signs.

Entry functions: `<name>_<suffix>`, aliases of one function for floats and one for integers.
Nothing traps: an integer divided by zero gives 0 (the caller reports it), the smallest integer
divided by -1 wraps. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import (
    absolute,
    bits_f32,
    bits_f64,
    copysign,
    floor,
    fmod,
    int_f32,
    int_f64,
    like,
    rint,
    select,
)

INLINE = True
_0, _1, _M1, _63, _64 = map(np.int64, (0, 1, -1, 63, 64))
_ONE_32, _M1_32 = np.int32(1), np.int32(-1)

# ---- integers, computed in int64 and narrowed by `like`


def _floor_divide_int(a, b):
    """The quotient rounded down; 0 where b is 0."""
    wide_a, wide_b = np.int64(a), np.int64(b)
    negate, none = wide_b == _M1, wide_b == _0
    quotient = np.int64(wide_a // select(negate | none, _1, wide_b))
    return like(select(none, _0, select(negate, np.int64(_0 - wide_a), quotient)), a)


def _remainder_int(a, b):
    """a - b * floor(a / b), with the sign of b; 0 where b is 0."""
    wide_a, wide_b = np.int64(a), np.int64(b)
    trivial = (wide_b == _M1) | (wide_b == _0)
    rest = np.int64(wide_a % select(trivial, _1, wide_b))
    return like(rest, a)


def _fmod_int(a, b):
    """a - b * trunc(a / b), with the sign of a; 0 where b is 0."""
    wide_a, wide_b = np.int64(a), np.int64(b)
    rest = np.int64(_remainder_int(wide_a, wide_b))
    crossed = (rest != _0) & (np.int64(rest ^ wide_a) < _0)
    return like(select(crossed, np.int64(rest - wide_b), rest), a)


def _trunc_divide_int(a, b):
    """The quotient rounded towards zero; 0 where b is 0."""
    wide_a, wide_b = np.int64(a), np.int64(b)
    quotient = np.int64(_floor_divide_int(wide_a, wide_b))
    rest = np.int64(_remainder_int(wide_a, wide_b))
    up = (rest != _0) & (np.int64(rest ^ wide_a) < _0)
    return like(select(up, np.int64(quotient + _1), quotient), a)


def _pow_int(a, b):
    """a ** b with wrap-around; a negative power is 0 but for the bases 1 and -1."""
    base, rest = np.int64(a), np.int64(b)
    if rest < _0:
        odd = np.int64(rest & _1) == _1
        unit = select((base == _M1) & odd, _M1, _1)
        return like(select((base == _1) | (base == _M1), unit, _0), a)
    result = _1
    while rest > _0:
        if np.int64(rest & _1) == _1:
            result = np.int64(result * base)
        base = np.int64(base * base)
        rest = np.int64(rest >> _1)
    return like(result, a)


def _sign_int(x):
    """-1, 0 or 1."""
    wide = np.int64(x)
    return like(select(wide > _0, _1, select(wide < _0, _M1, _0)), x)


def _abs_int(x):
    """The magnitude; the smallest integer stays."""
    wide = np.int64(x)
    return like(select(wide < _0, np.int64(_0 - wide), wide), x)


def _shift_left_int(x, count):
    """x << count; 0 where count is not below the width or is negative."""
    wide, steps = np.int64(x), np.int64(count)
    inside = (steps >= _0) & (steps < _64)
    # what leaves a narrower type is cut off by `like`
    return like(select(inside, np.int64(wide << select(inside, steps, _0)), _0), x)


def _shift_right_int(x, count):
    """x >> count; the sign alone where count is not below the width or is negative."""
    wide, steps = np.int64(x), np.int64(count)
    inside = (steps >= _0) & (steps < _64)
    return like(np.int64(wide >> select(inside, steps, _63)), x)


def _gcd_int(a, b):
    """The greatest common divisor, not negative."""
    a, b = np.int64(a), np.int64(b)
    x, y = select(a < _0, np.int64(_0 - a), a), select(b < _0, np.int64(_0 - b), b)
    while y != _0:
        x, y = y, np.int64(_remainder_int(x, y))
    return np.int64(_abs_int(x))


def _gcd(a, b):
    """The greatest common divisor in the type of a."""
    return like(_gcd_int(a, b), a)


def _lcm(a, b):
    """The least common multiple, with wrap-around; 0 where one is 0."""
    quotient = np.int64(_floor_divide_int(np.int64(a), _gcd_int(a, b)))
    return like(_abs_int(np.int64(quotient * np.int64(b))), a)


# ---- floats


def _floor_divide_float(a, b):
    """floor(a / b) as Python rounds it: from the exact remainder; a / b where b is 0."""
    rest = fmod(a, b)
    zero = like(0, a)
    one = like(1, a)
    exact = (a - rest) / b
    borrow = (rest != zero) & ((b < zero) != (rest < zero))
    exact = select(borrow, exact - one, exact)
    down = floor(exact)
    down = select(exact - down > like(0.5, a), down + one, down)
    down = select(exact == zero, copysign(zero, a / b), down)
    return select(b == zero, a / b, down)


def _remainder_float(a, b):
    """a - b * floor(a / b), exact up to one rounding, with the sign of b."""
    rest = fmod(a, b)
    zero = like(0, a)
    crossed = (rest != zero) & ((b < zero) != (rest < zero))
    return select(crossed, rest + b, rest)


def _sign_float(x):
    """-1, 0 or 1; 0 for NaN."""
    zero = like(0, x)
    return select(x > zero, like(1, x), select(x < zero, like(-1, x), zero))


def _nextafter_f32(x, y):
    """The next float32 from x towards y."""
    bits = int_f32(x)
    away = (y > x) == (bits >= 0)
    step = bits_f32(np.int32(bits + select(away, _ONE_32, _M1_32)))
    smallest = copysign(bits_f32(_ONE_32), y)
    moved = select(x == np.float32(0), smallest, step)
    return select((x != x) | (y != y), x + y, select(x == y, y, moved))


def _nextafter_f64(x, y):
    """The next float64 from x towards y."""
    bits = int_f64(x)
    away = (y > x) == (bits >= 0)
    step = bits_f64(np.int64(bits + select(away, _1, _M1)))
    smallest = copysign(bits_f64(_1), y)
    moved = select(x == np.float64(0), smallest, step)
    return select((x != x) | (y != y), x + y, select(x == y, y, moved))


def _isnan(x):
    return x != x


def _isinf(x):
    return absolute(x) == like(np.inf, x)


def _isfinite(x):
    return absolute(x) < like(np.inf, x)


floor_divide_f32 = floor_divide_f64 = _floor_divide_float
remainder_f32 = remainder_f64 = _remainder_float
fmod_f32 = fmod_f64 = fmod
sign_f32 = sign_f64 = sgn_f32 = sgn_f64 = _sign_float
round_f32 = round_f64 = rint
isnan_f32 = isnan_f64 = _isnan
isinf_f32 = isinf_f64 = _isinf
isfinite_f32 = isfinite_f64 = _isfinite

floor_divide_i8 = floor_divide_i16 = floor_divide_i32 = floor_divide_i64 = _floor_divide_int
trunc_divide_i8 = trunc_divide_i16 = trunc_divide_i32 = trunc_divide_i64 = _trunc_divide_int
remainder_i8 = remainder_i16 = remainder_i32 = remainder_i64 = _remainder_int
fmod_i8 = fmod_i16 = fmod_i32 = fmod_i64 = _fmod_int
shift_left_i8 = shift_left_i16 = shift_left_i32 = shift_left_i64 = shift_left_u8 = _shift_left_int
shift_right_i8 = shift_right_i16 = shift_right_i32 = shift_right_i64 = _shift_right_int
shift_right_u8 = _shift_right_int
gcd_i8 = gcd_i16 = gcd_i32 = gcd_i64 = gcd_u8 = _gcd
lcm_i8 = lcm_i16 = lcm_i32 = lcm_i64 = lcm_u8 = _lcm
nextafter_f32, nextafter_f64 = _nextafter_f32, _nextafter_f64
pow_i8 = pow_i16 = pow_i32 = pow_i64 = pow_u8 = _pow_int
sign_i8 = sign_i16 = sign_i32 = sign_i64 = sign_u8 = _sign_int
sgn_i8 = sgn_i16 = sgn_i32 = sgn_i64 = sgn_u8 = _sign_int
abs_i8 = abs_i16 = abs_i32 = abs_i64 = abs_u8 = _abs_int
floor_divide_u8 = _floor_divide_int
trunc_divide_u8 = _trunc_divide_int
remainder_u8 = _remainder_int
fmod_u8 = _fmod_int

"""float32 powers: pow (in float64 but on CUDA, see `power_cuda`) and 1 / sqrt.

Nothing branches: loops over these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `pow_f32`, `rsqrt_f32`, reached through `math`. May import: NumPy, `intrinsics`,
`exponential64`, `logarithm64`.
"""

import numpy as np

from .exponential64 import power_of_two_f64
from .intrinsics import absolute, cast_f32, cast_f64, fma_f64, horner, int_f32, select, sqrt, trunc
from .logarithm64 import split_f64

INLINE = True
_T = np.float64
_0, _1, _HALF, _INF, _NAN = map(np.float32, (0, 1, 0.5, np.inf, np.nan))
_MAGIC = _T(1.5 * 2.0**52)  # adding it rounds to an integer and leaves that in the low bits
_LOW, _HIGH = _T(-160), _T(130)
# log2(1 + f) / f, |f| <= 1/3: 2^-37.79
_POW_LOG2 = tuple(
    map(
        _T,
        (
            -0.14669815073995707,
            0.1576881904234821,
            -0.11312503953360678,
            0.12351382456046373,
            -0.14482044834963637,
            0.16089737871119536,
            -0.18031536151651548,
            0.20607561714313885,
            -0.24044956598839307,
            0.28853945107817636,
            -0.3606737576481149,
            0.48089834387179037,
            -0.7213475204464577,
            1.442695040892471,
        ),
    )
)
# 2^r, |r| <= 1/2: 2^-34.50
_POW_EXP2 = tuple(
    map(
        _T,
        (
            1.5310081137407198e-05,
            0.0001546973197833081,
            0.0013333450560412074,
            0.009618025602952121,
            0.055504109412154126,
            0.24022651213595278,
            0.6931471805459305,
            0.9999999999595482,
        ),
    )
)


def pow_f32(x, y):
    """x to the power y as IEEE says: 2^(y log2|x|), then the cases of 0, inf, nan and the sign."""
    a = absolute(x)
    return power_edges_f32(x, y, _power(a, select(a == _1, _0, y)))


def _power(a, y):
    """2^(y log2(a)) for ordinary numbers, a positive."""
    f, e = split_f64(cast_f64(a))
    p = cast_f64(y) * fma_f64(f, horner(f, _POW_LOG2), e)
    p = select(p < _LOW, _LOW, p)
    p = select(p > _HIGH, _HIGH, p)
    shifted = p + _MAGIC
    r = horner(p - (shifted - _MAGIC), _POW_EXP2) * power_of_two_f64(shifted)
    return cast_f32(r)


def power_edges_f32(x, y, r):
    """x^y, where r is |x|^y for ordinary |x|."""
    a = absolute(x)
    infinite = (a == _INF) == (y > _0)
    r = select((a == _0) | (a == _INF), select(infinite, _INF, _0), r)
    half = y * _HALF
    whole = trunc(y) == y
    odd = whole & (trunc(half) != half)
    r = select((int_f32(x) < 0) & odd, -r, r)
    r = select((x < _0) & (a < _INF) & (whole == (y != y)), _NAN, r)
    r = select((x != x) | (y != y), x + y, r)
    return select((y == _0) | (x == _1), _1, r)


def rsqrt_f32(x):
    """1 / sqrt(x)."""
    return _1 / sqrt(x)

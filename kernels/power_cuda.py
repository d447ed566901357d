"""float32 powers on a CUDA device, many of which have little float64: log2 as a sum of two float32.

log2(m) = 2 / ln2 atanh(s), s = (m - 1) / (m + 1), as a series in z = s^2, for m from sqrt(1 / 2) to
sqrt(2); s, z / 3 and what is made of them are sums of two. Nothing branches.
Entry function: `_power` of `power`, which documents it; this takes its place when a kernel is
compiled. May import: NumPy, `exponential`, `intrinsics`.
"""

import numpy as np

from .exponential import scale_f32
from .intrinsics import absolute, bits_f32, fma_f32, horner, int_f32, select

_T, _I = np.float32, np.int32
_0, _1, _24 = map(_T, (0, 1, 24))
_NORMAL, _UP = _T(2.0**-126), _T(2.0**24)
_ROOT, _MANTISSA = _I(0x3F3504F3), _I(23)  # the bits of sqrt(1 / 2)
_THIRD, _THIRD_LOW = _T(0.33333334), _T(-9.934108e-09)
_SCALE, _SCALE_LOW = _T(2.8853900), _T(3.8519330e-08)  # 2 / ln2
_SERIES = tuple(_T(1 / n) for n in (13, 11, 9, 7, 5))
_MAGIC = _T(1.5 * 2.0**23 + 254)  # for `scale_f32`
_LOW, _HIGH, _EXACT = _T(-160), _T(130), _T(200)
# 2^r, |r| <= 1/2: 2^-28.21
_EXP2 = tuple(
    map(_T, (0.00015456358, 0.0013391643, 0.009618077, 0.05550358, 0.2402265, 0.6931472, 1.0))
)


def _power(a, y):
    high, low = _log2(a)
    p = y * high
    rest = select(absolute(p) < _EXACT, fma_f32(y, high, -p) + y * low, _0)
    p = select(p < _LOW, _LOW, p)
    p = select(p > _HIGH, _HIGH, p)
    shifted = p + _MAGIC
    return scale_f32(horner((p - (shifted - _MAGIC)) + rest, _EXP2), shifted)


def _log2(a):
    """log2(a) as (high, low)."""
    tiny = a < _NORMAL
    bits = int_f32(select(tiny, a * _UP, a))
    e = _I(_I(bits - _ROOT) >> _MANTISSA)
    m = bits_f32(_I(bits - _I(e << _MANTISSA)))
    exponent = _T(e) - select(tiny, _24, _0)
    # s, of a numerator that is exact and a denominator of two
    above, below = m - _1, m + _1
    lost = m - (below - _1)
    s = above / below
    s_low = (fma_f32(-s, below, above) - s * lost) / below
    z = s * s
    z_low = fma_f32(s, s, -z) + (s + s) * s_low
    # t = z / 3 + z^2 / 5 + ...
    first = z * _THIRD
    first_low = fma_f32(z, _THIRD, -first) + fma_f32(z, _THIRD_LOW, z_low * _THIRD)
    others = z * z * horner(z, _SERIES)
    t = first + others
    t_low = ((first - t) + others) + first_low
    # s + s t
    more = s * t
    more_low = fma_f32(s, t, -more) + fma_f32(s, t_low, s_low * t)
    total = s + more
    total_low = ((s - total) + more) + (s_low + more_low)
    # exponent + 2 / ln2 of that
    part = total * _SCALE
    part_low = fma_f32(total, _SCALE, -part) + fma_f32(total, _SCALE_LOW, total_low * _SCALE)
    high = exponent + part
    low = ((exponent - high) + part) + part_low
    return high, low

"""The argument of float32 trigonometric functions on a CUDA device: reduced by integers.

Many devices have little float64. The argument is a whole number of 24 bits times a power of two: it
is multiplied by those 96 bits of 2 / pi that leave quarter turns, and the fraction is rounded once.
Entry function: `_reduce` of `trig`, which documents it; this takes its place when a kernel is
compiled. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import absolute, fma_f32, int_f32, select

_I, _U, _T = np.int64, np.uint64, np.float32
# 2 / pi, 32 bits a word, after a word of zeros
_W0, _W1, _W2, _W3, _W4, _W5, _W6, _W7 = map(
    _U, (0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB)
)
_0, _SHIFT, _31, _EXPONENT, _FRACTION, _LEADING = map(_I, (0, 23, 31, 0xFF, 0x7FFFFF, 0x800000))
_FIRST = _I(120)  # biased exponent at which the product begins with the first of the words
_HALF_WORD, _MASK = _U(32), _U(0xFFFFFFFF)
_QUARTER, _REST = _U(62), _U((1 << 62) - 1)
_HALF, _WHOLE = _I(1 << 61), _I(1 << 62)
_1, _2, _3, _5 = map(_I, (1, 2, 3, 5))
_HIGH, _LOW = _T(3.4061217e-19), _T(-9.4783964e-27)  # pi / 2 / 2^62
_ZERO, _SMALL = _T(0), _T(0.5)


def _reduce(x):
    bits = _I(int_f32(x))
    exponent = _I(_I(bits >> _SHIFT) & _EXPONENT)
    whole = _U(_I(bits & _FRACTION) | _LEADING)
    skipped = select(exponent < _FIRST, _0, _I(exponent - _FIRST))
    word = _I(skipped >> _5)
    shift = _U(_HALF_WORD - _U(_I(skipped & _31)))
    w0 = _chosen(word, _W0, _W1, _W2, _W3, _W4)
    w1 = _chosen(word, _W1, _W2, _W3, _W4, _W5)
    w2 = _chosen(word, _W2, _W3, _W4, _W5, _W6)
    w3 = _chosen(word, _W3, _W4, _W5, _W6, _W7)
    low = _U(_U(whole * _joined(w2, w3, shift)) >> _HALF_WORD)
    low = _U(low + whole * _joined(w1, w2, shift))
    high = _U(_U(low >> _HALF_WORD) + whole * _joined(w0, w1, shift))
    turns = _U(_U(_U(high & _MASK) << _HALF_WORD) | _U(low & _MASK))  # 2^62 to a quarter turn
    rest = _I(_U(turns & _REST))
    up = rest >= _HALF
    rest = select(up, _I(rest - _WHOLE), rest)
    q = np.int32(_I(_U(turns >> _QUARTER)) + _I(up))
    near = _T(rest)
    far = _T(_I(rest - _I(near)))
    product = near * _HIGH
    lost = fma_f32(near, _HIGH, -product) + fma_f32(near, _LOW, far * _HIGH)
    r = product + lost
    lost = (product - r) + lost
    negative = bits < _0
    r, lost = select(negative, -r, r), select(negative, -lost, lost)
    q = select(negative, np.int32(-q), q)
    small = absolute(x) < _SMALL
    r = select(exponent == _EXPONENT, x - x, select(small, x, r))
    lost = select(small, _ZERO, lost)
    return r, lost, select(small, np.int32(0), q)


def _joined(high, low, shift):
    """The upper word of two, moved up."""
    return _U(_U(_U(_U(high << _HALF_WORD) | low) >> shift) & _MASK)


def _chosen(word, a, b, c, d, e):
    """The one of that number."""
    upper = select(word == _2, c, select(word == _3, d, e))
    return select(word == _0, a, select(word == _1, b, upper))

"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011) and what is drawn from it.

A number depends on (seed, draw, i) alone: the key is the 64-bit seed, the high 64 counter bits are
the draw. 32-bit draws: element i has counter (i // 64) * 16 + i % 16, word (i // 16) % 4. 64-bit
draws: counter (i // 32) * 16 + i % 16, words 2 w (high) and 2 w + 1 (low), w = (i // 16) % 2. So
16 neighbouring counters make one block, and `fill_<name>(p, lo, hi, seed, draw)` (elements lo..hi
to p[0..hi - lo)) makes whole blocks at a time. Uniforms are the high 24 (53) bits. Normals are
Box-Muller on two draws of one counter: the cosine goes to the even one's element, the sine to the
odd one's.

Entry functions: `<name>(seed, draw, i)` and `fill_<name>`. May import: NumPy, `intrinsics`,
`logarithm`, `trig` and their float64 forms.
"""

import numpy as np

from .intrinsics import (
    cast_f32,
    cast_f64,
    fma_f64,
    int_f64,
    lanes_f32,
    lanes_f64,
    lanes_i32,
    select,
    sqrt,
)
from .logarithm import log_sum_f32
from .logarithm64 import log_f64
from .trig import turn_f32
from .trig64 import turn_f64

INLINE = True
_MASK, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_MUL0, _MUL1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_TO_F32, _TO_F64, _2_26 = np.float32(2.0**-24), np.float64(2.0**-53), np.float64(2.0**26)
# Box-Muller
_1_F32, _M2_F32, _2_16, _2_M32 = map(np.float32, (1, -2, 2.0**16, 2.0**-32))
_EIGHTH, _QUARTER, _ONE = np.int32(2**29), np.int32(30), np.int32(1)
_ANGLE = np.float32(2 * np.pi / 2**32)
_M2_F64, _4_F64, _0_F64, _PIO2_F64 = map(np.float64, (-2, 4, 0, np.pi / 2))
_MAGIC, _ONE_64 = np.float64(1.5 * 2.0**52), np.int64(1)


# ---- bits


def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds over four counter words with two key words; each is the low half of a uint64."""
    for _ in range(10):
        p0 = np.uint64(_MUL0 * c0)
        p1 = np.uint64(_MUL1 * c2)
        c0 = np.uint64(np.uint64(p1 >> _WORD) ^ c1 ^ k0)
        c1 = np.uint64(p1 & _MASK)
        c2 = np.uint64(np.uint64(p0 >> _WORD) ^ c3 ^ k1)
        c3 = np.uint64(p0 & _MASK)
        k0 = np.uint64(np.uint64(k0 + _WEYL0) & _MASK)
        k1 = np.uint64(np.uint64(k1 + _WEYL1) & _MASK)
    return c0, c1, c2, c3


def words(seed, draw, counter):
    """The four words of one counter, as int32."""
    seed, draw, counter = np.uint64(seed), np.uint64(draw), np.uint64(counter)
    w0, w1, w2, w3 = philox(
        np.uint64(counter & _MASK),
        np.uint64(counter >> _WORD),
        np.uint64(draw & _MASK),
        np.uint64(draw >> _WORD),
        np.uint64(seed & _MASK),
        np.uint64(seed >> _WORD),
    )
    return np.int32(w0), np.int32(w1), np.int32(w2), np.int32(w3)


def fill_words(lanes, seed, draw, block):
    """The 64 words of a block; lane i belongs to 32-bit element i of the block."""
    for j in range(16):
        w0, w1, w2, w3 = words(seed, draw, block * 16 + j)
        lanes[j], lanes[j + 16], lanes[j + 32], lanes[j + 48] = w0, w1, w2, w3


def bits_i32(seed, draw, i):
    """32 random bits."""
    w0, w1, w2, w3 = words(seed, draw, (i >> 6) * 16 + (i & 15))
    odd = i & 16 != 0
    return select(i & 32 != 0, select(odd, w3, w2), select(odd, w1, w0))


def _bits_64(seed, draw, i):
    """64 random bits as (high, low)."""
    w0, w1, w2, w3 = words(seed, draw, (i >> 5) * 16 + (i & 15))
    odd = i & 16 != 0
    return select(odd, w2, w0), select(odd, w3, w1)


# ---- what is made of them


def _to_f32(word):
    """The high 24 bits as a fraction."""
    return cast_f32(np.int32((word >> 8) & 0xFFFFFF)) * _TO_F32


def _to_f64(high, low):
    """The high 53 bits as a fraction, by two int32: AVX2 can't convert int64."""
    top = cast_f64(np.int32((high >> 5) & 0x7FFFFFF))
    rest = np.int32(((high & 31) << 21) | ((low >> 11) & 0x1FFFFF))
    return fma_f64(top, _2_26, cast_f64(rest)) * _TO_F64


def _polar_f32(a, b):
    """Box-Muller: the radius from the word a, the angle from b as (angle, quarters).

    A small radius comes from a + 1 near 2^32, where float32 has every 256th number: what the sum
    loses to rounding goes into the logarithm.
    """
    high = cast_f32(np.int32((a >> 16) & 0xFFFF)) * _2_16
    low = cast_f32(np.int32(a & 0xFFFF)) + _1_F32
    whole = high + low
    lost = low - (whole - high)
    radius = sqrt(_M2_F32 * log_sum_f32(whole * _2_M32, lost * _2_M32))
    quarter = np.int32(np.int32(b + _EIGHTH) >> _QUARTER)
    angle = cast_f32(np.int32(b - np.int32(quarter << _QUARTER))) * _ANGLE
    return radius, angle, quarter


def _polar_f64(a, b, c, d):
    """The same from the 53 high bits of (a, b) and of (c, d)."""
    radius = sqrt(_M2_F64 * log_f64(_to_f64(a, b) + _TO_F64))
    v = _to_f64(c, d) * _4_F64
    shifted = v + _MAGIC
    return radius, (v - (shifted - _MAGIC)) * _PIO2_F64, int_f64(shifted)


def _cosine_f32(radius, angle, quarter):
    return radius * turn_f32(angle, np.int32(quarter + _ONE))


def _sine_f32(radius, angle, quarter):
    return radius * turn_f32(angle, quarter)


def _cosine_f64(radius, angle, quarter):
    return radius * turn_f64(angle, _0_F64, np.int64(quarter + _ONE_64))


def _sine_f64(radius, angle, quarter):
    return radius * turn_f64(angle, _0_F64, quarter)


# ---- one element


def uniform_f32(seed, draw, i):
    """A float32 in [0, 1), a multiple of 2^-24."""
    return _to_f32(bits_i32(seed, draw, i))


def uniform_f64(seed, draw, i):
    """A float64 in [0, 1), a multiple of 2^-53."""
    high, low = _bits_64(seed, draw, i)
    return _to_f64(high, low)


def normal_f32(seed, draw, i):
    """A standard normal float32."""
    w0, w1, w2, w3 = words(seed, draw, (i >> 6) * 16 + (i & 15))
    late = i & 32 != 0
    r, a, q = _polar_f32(select(late, w2, w0), select(late, w3, w1))
    return select(i & 16 != 0, _sine_f32(r, a, q), _cosine_f32(r, a, q))


def normal_f64(seed, draw, i):
    """A standard normal float64."""
    w0, w1, w2, w3 = words(seed, draw, (i >> 5) * 16 + (i & 15))
    r, a, q = _polar_f64(w0, w1, w2, w3)
    return select(i & 16 != 0, _sine_f64(r, a, q), _cosine_f64(r, a, q))


def randbits_i64(seed, draw, i):
    """63 random bits, an int64 that is not negative."""
    high, low = _bits_64(seed, draw, i)
    high = np.int64(np.int64(high) & 0xFFFFFFFF)
    low = np.int64(np.int64(low) & 0xFFFFFFFF)
    return np.int64((high << 31) | (low >> 1))


# ---- a run of elements, block by block


def fill_uniform_f32(p, lo, hi, seed, draw):
    """Uniform float32 elements lo..hi of a draw."""
    w = lanes_i32()
    for block in range(lo >> 6, (hi + 63) >> 6):
        fill_words(w, seed, draw, block)
        base = block << 6
        for i in range(max(lo, base), min(hi, base + 64)):
            p[i - lo] = _to_f32(w[i - base])


def fill_uniform_f64(p, lo, hi, seed, draw):
    """Uniform float64 elements lo..hi of a draw."""
    w, out = lanes_i32(), lanes_f64()
    for block in range(lo >> 5, (hi + 31) >> 5):
        fill_words(w, seed, draw, block)
        for j in range(16):
            out[j] = _to_f64(w[j], w[j + 16])
            out[j + 16] = _to_f64(w[j + 32], w[j + 48])
        base = block << 5
        for i in range(max(lo, base), min(hi, base + 32)):
            p[i - lo] = out[i - base]


def fill_normal_f32(p, lo, hi, seed, draw):
    """Normal float32 elements lo..hi of a draw."""
    w, out = lanes_i32(), lanes_f32()
    for block in range(lo >> 6, (hi + 63) >> 6):
        fill_words(w, seed, draw, block)
        for half in range(0, 64, 32):
            for j in range(half, half + 16):
                r, a, q = _polar_f32(w[j], w[j + 16])
                out[j], out[j + 16] = _cosine_f32(r, a, q), _sine_f32(r, a, q)
        base = block << 6
        for i in range(max(lo, base), min(hi, base + 64)):
            p[i - lo] = out[i - base]


def fill_normal_f64(p, lo, hi, seed, draw):
    """Normal float64 elements lo..hi of a draw."""
    w, out = lanes_i32(), lanes_f64()
    for block in range(lo >> 5, (hi + 31) >> 5):
        fill_words(w, seed, draw, block)
        for j in range(16):
            r, a, q = _polar_f64(w[j], w[j + 16], w[j + 32], w[j + 48])
            out[j], out[j + 16] = _cosine_f64(r, a, q), _sine_f64(r, a, q)
        base = block << 5
        for i in range(max(lo, base), min(hi, base + 32)):
            p[i - lo] = out[i - base]

"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011) and what is drawn from its bits.

A number depends on (seed, draw, i) alone: the key is the 64-bit seed, the high 64 counter bits are the draw
number. 32-bit draws: element i has counter (i // 64) * 16 + i % 16 and word (i // 16) % 4. 64-bit draws: counter
(i // 32) * 16 + i % 16 and words 2w (high), 2w + 1 (low), w = (i // 16) % 2. So 16 neighbouring counters fill one
block, and `fill_<name>(p, lo, hi, seed, draw)` (elements lo..hi to p[0..hi - lo)) makes whole blocks at a time.
Uniforms are the high 24 (53) bits. Normals are Box-Muller on two words of one counter: the cosine goes to
the even word's element, the sine to the odd one's. Integers are the high word of 64 random bits * extent.

Entry functions: `<name>(seed, draw, i)` and `fill_<name>`. May import: NumPy, `intrinsics`, `math`, `math64`.
"""

import numpy as np

from .intrinsics import at, cast_f32, cast_f64, cast_i64
from .math import box_muller_f32
from .math64 import box_muller_f64

INLINE = True
_U = np.uint64
_MASK = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MUL0, _MUL1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_8, _11 = np.uint64(8), np.uint64(11)
_TO_F32, _TO_F64 = np.float32(2.0**-24), np.float64(2.0**-53)


def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds over four counter words with two key words; each word is the low half of a uint64."""
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
    """The four words of one counter."""
    seed, draw, counter = np.uint64(seed), np.uint64(draw), np.uint64(counter)
    return philox(
        np.uint64(counter & _MASK),
        np.uint64(counter >> _WORD),
        np.uint64(draw & _MASK),
        np.uint64(draw >> _WORD),
        np.uint64(seed & _MASK),
        np.uint64(seed >> _WORD),
    )


def _counter32(i):
    return (i >> 6) * 16 + (i & 15)


def _counter64(i):
    return (i >> 5) * 16 + (i & 15)


def _pick(w, which):
    return w[0] if which == 0 else w[1] if which == 1 else w[2] if which == 2 else w[3]


def _join(high, low):
    return np.uint64(np.uint64(high << _WORD) | low)


def _to_f32(word):
    return cast_f32(cast_i64(np.uint64(word >> _8))) * _TO_F32


def _to_f64(high, low):
    return cast_f64(cast_i64(np.uint64(_join(high, low) >> _11))) * _TO_F64


def _scale(high, low, start, extent):
    """start + floor(bits * extent / 2^64) by 32-bit halves."""
    e0, e1 = np.uint64(extent & _MASK), np.uint64(extent >> _WORD)
    middle = np.uint64(np.uint64(high * e0) + np.uint64(np.uint64(low * e0) >> _WORD))
    cross = np.uint64(np.uint64(low * e1) + np.uint64(middle & _MASK))
    top = np.uint64(high * e1) + np.uint64(middle >> _WORD) + np.uint64(cross >> _WORD)
    return np.int64(start + cast_i64(np.uint64(top)))


# ---- one element


def bits_u32(seed, draw, i):
    """32 random bits, in a uint64."""
    return _pick(words(seed, draw, _counter32(i)), (i >> 4) & 3)


def uniform_f32(seed, draw, i):
    """A float32 in [0, 1), a multiple of 2^-24."""
    return _to_f32(bits_u32(seed, draw, i))


def uniform_f64(seed, draw, i):
    """A float64 in [0, 1), a multiple of 2^-53."""
    w = words(seed, draw, _counter64(i))
    return _to_f64(w[2], w[3]) if (i >> 4) & 1 else _to_f64(w[0], w[1])


def normal_f32(seed, draw, i):
    """A standard normal float32."""
    w = words(seed, draw, _counter32(i))
    pair = box_muller_f32(w[2], w[3]) if (i >> 5) & 1 else box_muller_f32(w[0], w[1])
    return pair[1] if (i >> 4) & 1 else pair[0]


def normal_f64(seed, draw, i):
    """A standard normal float64."""
    w = words(seed, draw, _counter64(i))
    pair = box_muller_f64(_join(w[0], w[1]), _join(w[2], w[3]))
    return pair[1] if (i >> 4) & 1 else pair[0]


def randint_i64(seed, draw, i, start, extent):
    """An int64 in [start, start + extent); extent is a uint64 above 0."""
    w = words(seed, draw, _counter64(i))
    extent = np.uint64(extent)
    if (i >> 4) & 1:
        return _scale(w[2], w[3], start, extent)
    return _scale(w[0], w[1], start, extent)


# ---- a whole block of 64 (32) elements; `block` counts blocks


def _block_uniform_f32(p, seed, draw, block):
    for j in range(16):
        w = words(seed, draw, block * 16 + j)
        p[j], p[j + 16] = _to_f32(w[0]), _to_f32(w[1])
        p[j + 32], p[j + 48] = _to_f32(w[2]), _to_f32(w[3])


def _block_uniform_f64(p, seed, draw, block):
    for j in range(16):
        w = words(seed, draw, block * 16 + j)
        p[j], p[j + 16] = _to_f64(w[0], w[1]), _to_f64(w[2], w[3])


def _block_normal_f32(p, seed, draw, block):
    for j in range(16):
        w = words(seed, draw, block * 16 + j)
        a, b = box_muller_f32(w[0], w[1]), box_muller_f32(w[2], w[3])
        p[j], p[j + 16] = a[0], a[1]
        p[j + 32], p[j + 48] = b[0], b[1]


def _block_normal_f64(p, seed, draw, block):
    for j in range(16):
        w = words(seed, draw, block * 16 + j)
        a = box_muller_f64(_join(w[0], w[1]), _join(w[2], w[3]))
        p[j], p[j + 16] = a[0], a[1]


def _block_randint_i64(p, seed, draw, block, start, extent):
    for j in range(16):
        w = words(seed, draw, block * 16 + j)
        p[j] = _scale(w[0], w[1], start, extent)
        p[j + 16] = _scale(w[2], w[3], start, extent)


# ---- a run of elements: single ones up to the first block border, whole blocks, single ones


def fill_uniform_f32(p, lo, hi, seed, draw):
    """Uniform float32 elements lo..hi of a draw."""
    first = min(hi, (lo + 63) & ~63)
    last = max(first, hi & ~63)
    for i in range(lo, first):
        p[i - lo] = uniform_f32(seed, draw, i)
    for i in range(first, last, 64):
        _block_uniform_f32(at(p, i - lo), seed, draw, i >> 6)
    for i in range(last, hi):
        p[i - lo] = uniform_f32(seed, draw, i)


def fill_uniform_f64(p, lo, hi, seed, draw):
    """Uniform float64 elements lo..hi of a draw."""
    first = min(hi, (lo + 31) & ~31)
    last = max(first, hi & ~31)
    for i in range(lo, first):
        p[i - lo] = uniform_f64(seed, draw, i)
    for i in range(first, last, 32):
        _block_uniform_f64(at(p, i - lo), seed, draw, i >> 5)
    for i in range(last, hi):
        p[i - lo] = uniform_f64(seed, draw, i)


def fill_normal_f32(p, lo, hi, seed, draw):
    """Normal float32 elements lo..hi of a draw."""
    first = min(hi, (lo + 63) & ~63)
    last = max(first, hi & ~63)
    for i in range(lo, first):
        p[i - lo] = normal_f32(seed, draw, i)
    for i in range(first, last, 64):
        _block_normal_f32(at(p, i - lo), seed, draw, i >> 6)
    for i in range(last, hi):
        p[i - lo] = normal_f32(seed, draw, i)


def fill_normal_f64(p, lo, hi, seed, draw):
    """Normal float64 elements lo..hi of a draw."""
    first = min(hi, (lo + 31) & ~31)
    last = max(first, hi & ~31)
    for i in range(lo, first):
        p[i - lo] = normal_f64(seed, draw, i)
    for i in range(first, last, 32):
        _block_normal_f64(at(p, i - lo), seed, draw, i >> 5)
    for i in range(last, hi):
        p[i - lo] = normal_f64(seed, draw, i)


def fill_randint_i64(p, lo, hi, seed, draw, start, extent):
    """Integer elements lo..hi of a draw, in [start, start + extent)."""
    extent = np.uint64(extent)
    first = min(hi, (lo + 31) & ~31)
    last = max(first, hi & ~31)
    for i in range(lo, first):
        p[i - lo] = randint_i64(seed, draw, i, start, extent)
    for i in range(first, last, 32):
        _block_randint_i64(at(p, i - lo), seed, draw, i >> 5, start, extent)
    for i in range(last, hi):
        p[i - lo] = randint_i64(seed, draw, i, start, extent)

"""The oracle of the random sources: Philox4x32-10 and what is drawn from it, in whole arrays.

Written apart from `jitgrad.kernels.random`, which is checked against it. Entry: `uniform`,
`normal`, `bits`, each of (shape, dtype, seed, draw). Imports NumPy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def philox(counter: Any, seed: int, draw: int) -> tuple[Any, ...]:
    """Four 32-bit words (in uint64) of each counter; the draw number is its high half."""
    d, s = np.uint64(draw), np.uint64(seed)
    c = [counter & _LOW, counter >> _HALF, d & _LOW, d >> _HALF]
    key = [s & _LOW, s >> _HALF]
    for _ in range(10):
        a, b = _MULTIPLIERS[0] * c[0], _MULTIPLIERS[1] * c[2]
        c = [(b >> _HALF) ^ c[1] ^ key[0], b & _LOW, (a >> _HALF) ^ c[3] ^ key[1], a & _LOW]
        key = [(k + w) & _LOW for k, w in zip(key, _WEYL, strict=True)]
    return tuple(c)


def _words(shape: tuple[int, ...], width: int, seed: int, draw: int) -> tuple[Any, Any]:
    """Words by element, and the element's place 0, 1 .. among those that share its counter."""
    i = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
    share = np.uint64(128 // width)
    block = np.uint64(16) * share
    counter = i // block * np.uint64(16) + i % np.uint64(16)
    return np.stack(philox(counter, seed, draw)), (i // np.uint64(16) % share).astype(np.int64)


def _pick(words: Any, place: Any) -> Any:
    return np.take_along_axis(words, place[None], 0)[0]


def _bits64(shape: tuple[int, ...], seed: int, draw: int) -> Any:
    words, place = _words(shape, 64, seed, draw)
    return _pick(words, 2 * place) << _HALF | _pick(words, 2 * place + 1)


def uniform(shape: tuple[int, ...], dtype: Any, seed: int, draw: int) -> Any:
    """Uniform numbers in [0, 1): the high 24 (53) bits of a 32-bit (64-bit) word."""
    if dtype.itemsize == 8:
        return (_bits64(shape, seed, draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    words, place = _words(shape, 32, seed, draw)
    return (_pick(words, place) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(shape: tuple[int, ...], dtype: Any, seed: int, draw: int) -> Any:
    """Standard normals: Box-Muller on two words of one counter, cosine first, then sine."""
    words, place = _words(shape, 8 * dtype.itemsize, seed, draw)
    if dtype.itemsize == 4:
        first, scale = place // 2 * 2, 2.0**-32
        a, b = _pick(words, first), _pick(words, first + 1)
    else:
        a, b = (high << _HALF | low for high, low in (words[:2], words[2:]))
        a, b, scale = a >> np.uint64(11), b >> np.uint64(11), 2.0**-53
    radius = np.sqrt(-2 * np.log((a.astype(np.float64) + 1) * scale))
    turn = b.astype(np.float64) * (4 * scale)
    quarters = np.rint(turn)
    angle = (turn - quarters) * (math.pi / 2)  # exact where the sine or the cosine is near 0
    quarters = quarters.astype(np.int64) + (place % 2 == 0)  # a cosine: a quarter more
    wave = np.where(quarters % 2 == 1, np.cos(angle), np.sin(angle))
    return radius * np.where(quarters % 4 >= 2, -wave, wave)


def bits(shape: tuple[int, ...], dtype: Any, seed: int, draw: int) -> Any:
    """Non-negative int64 numbers: the high 63 of 64 random bits."""
    return (_bits64(shape, seed, draw) >> np.uint64(1)).astype(np.int64)

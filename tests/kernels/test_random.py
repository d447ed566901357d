"""Random numbers: published Philox vectors, a golden file of our format, blocks == elements."""

import mpmath
import numpy as np
import pytest

from jitgrad.kernels import random

from .accuracy import ulp_f32
from .harness import DTYPES, compiled, same, twin

SEED, DRAW = 0x123456789ABCDEF, 77


def fill(name, lo, hi, suffix):
    """Elements lo..hi by the block form."""
    body = f"fill_{name}(o, lo + first, hi, {SEED}, {DRAW})"
    run = compiled(body, [f"fill_{name}"], [("o", f"{suffix}*"), ("first", "i64")])
    result = np.zeros(hi - lo, DTYPES[suffix])
    run(result, lo, hi)
    return result


@pytest.mark.parametrize(
    "words, want",
    [
        ([0] * 6, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 6, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_vectors(words, want):
    got = random.philox(*map(np.uint64, words))
    assert " ".join(f"{int(word):08x}" for word in got) == want


def test_layout_of_words():
    """Element i takes counter (i // 64) * 16 + i % 16, word (i // 16) % 4."""
    bits = twin("bits_i32")
    for i in (0, 1, 15, 16, 17, 33, 63, 64, 100, 1000, 2**36 + 5):
        word = twin("words")(SEED, DRAW, (i // 64) * 16 + i % 16)[(i // 16) % 4]
        assert bits(SEED, DRAW, i) == word
        assert twin("uniform_f32")(SEED, DRAW, i) == (int(word) & 0xFFFFFFFF) // 2**8 / 2**24


def test_format_stays(golden):
    """The numbers of a seed never change between versions."""
    lines = []
    for name in ("uniform_f32", "uniform_f64", "normal_f32", "normal_f64"):
        values = [twin(name)(SEED, DRAW, i) for i in (0, 1, 16, 31, 32, 48, 63, 64, 12345)]
        lines.append(f"{name} " + " ".join(float(v).hex() for v in values))
    values = [twin("randbits_i64")(SEED, DRAW, i) for i in (0, 16, 32, 99)]
    lines.append("randbits_i64 " + " ".join(map(str, values)))
    golden("random.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", ["uniform_f32", "uniform_f64", "normal_f32", "normal_f64"])
def test_blocks_equal_elements_compiled_and_python(name):
    suffix = name[-3:]
    one = f"for i in range(lo, hi):\n    o[i] = {name}({SEED}, {DRAW}, i)"
    run = compiled(one, [name], [("o", f"{suffix}*")])
    elements = np.zeros(300, DTYPES[suffix])
    run(elements, 300)
    assert same(fill(name, 0, 300, suffix), elements)
    assert same(fill(name, 70, 131, suffix), elements[70:131])
    assert same(fill(name, 3, 9, suffix), elements[3:9])
    python = [twin(name)(SEED, DRAW, i) for i in range(150)]
    assert same(np.array(python), elements[:150])
    block = np.zeros(100, DTYPES[suffix])
    twin(f"fill_{name}")(block, 20, 120, SEED, DRAW)
    assert same(block, elements[20:120])


def test_uniforms_fill_the_unit_interval():
    for suffix in ("f32", "f64"):
        x = fill(f"uniform_{suffix}", 0, 100_000, suffix)
        assert x.min() >= 0 and x.max() < 1
        counts = np.histogram(x, 50, (0, 1))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 100  # chi squared, 49 degrees of freedom


def test_normals_have_the_moments():
    for suffix in ("f32", "f64"):
        x = fill(f"normal_{suffix}", 0, 100_000, suffix).astype(np.float64)
        assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01
        assert abs((x**3).mean()) < 0.05 and abs((x**4).mean() - 3) < 0.1
        assert abs(np.corrcoef(x[:-16], x[16:])[0, 1]) < 0.01


def edge_words(n):
    """Pairs of words: radii near 0, large and any; angles near those of a zero and any."""
    rng = np.random.default_rng(3)
    near = rng.integers(0, 1 << 18, n)
    a = np.concatenate([2**32 - 1 - near, near, rng.integers(0, 2**32, n)])
    quarter = (rng.integers(0, 4, a.size) << 30) + rng.integers(-1000, 1000, a.size)
    b = np.where(rng.random(a.size) < 0.5, quarter, rng.integers(0, 2**32, a.size)) % 2**32
    return a, b


@pytest.mark.parametrize("wave", ["sine", "cosine"])
def test_float32_normals_are_within_4_ulp(wave):
    a, b = edge_words(1 << 18)
    body = f"for i in range(lo, hi):\n    o[i] = _{wave}_f32(*_polar_f32(a[i], b[i]))"
    params = [("a", "i32*"), ("b", "i32*"), ("o", "f32*")]
    got = np.empty(a.size, np.float32)
    words = (x.astype(np.uint32).view(np.int32) for x in (a, b))
    compiled(body, ["_polar_f32", f"_{wave}_f32"], params)(*words, got, got.size)
    turn = np.where(b < 2**31, b, b - 2**32) * 2.0**-32
    quarter = np.rint(4 * turn)
    angle = (turn - quarter / 4) * (2 * np.pi)
    ahead = quarter.astype(int) + (wave == "cosine")
    exact = np.choose(ahead % 4, [np.sin(angle), np.cos(angle), -np.sin(angle), -np.cos(angle)])
    exact *= np.sqrt(-2 * np.log1p(-(2.0**32 - 1 - a) * 2.0**-32))
    assert ulp_f32(got, exact).max() <= 4


@pytest.mark.parametrize("wave", ["sine", "cosine"])
def test_float64_normals_are_within_4_ulp(wave):
    polar, at = twin("_polar_f64"), twin(f"_{wave}_f64")
    exactly = mpmath.sinpi if wave == "sine" else mpmath.cospi
    for a, b in np.stack(edge_words(100), 1):
        # the near words are the low ones of numbers whose high words are all 0 or all 1
        high = 0 if a < 2**31 else -1
        got = at(*polar(np.int32(high), a.astype(np.int32), b.astype(np.int32), np.int32(12345)))
        with mpmath.workprec(120):
            u = mpmath.mpf((((high % 2**32 << 32) + int(a)) >> 11) + 1) / 2**53
            turn = mpmath.mpf(((int(b) << 32) + 12345) >> 11) / 2**53
            exact = mpmath.sqrt(-2 * mpmath.log(u)) * exactly(2 * turn)
            error = abs(mpmath.mpf(float(got)) - exact)
        assert error <= 4 * np.spacing(abs(float(exact)))

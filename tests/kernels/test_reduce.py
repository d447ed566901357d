"""Reductions: the tree against a plain model of it, bit for bit; positions; integers; registers."""

import platform
import re

import numpy as np
import pytest

from .harness import DTYPES, compiled, same, twin

LENGTHS = [0, 1, 2, 5, 63, 64, 65, 127, 1000, 4095, 4096, 4097, 8192, 12289, 5 * 4096 + 77]
INTEGERS = ["i8", "i16", "i32", "i64", "u8", "b1"]


def model(step, identity, x):
    """The tree of `reduce`'s docstring, written with whole arrays."""

    def chunk(part):
        rows = np.full(-(-part.size // 64) * 64, identity, x.dtype)
        rows[: part.size] = part
        lanes = np.full(64, identity, x.dtype)
        for row in rows.reshape(-1, 64):
            lanes = step(lanes, row)
        while lanes.size > 1:
            lanes = step(lanes[: lanes.size // 2], lanes[lanes.size // 2 :])
        return lanes[0]

    values = [chunk(x[at : at + 4096]) for at in range(0, x.size, 4096)]
    complete = []  # (level, value), like the bits of a binary counter
    for value in values:
        level = 0
        while complete and complete[-1][0] == level:
            value, level = step(complete.pop()[1], value), level + 1
        complete.append((level, value))
    if not complete:
        return x.dtype.type(identity)
    total = complete.pop()[1]
    while complete:
        total = step(complete.pop()[1], total)
    return total


def reduction(name, suffix, out):
    """name_suffix(x) -> NumPy scalar."""
    function = f"{name}_{suffix}"
    params = [("x", f"{suffix}*"), ("o", f"{out}*")]
    run = compiled(f"o[0] = {function}(x, hi)", [function], params)

    def call(x):
        result = np.zeros(1, DTYPES[out])
        run(x, result, x.size)
        return result[0]

    call.function = run.function
    return call


def floats(suffix, n, seed=0):
    """Numbers of all sizes and both signs."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=n) * 2.0 ** rng.integers(-8, 8, n)).astype(DTYPES[suffix])


@pytest.mark.parametrize("suffix", ["f32", "f64"])
def test_sum_and_prod_are_the_tree(suffix):
    add, multiply = reduction("sum", suffix, suffix), reduction("prod", suffix, suffix)
    for n in LENGTHS:
        x = floats(suffix, n)
        assert same(add(x), model(np.add, 0, x)), n
        near = (1 + x / 2**12).astype(x.dtype)
        assert same(multiply(near), model(np.multiply, 1, near)), n


@pytest.mark.parametrize("suffix", ["f32", "f64"])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "argmax", "argmin"])
def test_python_gives_the_same_bits(name, suffix):
    out = "i64" if name.startswith("arg") else suffix
    run, python = reduction(name, suffix, out), twin(f"{name}_{suffix}")
    for n in (1, 64, 100, 4200):
        x = floats(suffix, n, n)
        assert same(run(x), DTYPES[out].type(python(x, n)))


@pytest.mark.parametrize("suffix", ["f32", "f64"])
def test_chunks_and_pairwise_make_the_whole(suffix):
    x = floats(suffix, 3 * 4096 + 1000)
    for name in ("sum", "prod", "max", "min"):
        parts = [reduction(f"{name}_chunk", suffix, suffix)(x[at : at + 4096].copy())
                 for at in range(0, x.size, 4096)]  # fmt: skip
        whole = reduction(f"pairwise_{name}", suffix, suffix)(np.array(parts))
        assert same(whole, reduction(name, suffix, suffix)(x))


@pytest.mark.parametrize("suffix", ["f32", "f64"])
def test_extremes_and_positions(suffix):
    inf, nan = np.inf, np.nan
    rows = [[1, 3, 3, 2], [-inf, -inf], [nan, 1, 2], [1, nan, inf, nan], [-0.0, 0.0], [0.0, -0.0]]
    rows += [np.round(floats(suffix, n)) for n in (1, 64, 65, 4096, 9000)]
    rows += [np.append(np.round(floats(suffix, 9000)), [nan, nan])]
    for row in rows:
        x = np.array(row, DTYPES[suffix])
        assert reduction("argmax", suffix, "i64")(x) == np.argmax(x)
        assert reduction("argmin", suffix, "i64")(x) == np.argmin(x)
        high, low = reduction("max", suffix, suffix)(x), reduction("min", suffix, suffix)(x)
        np.testing.assert_array_equal([high, low], [np.max(x), np.min(x)])
    zeros = np.array([0.0, -0.0], DTYPES[suffix])
    for x in (zeros, zeros[::-1].copy()):
        assert not np.signbit(reduction("max", suffix, suffix)(x))
        assert np.signbit(reduction("min", suffix, suffix)(x))


def test_positions_of_chunks_combine():
    x = floats("f32", 6 * 4096)
    x[[5000, 17000]] = x.max() + 1
    chunks = x.reshape(-1, 4096)
    for name in ("argmax", "argmin"):
        one = reduction(f"{name}_chunk", "f32", "i64")
        where = np.array([one(c.copy()) + 4096 * k for k, c in enumerate(chunks)])
        params = [("v", "f32*"), ("i", "i64*"), ("o", "i64*")]
        function = f"pairwise_{name}_f32"
        run = compiled(f"o[0] = {function}(v, i, hi)", [function], params)
        result = np.zeros(1, np.int64)
        run(x[where], where, result, where.size)
        assert result[0] == getattr(np, name)(x)


@pytest.mark.parametrize("suffix", INTEGERS)
def test_integers(suffix):
    dtype = DTYPES[suffix]
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype)
    for n in (1, 7, 64, 5000):
        high = 1 if suffix == "b1" else info.max
        x = rng.integers(0 if suffix == "b1" else info.min, high, n, dtype, endpoint=True)
        with np.errstate(over="ignore"):
            assert reduction("sum", suffix, "i64")(x) == np.sum(x, dtype=np.int64)
            assert reduction("prod", suffix, "i64")(x) == np.prod(x, dtype=np.int64)
        assert reduction("max", suffix, suffix)(x) == x.max()
        assert reduction("min", suffix, suffix)(x) == x.min()
        assert reduction("argmax", suffix, "i64")(x) == x.argmax()
        assert reduction("argmin", suffix, "i64")(x) == x.argmin()
        assert reduction("any", suffix, "b1")(x) == x.any()
        assert reduction("all", suffix, "b1")(x) == x.all()
    assert twin(f"sum_{suffix}")(x, 100) == np.sum(x[:100], dtype=np.int64)


def test_empty():
    for suffix, dtype in DTYPES.items():
        x = np.zeros(0, dtype)
        out = suffix if suffix[0] == "f" else "i64"
        assert reduction("sum", suffix, out)(x) == 0 and reduction("prod", suffix, out)(x) == 1
        assert not reduction("any", suffix, "b1")(x) and reduction("all", suffix, "b1")(x)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86 registers")
@pytest.mark.parametrize(
    "name, suffix, instruction",
    [("sum", "f32", "vaddps"), ("sum", "f64", "vaddpd"), ("prod", "f32", "vmulps"),
     ("max", "f32", "v(max|range)ps"), ("min", "f64", "v(min|range)pd"), ("sum", "i8", "vpadd"),
     ("max", "i32", "vpmaxsd")],
)  # fmt: skip
def test_vector_registers(name, suffix, instruction):
    out = suffix if suffix[0] == "f" or name == "max" else "i64"
    asm = reduction(name, suffix, out).function.asm()
    assert re.search(rf"{instruction}\w*\s.*[yz]mm", asm)

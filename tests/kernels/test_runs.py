"""Scans, sorts, gathers and scattered additions over one run."""

import numpy as np
import pytest

from .harness import DTYPES, compiled, same, twin

SUFFIXES = ["f32", "f64", "i8", "i32", "i64", "u8"]


def run_of(suffix, n, seed=2):
    """A few different values, so that equal ones occur; with NaN and infinities for floats."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 50, n)
    if suffix[0] != "f":
        return x.astype(DTYPES[suffix])
    x = x.astype(DTYPES[suffix]) - 20
    if n > 4:
        x[rng.integers(0, n, n // 8)] = np.nan
        x[rng.integers(0, n, 3)] = [np.inf, -np.inf, -0.0]
    return x


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cumulative(suffix):
    params = [("x", f"{suffix}*"), ("sx", "i64"), ("o", f"{suffix}*"), ("so", "i64")]
    for name in ("cumsum", "cumprod"):
        run = compiled(f"{name}_{suffix}(x, hi, sx, o, so)", [f"{name}_{suffix}"], params)
        x, out, python = (
            run_of(suffix, 60),
            np.zeros(60, DTYPES[suffix]),
            np.zeros(60, DTYPES[suffix]),
        )
        run(x, 2, out, 3, 20)
        with np.errstate(all="ignore"):
            want = getattr(np, name)(x[:40:2], dtype=x.dtype)
        assert same(out[::3], want) and not out[1::3].any()
        twin(f"{name}_{suffix}")(x, 20, 2, python, 3)
        assert same(python, out)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable(suffix, descending):
    name = f"sort_{suffix}"
    kinds = [f"{suffix}*", "i64*", f"{suffix}*", "i64*"]
    params = list(zip(["k", "i", "a", "b"], kinds, strict=True))
    run = compiled(f"{name}(k, i, a, b, hi, {descending})", [name], params)
    for n in (0, 1, 2, 15, 16, 17, 33, 100, 1000):
        x = run_of(suffix, n)
        keys, index = x.copy(), np.arange(n)
        run(keys, index, x.copy(), np.arange(n), n)
        order = np.argsort(x, kind="stable")
        if descending:  # equal ones keep their order: sort backwards, then turn round
            order = n - 1 - np.argsort(x[::-1], kind="stable")[::-1]
        assert same(index, order) and same(keys, x[order])
        if n == 100:
            keys, index = x.copy(), np.zeros(n, np.int64)
            twin("fill_index")(index, n)
            twin(name)(keys, index, x.copy(), index.copy(), n, descending)
            assert same(index, order) and same(keys, x[order])

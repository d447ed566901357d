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
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_cumulative_extremes(name, suffix):
    params = [("x", f"{suffix}*"), ("o", f"{suffix}*"), ("i", "i64*")]
    run = compiled(f"{name}_{suffix}(x, hi, 1, o, 1, i, 1)", [f"{name}_{suffix}"], params)
    x, out, index = run_of(suffix, 40), np.zeros(40, DTYPES[suffix]), np.zeros(40, np.int64)
    run(x, out, index, 40)
    extreme = np.maximum if name == "cummax" else np.minimum
    assert (out == extreme.accumulate(x))[~np.isnan(out)].all() and same(x[index], out)
    python, where = np.zeros_like(out), np.zeros_like(index)
    twin(f"{name}_{suffix}")(x, 40, 1, python, 1, where, 1)
    assert same(python, out) and same(where, index)


def test_the_last_of_equals_is_the_running_extreme():
    index = np.zeros(4, np.int64)
    twin("cummax_i64")(np.array([3, 3, 1, 3]), 4, 1, np.zeros(4, np.int64), 1, index, 1)
    assert index.tolist() == [0, 1, 1, 3]


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


def test_check_index_names_the_first_bad_one():
    check = twin("check_index")
    assert check(np.array([0, -3, 2]), 3, 3) == -1
    assert check(np.array([0, 3, -4]), 3, 3) == 1
    assert check(np.array([0, -4, 3]), 3, 3) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_gather_and_scatter_add(suffix):
    rng = np.random.default_rng(3)
    index = rng.integers(-7, 7, 200)
    x = rng.integers(0, 9, (200, 3)).astype(DTYPES[suffix])
    params = [("o", f"{suffix}*"), ("x", f"{suffix}*"), ("i", "i64*")]
    name = f"gather_rows_{suffix}"
    run = compiled(f"{name}(o, x, i, hi, 3, 7)", [name], params)
    rows = np.zeros((200, 3), x.dtype)
    run(rows, x[:7].copy(), index, 200)
    assert same(rows, x[:7][index])

    name = f"scatter_add_rows_{suffix}"
    body = f"{name}(o, x, i, hi, 3, 7, first, last)"
    run = compiled(body, [name], [*params, ("first", "i64"), ("last", "i64")])
    want = np.ones((7, 3), x.dtype)
    np.add.at(want, index, x)
    whole, halves, python = np.ones((3, 7, 3), x.dtype)
    run(whole, x, index, 0, 7, 200)
    run(halves, x, index, 4, 7, 200)
    run(halves, x, index, 0, 4, 200)
    twin(name)(python.ravel(), x.ravel(), index, 200, 3, 7, 0, 7)
    assert same(whole, want) and same(halves, want) and same(python, want)

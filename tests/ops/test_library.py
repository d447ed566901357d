"""Products, gathers, scatters and joins: against NumPy or PyTorch, and both gradient orders."""

import itertools

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ops import FUNCTIONS, RECORDERS
from tests.ops.graphs import check_gradient, leaf, value

rng = np.random.default_rng(21)
INDEX = np.array([[2, 0, 0], [1, 1, 2]])
X = rng.uniform(0.5, 1.5, (3, 4))


@pytest.mark.parametrize(
    "a, b",
    [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2)), ((2, 3, 4), (4, 5)),
     ((2, 3, 4), (2, 4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((2, 1, 3, 4), (5, 4, 2)),
     ((3, 4), (2, 4, 5)), ((2, 3, 4), (1, 4, 5)), ((0, 4), (4, 2)), ((3, 0), (0, 2))],
)  # fmt: skip
def test_matmul_of_every_form(a, b):
    x, y = rng.uniform(-1, 1, a), rng.uniform(-1, 1, b)
    np.testing.assert_allclose(value(FUNCTIONS["matmul"](leaf(x), leaf(y))), x @ y, 1e-12)
    if 0 not in a:
        check_gradient(FUNCTIONS["matmul"], [x, y])


def test_matmul_of_integers_wraps_and_bools_are_refused():
    x = np.array([[100, 100]], np.int8)
    assert value(leaf(x) @ leaf(x.T)).tolist() == [[np.int64(20000).astype(np.int8)]]
    with pytest.raises(RuntimeError, match="matmul: not defined for bool"):
        leaf(np.ones((2, 2), bool)) @ leaf(np.ones((2, 2), bool))


def test_matmul_refusals():
    for a, b, match in [
        ((64, 32), (48, 10), r"\(64, 32\) @ \(48, 10\), 32 != 48"),
        ((), (2,), "at least 1 axis"),
        ((2, 3, 4), (3, 4, 5), "do not broadcast"),
    ]:
        with pytest.raises(RuntimeError, match=match):
            leaf(np.zeros(a)) @ leaf(np.zeros(b))
    with pytest.raises(RuntimeError, match="matmul: dtypes differ"):
        leaf(np.zeros((2, 2))) @ leaf(np.zeros((2, 2), np.float32))
    with pytest.raises(RuntimeError, match="mm: needs operands of 2 and 2 axes"):
        FUNCTIONS["mm"](leaf(np.zeros(2)), leaf(np.zeros((2, 2))))


def test_named_products():
    a, b, v = rng.uniform(-1, 1, (2, 3)), rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 3)
    f, x, y, w = FUNCTIONS, leaf(a), leaf(b), leaf(v)
    np.testing.assert_allclose(value(f["mm"](x, y)), a @ b)
    np.testing.assert_allclose(value(f["mv"](x, w)), a @ v)
    np.testing.assert_allclose(value(f["dot"](w, w)), v @ v)
    np.testing.assert_allclose(value(f["outer"](w, leaf(b[0]))), np.outer(v, b[0]))
    np.testing.assert_allclose(value(f["bmm"](leaf(a[None]), leaf(b[None]))), (a @ b)[None])
    got = f["addmm"](leaf(b[0]), x, y, beta=2, alpha=0.5)
    np.testing.assert_allclose(value(got), 2 * b[0] + 0.5 * a @ b)
    check_gradient(lambda *z: f["addmm"](*z, beta=2, alpha=0.5), [b[0], a, b])


def gathers():
    """(name, function of float operands, operands)."""
    f, i = RECORDERS, leaf(INDEX)
    src = rng.uniform(0.5, 1.5, (2, 3))
    wide = rng.uniform(0.5, 1.5, (3, 4))
    rows = rng.uniform(0.5, 1.5, (2, 3, 4))
    once = leaf(np.array([2, 0]))
    return {
        "gather": (lambda x: f["gather"](x, i, axis=0), [X]),
        "gather along 1": (lambda x: f["gather"](x, i, axis=1), [X]),
        "scatter_add": (lambda x, s: f["scatter_add"](x, i, s, axis=0), [X, src]),
        "scatter_add of a part": (lambda x, s: f["scatter_add"](x, i, s, axis=1), [X, wide]),
        "take": (lambda x: f["take"](x, i), [X]),
        "put_add": (lambda x, s: f["put_add"](x, i, s), [X, rows]),
        "put_rows": (lambda x, s: f["put_rows"](x, once, s), [X, rows[0, :2]]),
        "barrier": (lambda x, y: f["barrier"](x, y) * y, [X, X + 1]),
        "cat": (lambda x, y: f["cat"](x, y, x, axis=1), [X, wide]),
        "scatter": (
            lambda x, s: FUNCTIONS["scatter"](x, leaf(INDEX[:, :1]), s, axis=1), [X, src]
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", gathers())
def test_gradients(name):
    fn, arrays = gathers()[name]
    check_gradient(lambda *xs: fn(*[x * x for x in xs]), arrays, rtol=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_and_scatter_are_pytorchs(axis):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tests.ops.peers import equal

    for dtype in dt.ALL:
        x = (rng.uniform(0, 5, (3, 4)) > 2.5 if dtype.kind == "b" else X * 3).astype(dtype.np)
        s = (X[:2, :3] * 2).astype(dtype.np)
        t, i = torch.from_numpy(x), torch.from_numpy(INDEX)
        f, nodes = FUNCTIONS, (leaf(x), leaf(INDEX), leaf(s))
        equal(value(f["gather"](*nodes[:2], axis=axis)), t.gather(axis, i), 0, f"gather {dtype}")
        if dtype.kind != "b":
            want = t.scatter_add(axis, i, torch.from_numpy(s))
            got = value(f["scatter_add"](*nodes, axis=axis))
            equal(got, want, 1e-6, f"scatter_add {dtype}")


def test_scatter_and_put_rows_let_the_last_one_win():
    x, i = leaf(np.zeros(3)), leaf(np.array([1, 1, 0]))
    src = leaf(np.array([5.0, 6.0, 7.0]))
    assert value(FUNCTIONS["scatter"](x, i, src, axis=0)).tolist() == [7, 6, 0]
    assert value(RECORDERS["put_rows"](x, i, src)).tolist() == [7, 6, 0]


def test_indices_are_checked():
    x, s, bad = leaf(X), leaf(X[:1, :1]), leaf(np.array([[4]]))
    for name, call in {
        "gather": lambda: RECORDERS["gather"](x, bad, axis=1),
        "scatter_add": lambda: RECORDERS["scatter_add"](x, bad, s, axis=0),
        "scatter": lambda: FUNCTIONS["scatter"](x, bad, s, axis=0),
        "take": lambda: RECORDERS["take"](x, bad),
        "put_add": lambda: RECORDERS["put_add"](x, bad, leaf(X[:1, None])),
        "put_rows": lambda: RECORDERS["put_rows"](x, bad, leaf(X[:1, None])),
    }.items():
        node = call()
        with pytest.raises(IndexError, match=f"{name}: index 4 is out of range"):
            value(node)


def test_dtypes_and_shapes_are_checked_when_recorded():
    x, index = leaf(X), leaf(INDEX)
    for call, match in [
        (lambda: RECORDERS["gather"](x, x, axis=0), "gather: the index must be int64"),
        (lambda: RECORDERS["gather"](x, leaf(np.zeros((9, 9), int)), axis=0), "does not fit"),
        (lambda: RECORDERS["cat"](x, leaf(X.astype("f4")), axis=0), "cat: dtypes differ"),
        (lambda: RECORDERS["cat"](x, leaf(X.T), axis=0), "cat: shapes"),
        (lambda: RECORDERS["put_add"](x, index, x), "put_add: rows of shape"),
    ]:
        with pytest.raises(RuntimeError, match=match):
            call()


def test_argsort_is_stable_and_nan_is_largest():
    x = np.array([2.0, np.nan, 1.0, 2.0, -np.inf, np.nan])
    for dtype, down in itertools.product((np.float32, np.float64), (False, True)):
        got = value(RECORDERS["argsort"](leaf(x.astype(dtype)), axis=0, descending=down))
        assert got.tolist() == ([1, 5, 0, 3, 2, 4] if down else [4, 2, 0, 3, 1, 5])

"""Reductions, primitive and composed: against PyTorch, and their gradients of both orders."""

import itertools
import math

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ops import FUNCTIONS, RECORDERS
from jitgrad.ops.scan import linear_scan
from tests.ops.graphs import check_gradient, gradients, leaf, value

SHAPES = [((3, 4, 5), (1,)), ((3, 4, 5), (0, 2)), ((6,), (0,)), ((), ()), ((2, 3), (0, 1))]
EMPTY = [((0, 3), (0,)), ((2, 0), (0,)), ((0,), (0,))]


@pytest.fixture
def peers():
    return pytest.importorskip("tests.ops.peers", reason="torch is not installed")


def draw(dtype, shape, seed=5):
    rng = np.random.default_rng(seed)
    if dtype.kind == "f":
        return rng.uniform(-2, 2, shape).astype(dtype.np)
    return rng.integers(0, 2 if dtype.kind == "b" else 5, shape).astype(dtype.np)


TORCH = {
    "sum": lambda t, x, a: t.sum(x, a, keepdim=True) if a else t.sum(x),
    "max": lambda t, x, a: t.amax(x, a, keepdim=True),
    "min": lambda t, x, a: t.amin(x, a, keepdim=True),
    "any": lambda t, x, a: t.any(x, a, keepdim=True) if a else t.any(x),
    "all": lambda t, x, a: t.all(x, a, keepdim=True) if a else t.all(x),
    "mean": lambda t, x, a: t.mean(x, a, keepdim=True) if a else t.mean(x),
    "var": lambda t, x, a: t.var(x, a, keepdim=True, correction=0),
    "std": lambda t, x, a: t.std(x, a, keepdim=True, correction=0),
    "logsumexp": lambda t, x, a: t.logsumexp(x, a, keepdim=True),
    "norm": lambda t, x, a: t.linalg.vector_norm(x, 2, a, keepdim=True),
}
OPTIONS = {"var": {"correction": 0}, "std": {"correction": 0}}


@pytest.mark.filterwarnings("ignore:.*degrees of freedom.*")
@pytest.mark.parametrize("name", TORCH)
def test_reduction_is_pytorchs(name, peers):
    for dtype, (shape, axes) in itertools.product(dt.ALL, SHAPES + EMPTY):
        if name in ("max", "min") and any(shape[i] == 0 for i in axes):
            continue
        if name == "logsumexp" and (not axes or (dtype is dt.bool_)):
            continue
        x = draw(dtype, shape)
        what = f"{name} {dtype} {shape} over {axes}"
        try:
            want = TORCH[name](peers.torch, peers.tensor(x), axes)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                FUNCTIONS[name](leaf(x), axes=axes)
            continue
        got = value(FUNCTIONS[name](leaf(x), axes=axes, **OPTIONS.get(name, {})))
        peers.equal(got, want.reshape(got.shape), 1e-5, what)


def test_one_axis_reductions(peers):
    for dtype in dt.ALL:
        x = draw(dtype, (3, 4))
        for axis in (0, 1):
            for name in ("prod", "argmax", "argmin"):
                if name != "prod" and dtype is dt.bool_:
                    continue
                want = getattr(peers.torch, name)(peers.tensor(x), axis, keepdim=True)
                got = value(RECORDERS[name](leaf(x), axes=(axis,)))
                if name == "prod" or dtype.kind == "f":  # PyTorch leaves the index of ties open
                    peers.equal(got, want, 1e-5, f"{name} {dtype}")
            for name in ("cumsum", "cumprod"):
                want = getattr(peers.torch, name)(peers.tensor(x), axis)
                peers.equal(value(FUNCTIONS[name](leaf(x), axis=axis)), want, 1e-5, name)
            want = peers.torch.count_nonzero(peers.tensor(x), axis)
            got = value(FUNCTIONS["count_nonzero"](leaf(x), axes=(axis,)))
            peers.equal(got, want.reshape(got.shape), 0, "count_nonzero")


def test_arg_of_nan_and_ties():
    x = leaf(np.array([[1.0, np.nan, np.nan], [2.0, 2.0, 1.0]]))
    assert value(RECORDERS["argmax"](x, axes=(1,))).ravel().tolist() == [1, 0]
    assert value(RECORDERS["argmin"](x, axes=(1,))).ravel().tolist() == [1, 2]
    assert value(RECORDERS["argmax"](x, axes=(0, 1))).ravel().tolist() == [1]
    assert np.isnan(value(RECORDERS["max"](x, axes=(0, 1)))).all()


def test_empty_axes_without_identity_are_refused():
    x = leaf(np.zeros((2, 0)))
    for name in ("max", "min", "argmax", "argmin"):
        with pytest.raises(IndexError, match=f"{name}: axis 1"):
            RECORDERS[name](x, axes=(1,))


X = np.array([[0.7, -1.2, 0.4], [1.9, 0.3, -0.8]])


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "mean", "var", "std", "logsumexp", "softmax",
             "log_softmax", "norm"]
)  # fmt: skip
def test_gradients(name, axes):
    check_gradient(lambda x: FUNCTIONS[name](x, axes=axes), [X])


@pytest.mark.parametrize("p", [1, 2, 3, 0.5, math.inf, -math.inf])
def test_norms(p, peers):
    node = FUNCTIONS["norm"](leaf(X), axes=(1,), p=p)
    want = peers.torch.linalg.vector_norm(peers.tensor(X), p, 1, keepdim=True)
    peers.equal(value(node), want, 1e-12, f"norm {p}")
    check_gradient(lambda x: FUNCTIONS["norm"](x, axes=(1,), p=p), [X])


@pytest.mark.parametrize("name", ["std", "norm"])
def test_gradient_at_zero_is_zero(name):
    x = leaf(np.zeros(3))
    assert not value(gradients(FUNCTIONS[name](x, axes=(0,)), [x])[0]).any()


@pytest.mark.parametrize(
    "x", [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.5, -2.0, 0.5], [4.0]]
)
def test_products_with_zeros(x):
    check_gradient(lambda v: FUNCTIONS["prod"](v, axes=(0,)), [np.array(x)])
    check_gradient(lambda v: FUNCTIONS["cumprod"](v, axis=0), [np.array(x)])


def test_product_over_inner_and_outer_axes():
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 2))
    x[0, 1, 0] = 0
    check_gradient(lambda v: FUNCTIONS["prod"](v, axes=(0, 2)), [x])


def test_scans():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1, 1, (2, 4)), rng.uniform(-1, 1, (2, 4))
    got, h = value(linear_scan(leaf(a), leaf(b), axis=1)), np.zeros(2)
    for t in range(4):
        h = a[:, t] * h + b[:, t]
        np.testing.assert_allclose(got[:, t], h, 1e-14)
    check_gradient(lambda a, b: linear_scan(a, b, axis=1), [a, b])
    check_gradient(lambda v: FUNCTIONS["cumsum"](v, axis=0), [a])


def test_ties_share_the_gradient_of_max():
    x = leaf(np.array([2.0, 2.0, 1.0]))
    grad = gradients(RECORDERS["max"](x, axes=(0,)), [x])[0]
    assert value(grad).tolist() == [0.5, 0.5, 0.0]


def test_logsumexp_of_infinities_and_nothing():
    x = leaf(np.array([[-np.inf, -np.inf], [np.inf, 0.0], [1e4, 1e4]]))
    got = value(FUNCTIONS["logsumexp"](x, axes=(1,))).ravel()
    np.testing.assert_allclose(got, [-np.inf, np.inf, 1e4 + math.log(2)])
    assert value(FUNCTIONS["logsumexp"](leaf(np.zeros((2, 0))), axes=(1,))).tolist() == [
        [-np.inf], [-np.inf]
    ]  # fmt: skip


@pytest.mark.parametrize("descending", [False, True])
def test_order(descending, peers):
    x = np.array([[3.0, np.nan, 1.0, 3.0], [0.0, -1.0, np.inf, 0.0]])
    got, index = map(value, FUNCTIONS["sort"](leaf(x), axis=1, descending=descending))
    want = peers.torch.sort(peers.tensor(x), dim=1, descending=descending, stable=True)
    peers.equal(got, want.values, 0, "sort")
    peers.equal(index, want.indices, 0, "sort")
    got, _ = FUNCTIONS["topk"](leaf(x), 2, axis=1, largest=descending)
    want = peers.torch.topk(peers.tensor(x), 2, 1, descending)
    peers.equal(value(got), want.values, 0, "topk")
    with pytest.raises(RuntimeError, match="topk: k = 5"):
        FUNCTIONS["topk"](leaf(x), 5, axis=1)


def test_gradients_through_order():
    x = np.array([[0.7, -1.2, 0.4], [1.9, 0.3, -0.8]])
    check_gradient(lambda v: FUNCTIONS["sort"](v, axis=1)[0], [x])
    check_gradient(lambda v: FUNCTIONS["topk"](v, 2, axis=1)[0], [x])
    check_gradient(lambda v: FUNCTIONS["max_along"](v, axis=0)[0], [x])
    check_gradient(lambda v: FUNCTIONS["min_along"](v, axis=0)[0], [x])

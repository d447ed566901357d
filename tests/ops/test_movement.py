"""Movement ops, writes through views and the arrangements composed of them."""

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ops import FUNCTIONS, RECORDERS
from jitgrad.ops.arrange import diagonal_chain
from jitgrad.ops.library import write
from jitgrad.ops.movement import apply_chain, expand, permute, reshape, slice_
from tests.ops.graphs import check_gradient, leaf, value

X = np.arange(24, dtype=np.float64).reshape(2, 3, 4) + 0.5


def test_movements_are_numpys():
    x = leaf(X)
    assert (value(reshape(x, shape=(4, 6))) == X.reshape(4, 6)).all()
    assert (value(permute(x, order=(2, 0, 1))) == X.transpose(2, 0, 1)).all()
    got = value(slice_(x, starts=(1, 2, 0), steps=(1, -1, 2), sizes=(1, 3, 2)))
    assert (got == X[1:, ::-1, ::2]).all()
    thin = leaf(X[:, :1])
    assert (value(expand(thin, shape=(2, 5, 4))) == np.broadcast_to(X[:, :1], (2, 5, 4))).all()


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: reshape(x, shape=(4, 6)),
        lambda x: permute(x, order=(2, 0, 1)),
        lambda x: slice_(x, starts=(1, 2, 0), steps=(1, -1, 2), sizes=(1, 3, 2)),
        lambda x: expand(reshape(x, shape=(1, 24)), shape=(3, 24)),
        lambda x: FUNCTIONS["pad"](x, ((1, 0), (0, 2), (-1, 1)), 3.0),
        lambda x: FUNCTIONS["roll"](x, (1, -1), (0, 2)),
        lambda x: FUNCTIONS["tril"](x, 1),
        lambda x: FUNCTIONS["triu"](x),
        lambda x: FUNCTIONS["diagonal"](x, 1, 0, 2),
        lambda x: FUNCTIONS["diag_embed"](x, -1),
        lambda x: FUNCTIONS["flip"](x, (0, 2)),
        lambda x: FUNCTIONS["repeat"](x, (2, 1, 2, 1)),
        lambda x: FUNCTIONS["stack"]((x, x), axis=1),
    ],
)  # fmt: skip
def test_gradients(fn):
    check_gradient(lambda x: fn(x * x), [X[:, :, :] / 10], rtol=1e-4)


def test_refusals():
    x = leaf(X)
    for call, match in [
        (lambda: reshape(x, shape=(5, 5)), "reshape: shape .* 24 elements"),
        (lambda: expand(x, shape=(4, 3, 4)), "expand: shape"),
        (lambda: x + leaf(np.zeros(3)), r"add: shapes \(2, 3, 4\) and \(3,\) do not broadcast"),
        (lambda: FUNCTIONS["pad"](x, ((0, 0), (-2, -2), (0, 0))), "pad: widths"),
        (lambda: FUNCTIONS["stack"]((x, leaf(np.zeros(3))), axis=0), "stack: shapes differ"),
        (lambda: FUNCTIONS["tril"](leaf(np.zeros(3))), "tril: needs at least 2"),
    ]:
        with pytest.raises(RuntimeError, match=match):
            call()


@pytest.mark.parametrize(
    "chain",
    [
        (("slice", ((0, 1, 0), (1, 1, 2), (2, 2, 2))),),
        (("permute", ((2, 1, 0),)), ("slice", ((3, 0, 0), (-2, 1, 1), (2, 3, 1)))),
        (("reshape", ((6, 4),)), ("slice", ((5, 0), (-5, 1), (2, 4)))),
        diagonal_chain((2, 3, 4), 1, 1, 2),
    ],
)
def test_writes_through_views(chain):
    view = value(apply_chain(leaf(X), chain))
    new = np.random.default_rng(2).uniform(1, 2, view.shape)
    out = value(write(leaf(X), leaf(new), chain=chain))
    assert (value(apply_chain(leaf(out), chain)) == new).all()
    assert (out != X).sum() == new.size
    check_gradient(lambda x, v: write(x * x, v * v, chain=chain), [X / 10, new], rtol=1e-4)


def test_arrangements_are_pytorchs():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tests.ops.peers import equal

    t, x = torch.from_numpy(X), leaf(X)
    pairs = [
        (FUNCTIONS["roll"](x, (1, -5), (0, 2)), torch.roll(t, (1, -5), (0, 2))),
        (FUNCTIONS["flip"](x, (0, 2)), torch.flip(t, (0, 2))),
        (FUNCTIONS["repeat"](x, (2, 1, 2, 3)), t.repeat(2, 1, 2, 3)),
        (FUNCTIONS["stack"]((x, x), axis=3), torch.stack((t, t), 3)),
        (FUNCTIONS["pad"](x, ((1, 0), (0, 2), (-1, 1)), 3.0),
         torch.nn.functional.pad(t, (-1, 1, 0, 2, 1, 0), value=3.0)),
    ]  # fmt: skip
    for k in (-4, -1, 0, 2, 9):
        pairs += [
            (FUNCTIONS["tril"](x, k), torch.tril(t, k)),
            (FUNCTIONS["triu"](x, k), torch.triu(t, k)),
        ]
        if -2 <= k <= 4:
            pairs.append((FUNCTIONS["diagonal"](x, k, 0, 2), torch.diagonal(t, k, 0, 2)))
        pairs.append((FUNCTIONS["diag_embed"](x, k), torch.diag_embed(t, k)))
        v = X[0, 0]
        pairs.append((FUNCTIONS["diag"](leaf(v), k), torch.diag(torch.from_numpy(v), k)))
    for got, want in pairs:
        equal(value(got), want, 0, str(got))
    for dtype in dt.ALL:
        y = np.ones((3, 3), dtype.np)
        equal(value(FUNCTIONS["tril"](leaf(y))), torch.from_numpy(y).tril(), 0, f"tril {dtype}")


def test_one_hot():
    index = leaf(np.array([[0, 2], [1, 1]]))
    assert (value(FUNCTIONS["one_hot"](index, 3)) == np.eye(3)[[[0, 2], [1, 1]]]).all()
    with pytest.raises(IndexError, match="one_hot: index 2 is out of range for size 2"):
        value(FUNCTIONS["one_hot"](index, 2))


def test_iota():
    from jitgrad.ir.apply import make_source

    node = make_source("iota", shape=(2, 3), axis=1)
    assert value(node).tolist() == [[0, 1, 2]] * 2
    assert RECORDERS["iota"].op.kind == "source"

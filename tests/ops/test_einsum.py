"""Einstein sums against NumPy's, their gradients, and refusals."""

import numpy as np
import pytest

from jitgrad.ops import FUNCTIONS
from tests.ops.graphs import check_gradient, leaf, value

einsum = FUNCTIONS["einsum"]
rng = np.random.default_rng(8)

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("i,i->", (4,), (4,)), ("i,j->ij", (2,), (3,)), ("ij->ji", (2, 3)), ("ij->", (2, 3)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("iij->j", (2, 2, 3)), ("ij,ij->ij", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (2, 5, 3, 4), (5, 4, 2)), ("...ij,jk", (2, 3, 4), (4, 2)),
    ("i...,i...->...", (3, 2, 2), (3, 2, 2)), ("bhqd,bhkd->bhqk", (1, 2, 3, 4), (1, 2, 2, 4)),
    ("ab,bc,cd->ad", (2, 3), (3, 2), (2, 4)), ("ab,cb,db->acd", (2, 3), (2, 3), (4, 3)),
    ("ijk,k->i", (2, 3, 4), (4,)), ("b a, a -> b", (2, 3), (3,)), ("ij,kl->", (2, 2), (2, 3)),
    ("iijj->ij", (2, 2, 3, 3)), ("...->...", (2, 3)), (",i->i", (), (3,)),
    ("Ba,aB->B", (2, 3), (3, 2)),
]  # fmt: skip


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in CASES], ids=lambda v: str(v))
def test_sums(equation, shapes):
    arrays = [rng.uniform(-1, 1, s) for s in shapes]
    got = value(einsum(equation, *map(leaf, arrays)))
    want = np.einsum(equation, *arrays)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, 1e-12, 1e-14)


@pytest.mark.parametrize(
    "equation, shapes", [CASES[k][:1] + (CASES[k][1:],) for k in (2, 8, 11, 15)]
)
def test_gradients(equation, shapes):
    check_gradient(lambda *x: einsum(equation, *x), [rng.uniform(-1, 1, s) for s in shapes])


def test_axes_of_size_1_broadcast_as_in_pytorch():
    a, b = rng.uniform(-1, 1, (1, 3)), rng.uniform(-1, 1, (2, 3))
    np.testing.assert_allclose(value(einsum("ij,ij->ij", leaf(a), leaf(b))), a * b)
    np.testing.assert_allclose(value(einsum("ij,ij->j", leaf(a), leaf(b))), (a * b).sum(0))


@pytest.mark.parametrize(
    "equation, shapes, match",
    [
        ("ij,jk->ik", [(2, 3), (4, 5)], "axis 'j' has sizes 3 and 4"),
        ("ij->ik", [(2, 3)], "the output names an axis no operand has"),
        ("ij", [(2, 3), (2, 3)], "names 1 operands, 2 were given"),
        ("ij->ii", [(2, 3)], "names an axis twice"),
        ("i", [(2, 3)], "does not name the 2 axes"),
        ("i1->i", [(2, 3)], "axes are letters"),
        ("ii", [(2, 3)], "axis 'i' has sizes 2 and 3"),
    ],
)
def test_refusals(equation, shapes, match):
    with pytest.raises(RuntimeError, match=match):
        einsum(equation, *[leaf(np.zeros(s)) for s in shapes])

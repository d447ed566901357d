"""What is no Tensor, given to functions and Modules: the message names op, argument and remedy."""

import warnings

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F

ARRAY = "numpy.ndarray; jitgrad.from_numpy(x) makes one"
GIVEN = {
    "array": (np.ones((2, 3), np.float32), ARRAY),
    "None": (None, "None"),
    "list": ([[1.0, 2.0, 3.0]] * 2, "list; jitgrad.tensor(x) makes one"),
    "float": (2.0, "float; jitgrad.tensor(x) makes one"),
}

t = torch.ones(2, 3)
classes = torch.tensor([0, 1])

FIRST = {
    "linear": lambda x: F.linear(x, torch.ones(4, 3)),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "rms_norm": lambda x: F.rms_norm(x, (3,)),
    "batch_norm": nn.BatchNorm1d(3),
    "dropout": F.dropout,
    "gelu": F.gelu,
    "silu": F.silu,
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "mse_loss": lambda x: F.mse_loss(x, t),
    "l1_loss": lambda x: F.l1_loss(x, t),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, t),
    "huber_loss": lambda x: F.huber_loss(x, t),
    "cross_entropy": lambda x: F.cross_entropy(x, classes),
    "nll_loss": lambda x: F.nll_loss(x, classes),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, t),
    "embedding": lambda x: F.embedding(x, t),
    "normalize": F.normalize,
    "flatten": nn.Flatten(),
    "reshape": lambda x: torch.reshape(x, (3, 2)),
    "transpose": lambda x: torch.transpose(x, 0, 1),
    "split": lambda x: torch.split(x, 1),
    "select": lambda x: torch.select(x, 0, 1),
    "sum": torch.sum,
    "mean": torch.mean,
    "norm": torch.norm,
    "topk": lambda x: torch.topk(x, 1),
    "cumsum": lambda x: torch.cumsum(x, 0),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
    "gather": lambda x: torch.gather(x, 0, torch.zeros(1, 1, dtype=torch.int64)),
    "bmm": lambda x: torch.bmm(x, t),
    "matmul": lambda x: torch.matmul(x, t),
    "zeros_like": torch.zeros_like,
    "rand_like": torch.rand_like,
}
OTHERS = {
    "linear: weight": lambda x: F.linear(t, x),
    "mse_loss: target": lambda x: F.mse_loss(t, x),
    "cross_entropy: target": lambda x: F.cross_entropy(t, x),
    "bmm: other": lambda x: torch.bmm(torch.ones(1, 2, 3), x),
    "matmul: other": lambda x: torch.matmul(t, x),
    "gather: index": lambda x: torch.gather(t, 0, x),
    "cat: tensors[1]": lambda x: torch.cat([t, x]),
    "stack: tensors[0]": lambda x: torch.stack((x, t)),
    "einsum: operands[1]": lambda x: torch.einsum("ij,jk->ik", t, x),
    "broadcast_tensors: tensors[0]": lambda x: torch.broadcast_tensors(x, t),
}
CASES = {f"{name}: input": fn for name, fn in FIRST.items()} | OTHERS


@pytest.mark.parametrize(
    ("case", "given"),
    [(c, g) for c in CASES for g in GIVEN if (c, g) != ("linear: weight", "None")],
)
def test_names_the_argument_and_the_remedy(case, given):
    value, got = GIVEN[given]
    if (case, given) == ("gather: index", "float"):
        value = 2.5
    with pytest.raises(TypeError) as caught:
        CASES[case](value)
    assert str(caught.value) == f"{case} must be a Tensor, got {got}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("fn", [torch.relu, F.relu, nn.ReLU(), lambda x: torch.clamp(x, 0, 1)])
def test_operands_may_be_numbers_but_not_all(fn):
    with pytest.raises(TypeError, match=r"input must be a Tensor or a number, got numpy.ndarray; "):
        fn(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="none of its operands is a Tensor; jitgrad.tensor"):
        fn(2.0)


def test_other_failures_stay_as_they_are():
    with pytest.raises(RuntimeError, match=r"linear: an input of shape \(2, 3\)"):
        F.linear(t, torch.ones(4, 2))
    with pytest.raises(IndexError, match="select: index 5"):
        torch.select(t, 0, 5)
    with pytest.raises(RuntimeError, match="do not broadcast"):
        torch.lerp(t, torch.ones(2), 0.5)
    with pytest.raises(RuntimeError, match="do not broadcast"):
        torch.where(torch.ones(2, 2) > 0, 1.0, t)
    with pytest.raises(TypeError, match="argument"):
        torch.sum()


def test_warnings_name_the_line_of_the_use():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        F.mse_loss(t, torch.ones(1, 3))
        F.kl_div(t, t)
        F.mse_loss(t, t, size_average=True)
        F.softmax(t)
    assert [w.filename for w in told] == [__file__] * 4

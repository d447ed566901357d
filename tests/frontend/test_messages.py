"""Wrong programs are told the operation, the shapes or dtypes, and the reason."""

import warnings

import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F

WRONG = {
    "bool-neg": (lambda: -torch.ones(2).bool(), r"neg: .*bool; invert a mask with ~"),
    "bool-sub": (lambda: torch.ones(2).bool() - torch.ones(2).bool(), r"sub: .*bool; use \^"),
    "linear": (lambda: nn.Linear(3, 4)(torch.ones(5, 2)), r"linear: .*\(5, 2\).* 3 .*\(4, 3\)"),
    "linear-0d": (lambda: nn.Linear(3, 4)(torch.tensor(1.0)), r"linear: .*\(\).* 3 .*\(4, 3\)"),
    "bmm": (
        lambda: torch.bmm(torch.ones(2, 3, 4), torch.ones(3, 4, 5)),
        r"matmul: batch axes differ: \(2, 3, 4\) @ \(3, 4, 5\), \(2,\) != \(3,\)",
    ),
    "multinomial": (
        lambda: torch.multinomial(torch.ones(2), 3),
        r"multinomial: cannot draw 3 samples without replacement from the 2 weights",
    ),
    "target": (
        lambda: F.cross_entropy(torch.ones(2, 3), torch.ones(2, dtype=torch.int32)),
        r"cross_entropy: .*int64, not jitgrad.int32",
    ),
}

NO_VALUES = {
    "embedding": (
        lambda: F.embedding(torch.tensor([0.5]), torch.ones(2, 2)),
        RuntimeError,
        "embedding: indices must be int64 or int32, not jitgrad.float32",
    ),
    "where": (lambda: torch.where(torch.ones(2), 1, 2), RuntimeError, "where: .* bool, not .*32"),
    "number": (lambda: torch.ones(2) * 10**400, OverflowError, "int too large to convert to float"),
    "normal": (lambda: torch.normal(0.0, -1.0, (2,)), RuntimeError, "normal: expects std >= 0"),
    "normal_": (lambda: torch.ones(2).normal_(0, -1), RuntimeError, "normal_: expects std >= 0"),
    "random_": (lambda: torch.ones(2).random_(3, 1), RuntimeError, "random_: .*3 >= to = 1"),
    "full": (lambda: torch.full((2,), "a"), TypeError, "full: fill_value must be a number"),
    "sum": (lambda: torch.ones(2).sum(dtype="float"), TypeError, "sum: dtype must be a jitgrad"),
    "softmax": (lambda: torch.ones(2).softmax(), TypeError, "softmax: missing argument dim"),
    "sizes": (lambda: nn.Linear(2.5, 1), TypeError, r"sizes must be integers, not \(1, 2.5\)"),
}


NOT_HERE = {
    "zeros: layout": lambda: torch.zeros(2, layout="sparse_coo"),
    "empty: memory_format": lambda: torch.empty(2, 3, memory_format="channels_last"),
    "full_like: memory_format": lambda: torch.full_like(torch.ones(2), 1, memory_format=1),
    "tensor: pin_memory": lambda: torch.tensor([1.0], pin_memory=True),
    "rand: pin_memory": lambda: torch.rand(2, pin_memory=True),
    "randn_like: pin_memory": lambda: torch.randn_like(torch.ones(2), pin_memory=True),
    "arange: out": lambda: torch.arange(3, out=torch.ones(3)),
    "exp: out": lambda: torch.exp(torch.ones(3), out=torch.ones(3)),
    "ones: pin_memory": lambda: torch.ones(1).new_ones(2, pin_memory=True),
    "to: memory_format": lambda: torch.ones(2).to(memory_format="channels_last"),
    "float: memory_format": lambda: torch.ones(2).float(memory_format="channels_last"),
    "clone: memory_format": lambda: torch.ones(2).clone(memory_format="channels_last"),
    "is_contiguous: memory_format": lambda: torch.ones(2).contiguous(memory_format="x"),
}


@pytest.mark.parametrize("name", NOT_HERE)
def test_what_asks_for_another_memory_is_refused_by_name(name):
    with pytest.raises(NotImplementedError, match=f"{name} can only be"):
        NOT_HERE[name]()


@pytest.mark.parametrize("name", NO_VALUES)
def test_arguments_are_refused_when_they_are_given(name):
    run, kind, text = NO_VALUES[name]
    with pytest.raises(kind, match=text):
        run()


def test_cross_entropy_of_what_is_no_probability_is_nan():
    loss = F.binary_cross_entropy(
        torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 0.0, 1.0]), reduction="none"
    )
    assert loss.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("name", WRONG)
def test_the_message_says_why(name):
    run, text = WRONG[name]
    with pytest.raises(RuntimeError, match=text):
        run()


def test_reading_the_gradient_of_a_result_warns():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match=r"shape \(2,\).*retain_grad") as seen:
        assert y.grad is None
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.grad is None
        y.retain_grad()
        assert y.grad is None


@pytest.mark.parametrize("kind", [int, float, complex])
def test_only_one_element_is_a_number(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: .* one of shape \(2,\)"):
        kind(torch.ones(2))


def test_numpy_names_of_axes():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.sum(axis=0).tolist() == x.sum(dim=0).tolist()
    assert torch.cat([x, x], axis=1).shape == (2, 6)
    assert x.max(axis=1, keepdims=True).values.tolist() == [[2.0], [5.0]]
    with pytest.raises(TypeError, match="mean: the same argument under two names"):
        x.mean(dim=0, axis=0)
    with pytest.raises(TypeError, match="axs"):
        x.sum(axs=0)

"""cross_entropy and nll_loss against a plain loop over the elements and against PyTorch."""

import itertools

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.nn import functional as F

SHAPES = [((5,), ()), ((6, 5), (6,)), ((2, 5, 3), (2, 3)), ((2, 5, 2, 2), (2, 2, 2))]
# Every pair of settings stands in one of these.
SETTINGS = [
    ("mean", False, 0.0),
    ("mean", True, 0.2),
    ("sum", False, 0.2),
    ("sum", True, 0.0),
    ("none", True, 0.2),
    ("none", False, 0.0),
]


def log_softmax(x, axis):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def by_element(x, target, weight, ignore, reduction, smoothing=0.0):
    """The definition: every element's loss by itself."""
    dim = 0 if x.ndim == 1 else 1
    p = np.moveaxis(log_softmax(x, dim), dim, -1)
    classes = p.shape[-1]
    w = np.ones(classes) if weight is None else weight
    loss, factor = np.zeros(target.shape), np.zeros(target.shape)
    for at in np.ndindex(*target.shape):
        c = target[at]
        if c != ignore:
            loss[at] = -(1 - smoothing) * w[c] * p[at][c] - smoothing / classes * (w * p[at]).sum()
            factor[at] = w[c]
    if reduction == "none":
        return loss
    return loss.sum() / (factor.sum() if reduction == "mean" else 1)


def draw(shape, target_shape, ignore=None):
    rng = np.random.default_rng(len(shape))
    x = rng.standard_normal(shape)
    target = rng.integers(0, 5, target_shape)
    if ignore is not None and target.ndim:
        target.flat[0] = ignore
    return x, target, rng.random(5) + 0.5


CASES = [(*SHAPES[1], *setting) for setting in SETTINGS]
CASES += [(*shapes, *setting) for shapes in SHAPES[::2] for setting in SETTINGS[1:3]]
CASES += [(*SHAPES[3], *SETTINGS[1])]


@pytest.mark.parametrize("shape, target_shape, reduction, weighted, smoothing", CASES)
def test_definition(shape, target_shape, reduction, weighted, smoothing, numgrad):
    x, target, w = draw(shape, target_shape, ignore=-100)
    w = w if weighted else None
    leaf = jg.tensor(x, requires_grad=True)
    loss = F.cross_entropy(
        leaf,
        jg.tensor(target),
        None if w is None else jg.tensor(w),
        reduction=reduction,
        label_smoothing=smoothing,
    )
    expected = by_element(x, target, w, -100, reduction, smoothing)
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-10)
    loss.sum().backward()
    gradient = numgrad(lambda a: by_element(a, target, w, -100, reduction, smoothing).sum(), [x], 0)
    np.testing.assert_allclose(leaf.grad.numpy(), gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("shape, target_shape", SHAPES)
def test_equals_torch(shape, target_shape, torch):
    x, target, w = draw(shape, target_shape, ignore=2)
    x, w = x.astype("f4"), w.astype("f4")
    settings = SETTINGS if len(shape) == 2 else SETTINGS[:2]
    for (reduction, weighted, smoothing), ignore in itertools.product(settings, [-100, 2]):
        weight = w if weighted else None
        results = []
        for module in (jg, torch):
            leaf = module.tensor(x, requires_grad=True)
            loss = module.nn.functional.cross_entropy(
                leaf,
                module.tensor(target),
                None if weight is None else module.tensor(weight),
                ignore_index=ignore,
                reduction=reduction,
                label_smoothing=smoothing,
            )
            loss.sum().backward()
            results.append((loss.detach().numpy(), leaf.grad.numpy()))
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("reduction, weighted", [("mean", True), ("sum", False), ("none", True)])
def test_probabilities(reduction, weighted, numgrad):
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 5, 3)), rng.random(5) + 0.5
    target = rng.random((2, 5, 3))
    w = w if weighted else np.ones(5)

    def formula(x, target):
        mixed = target * 0.9 + 0.1 / 5
        loss = -(log_softmax(x, 1) * mixed * w[:, None]).sum(1)
        return {"none": loss, "sum": loss.sum(), "mean": loss.mean()}[reduction]

    leaves = [jg.tensor(a, requires_grad=True) for a in (x, target)]
    weight = jg.tensor(w) if weighted else None
    loss = F.cross_entropy(*leaves, weight, reduction=reduction, label_smoothing=0.1)
    np.testing.assert_allclose(loss.detach().numpy(), formula(x, target), rtol=1e-10)
    loss.sum().backward()
    for i, leaf in enumerate(leaves):
        expected = numgrad(lambda *a: formula(*a).sum(), [x, target], i)
        np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-5, atol=1e-8)


def test_large_logits():
    x = jg.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, jg.tensor([0, 1]), reduction="none")
    assert loss.tolist() == [0.0, 0.0]
    loss.sum().backward()
    assert x.grad.abs().sum().item() == 0


def test_masked_class():
    x = jg.tensor([[0.0, -float("inf"), 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, jg.tensor([0]))
    assert abs(loss.item() - np.log(2)) < 1e-6
    loss.backward()
    assert x.grad.tolist() == [[-0.5, 0.0, 0.5]]


def test_all_ignored():
    x = jg.zeros(2, 3)
    target = jg.tensor([-100, -100])
    assert np.isnan(F.cross_entropy(x, target).item())
    assert F.cross_entropy(x, target, reduction="sum").item() == 0


def test_nll_loss():
    logp = jg.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    assert F.nll_loss(logp, jg.tensor([1, 0])).item() == 2.5
    assert F.nll_loss(logp, jg.tensor([1, 0]), ignore_index=0).item() == 2.0


@pytest.mark.parametrize("target", [[0, 3], [-1, 0], [5_000_000_000, 0]])
def test_index_out_of_range(target):
    with pytest.raises(IndexError):
        F.cross_entropy(jg.zeros(2, 3), jg.tensor(target)).item()


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x, t: F.cross_entropy(x, t[:1]), ValueError, "batch_size"),
        (lambda x, t: F.cross_entropy(x, t.float()), RuntimeError, "class indices in int64, not"),
        (lambda x, t: F.cross_entropy(x, t.unsqueeze(0)), RuntimeError, "Expected target"),
        (lambda x, t: F.cross_entropy(x, t, jg.ones(2)), RuntimeError, "all 3 classes"),
        (lambda x, t: F.cross_entropy(x, t, label_smoothing=2), RuntimeError, "label_smoothing"),
        (lambda x, t: F.cross_entropy(x, t, reduction="max"), ValueError, "max is not a valid"),
        (lambda x, t: F.cross_entropy(x, x, ignore_index=1), RuntimeError, "ignore_index"),
        (lambda x, t: F.cross_entropy(x, x.long()), RuntimeError, "floating point"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(jg.zeros(2, 3), jg.tensor([0, 1]))

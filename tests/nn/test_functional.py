"""nn.functional against its formulas (value and gradient) and, where installed, against PyTorch."""

import math

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.nn import functional as F


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


erf = np.vectorize(math.erf)


def layer_norm(x, axes, eps, w=1.0, b=0.0):
    c = x - x.mean(axes, keepdims=True)
    return c / np.sqrt((c * c).mean(axes, keepdims=True) + eps) * w + b


def rms_norm(x, axes, eps, w=1.0):
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + eps) * w


def tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def smooth(a, b, beta):
    d = np.abs(a - b)
    return np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def huber(a, b, delta):
    d = np.abs(a - b)
    return np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def bce(x, t):
    return -(t * np.log(x) + (1 - t) * np.log(1 - x))


ROWS = (3, 5)
# name, call of the function, its formula in NumPy, shapes of the float arguments
CASES = [
    (
        "linear",
        lambda F, x, w, b: F.linear(x, w, b),
        lambda x, w, b: x @ w.T + b,
        [(2, 3, 5), (4, 5), (4,)],
    ),
    ("linear_no_bias", lambda F, x, w: F.linear(x, w), lambda x, w: x @ w.T, [ROWS, (4, 5)]),
    ("relu", lambda F, x: F.relu(x), lambda x: np.maximum(x, 0), [ROWS]),
    (
        "leaky_relu",
        lambda F, x: F.leaky_relu(x, 0.1),
        lambda x: np.where(x > 0, x, 0.1 * x),
        [ROWS],
    ),
    ("elu", lambda F, x: F.elu(x, 1.5), lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)), [ROWS]),
    ("silu", lambda F, x: F.silu(x), lambda x: x * sigmoid(x), [ROWS]),
    ("tanh", lambda F, x: F.tanh(x), np.tanh, [ROWS]),
    ("sigmoid", lambda F, x: F.sigmoid(x), sigmoid, [ROWS]),
    (
        "softplus",
        lambda F, x: F.softplus(x, 2.0, 3.0),
        lambda x: np.where(2 * x > 3, x, np.log1p(np.exp(2 * x)) / 2),
        [ROWS],
    ),
    ("gelu", lambda F, x: F.gelu(x), lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))), [ROWS]),
    ("gelu_tanh", lambda F, x: F.gelu(x, approximate="tanh"), tanh_gelu, [ROWS]),
    ("softmax", lambda F, x: F.softmax(x, dim=0), lambda x: softmax(x, 0), [ROWS]),
    (
        "log_softmax",
        lambda F, x: F.log_softmax(x, dim=-1),
        lambda x: np.log(softmax(x, -1)),
        [ROWS],
    ),
    ("layer_norm", lambda F, x: F.layer_norm(x, (4,)), lambda x: layer_norm(x, -1, 1e-5), [(3, 4)]),
    (
        "layer_norm_affine",
        lambda F, x, w, b: F.layer_norm(x, (2, 3), w, b, 1e-2),
        lambda x, w, b: layer_norm(x, (-2, -1), 1e-2, w, b),
        [(4, 2, 3), (2, 3), (2, 3)],
    ),
    (
        "rms_norm",
        lambda F, x, w: F.rms_norm(x, [4], w, 1e-2),
        lambda x, w: rms_norm(x, -1, 1e-2, w),
        [(3, 4), (4,)],
    ),
    (
        "normalize",
        lambda F, x: F.normalize(x, dim=0),
        lambda x: x / np.linalg.norm(x, axis=0),
        [ROWS],
    ),
    ("mse", lambda F, a, b: F.mse_loss(a, b), lambda a, b: ((a - b) ** 2).mean(), [ROWS, ROWS]),
    (
        "mse_sum",
        lambda F, a, b: F.mse_loss(a, b, reduction="sum"),
        lambda a, b: ((a - b) ** 2).sum(),
        [ROWS, ROWS],
    ),
    (
        "mse_weight",
        lambda F, a, b, w: F.mse_loss(a, b, weight=w),
        lambda a, b, w: ((a - b) ** 2 * w).sum() / w.sum(),
        [ROWS, ROWS, ROWS],
    ),
    (
        "l1",
        lambda F, a, b: F.l1_loss(a, b, reduction="none"),
        lambda a, b: np.abs(a - b),
        [ROWS, ROWS],
    ),
    (
        "smooth_l1",
        lambda F, a, b: F.smooth_l1_loss(a, b, beta=0.7),
        lambda a, b: smooth(a, b, 0.7).mean(),
        [ROWS, ROWS],
    ),
    (
        "huber",
        lambda F, a, b: F.huber_loss(a, b, delta=0.7),
        lambda a, b: huber(a, b, 0.7).mean(),
        [ROWS, ROWS],
    ),
    (
        "kl_div",
        lambda F, x, t: F.kl_div(x, t.exp(), reduction="batchmean"),
        lambda x, t: (np.exp(t) * (t - x)).sum() / len(x),
        [ROWS, ROWS],
    ),
    (
        "kl_div, log",
        lambda F, x, t: F.kl_div(x, t, reduction="none", log_target=True),
        lambda x, t: np.exp(t) * (t - x),
        [ROWS, ROWS],
    ),
    (
        "bce",
        lambda F, x, t: F.binary_cross_entropy(x.sigmoid(), t.sigmoid()),
        lambda x, t: bce(sigmoid(x), sigmoid(t)).mean(),
        [ROWS, ROWS],
    ),
    (
        "bce_logits",
        lambda F, x, t: F.binary_cross_entropy_with_logits(x, t),
        lambda x, t: bce(sigmoid(x), t).mean(),
        [ROWS, ROWS],
    ),
    (
        "bce_logits_weights",
        lambda F, x, t, w, p: F.binary_cross_entropy_with_logits(
            x, t, w, pos_weight=p, reduction="sum"
        ),
        lambda x, t, w, p: (
            -w * (p * t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x)))
        ).sum(),
        [ROWS, ROWS, (5,), (5,)],
    ),
]
FIXED_IN_TORCH = {"bce_logits_weights": (2, 3)}  # arguments that PyTorch does not differentiate
each = pytest.mark.parametrize("name, call, formula, shapes", CASES, ids=[c[0] for c in CASES])


def draw(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) * 1.5 for shape in shapes]


def leaves(module, arrays):
    return [module.tensor(a, requires_grad=True) for a in arrays]


@each
def test_formula_and_gradient(name, call, formula, shapes, numgrad):
    arrays = draw(shapes)
    tensors = leaves(jg, arrays)
    output = call(F, *tensors)
    np.testing.assert_allclose(output.detach().numpy(), formula(*arrays), rtol=1e-9, atol=1e-12)
    seed = np.cos(np.arange(output.numel())).reshape(tuple(output.shape))
    output.backward(jg.tensor(seed))
    for i, tensor in enumerate(tensors):
        expected = numgrad(lambda *a: (formula(*a) * seed).sum(), arrays, i)
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=2e-5, atol=2e-7)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_torch(name, call, formula, shapes, dtype, torch):
    arrays = [a.astype(dtype) for a in draw(shapes, seed=1)]
    ours, theirs = leaves(jg, arrays), leaves(torch, arrays)
    for i in FIXED_IN_TORCH.get(name, ()):
        ours[i], theirs[i] = ours[i].detach(), theirs[i].detach()
    output, expected = call(F, *ours), call(torch.nn.functional, *theirs)
    rtol = 3e-5 if dtype == "float32" else 1e-10  # sums of exponentials in another order
    assert output.detach().numpy().dtype == dtype and tuple(output.shape) == tuple(expected.shape)
    np.testing.assert_allclose(output.detach().numpy(), expected.detach().numpy(), rtol, rtol / 10)
    output.sum().backward()
    expected.sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        if a.requires_grad:
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol, rtol / 5)


EDGES = [0.0, -0.0, 100.0, -100.0, math.inf, -math.inf, math.nan]


def test_gelu_with_tanh_keeps_its_digits_where_tanh_is_near_minus_one():
    x = jg.linspace(-9, -2, 71).requires_grad_()
    y = F.gelu(x, approximate="tanh")
    (slope,) = jg.autograd.grad(y.sum(), x)
    wide = x.detach().numpy().astype(np.float64)
    cdf = sigmoid(math.sqrt(8 / math.pi) * (wide + 0.044715 * wide**3))
    density = cdf * (1 - cdf) * math.sqrt(8 / math.pi) * (1 + 0.134145 * wide**2)
    np.testing.assert_allclose(y.detach().numpy(), wide * cdf, 3e-5)  # 1e-7 times |2 u|, 60 there
    np.testing.assert_allclose(slope.numpy(), cdf + wide * density, 3e-5)


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "elu", "silu", "softplus", "gelu", "tanh", "sigmoid"]
)
def test_edges_equal_torch(name, torch):
    ours = jg.tensor(EDGES, requires_grad=True)
    theirs = torch.tensor(EDGES, requires_grad=True)
    output, expected = getattr(F, name)(ours), getattr(torch.nn.functional, name)(theirs)
    np.testing.assert_allclose(output.detach().numpy(), expected.detach().numpy(), 1e-6, 1e-38)
    output.sum().backward()
    expected.sum().backward()
    finite = [0, 1, 2, 3]
    np.testing.assert_allclose(
        ours.grad.numpy()[finite], theirs.grad.numpy()[finite], rtol=1e-6, atol=1e-30
    )


@pytest.mark.parametrize("name", ["elu", "softplus"])
def test_a_fault_upstream_shows_in_the_slope(name):
    """NaN in, NaN out: PyTorch's vectorised loops, not the remainders they leave to scalar ones."""
    x = jg.tensor([math.nan, 1.0], requires_grad=True)
    (slope,) = jg.autograd.grad(getattr(F, name)(x).sum(), x, create_graph=True)
    (curvature,) = jg.autograd.grad(slope.sum(), x)
    assert math.isnan(slope[0].item()) and math.isnan(curvature[0].item())
    assert math.isfinite(slope[1].item()) and math.isfinite(curvature[1].item())


def test_logits_slope_at_zero():
    x = jg.zeros(3, requires_grad=True)
    F.binary_cross_entropy_with_logits(x, jg.tensor([0.0, 0.5, 1.0]), reduction="sum").backward()
    assert x.grad.tolist() == [0.5, 0.0, -0.5]


def test_bce_at_the_bounds():
    x = jg.tensor([0.0, 1.0, 0.0, 1.0])
    loss = F.binary_cross_entropy(x, jg.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "silu"])
def test_inplace(name):
    x = jg.tensor([-1.0, 2.0])
    expected = getattr(F, name)(x).tolist()
    assert getattr(F, name)(x, inplace=True) is x
    assert x.tolist() == expected
    with pytest.raises(RuntimeError):
        getattr(F, name)(jg.zeros(2, requires_grad=True), inplace=True)


def test_dropout(compiled):
    x = jg.ones(4000, requires_grad=True)
    y = F.dropout(x, 0.25)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.75)}
    assert abs((values == 0).mean() - 0.25) < 0.05
    y.sum().backward()
    assert (x.grad.numpy() == values).all()  # the same mask, scaled alike
    assert F.dropout(x, 0.9, training=False) is x
    assert F.dropout(x, 1.0).detach().abs().sum().item() == 0
    assert (F.dropout(x, 0.0) == x).all()
    inplace = jg.ones(10)
    assert F.dropout(inplace, 1.0, inplace=True) is inplace and inplace.sum().item() == 0
    with pytest.raises(ValueError, match="between 0 and 1, but got 1.5"):
        F.dropout(x, 1.5)


def test_implicit_softmax_dim():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert F.softmax(jg.zeros(2, 4)).sum(1).tolist() == [1.0, 1.0]
    assert F.softmax(jg.zeros(2, dtype=jg.float32), 0, dtype=jg.float64).dtype == jg.float64


def test_broadcast_warning():
    with pytest.warns(UserWarning, match="different to the input size"):
        assert F.mse_loss(jg.ones(2, 2), jg.zeros(2)).item() == 1


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: F.gelu(jg.zeros(1), approximate="no"), RuntimeError, "none or tanh"),
        (lambda: F.layer_norm(jg.zeros(2, 3), (4,)), RuntimeError, r"normalized_shape=\[4\]"),
        (lambda: F.layer_norm(jg.zeros(2), (2,), jg.ones(3)), RuntimeError, "Expected weight"),
        (
            lambda: F.mse_loss(jg.ones(1), jg.ones(1), reduction="no"),
            ValueError,
            "no is not a valid",
        ),
        (lambda: F.huber_loss(jg.ones(1), jg.ones(1), delta=0), RuntimeError, "delta"),
        (lambda: F.binary_cross_entropy(jg.ones(1), jg.ones(2)), ValueError, "same size"),
        (
            lambda: F.embedding(jg.zeros(1, dtype=jg.int64), jg.ones(2, 2), sparse=True),
            NotImplementedError,
            "sparse",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_legacy_reduction():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(jg.ones(4), jg.zeros(4), size_average=False).item() == 4


def test_pad():
    x = jg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = F.pad(x, (1, -1, 0, 1), value=9)
    assert y.tolist() == [[9, 1], [9, 3], [9, 9]]
    (y * y).sum().backward()
    assert x.grad.tolist() == [[2, 0], [6, 0]]
    with pytest.raises(RuntimeError, match=r"pad: 3 widths for shape \(2, 2\)"):
        F.pad(x, (1, 2, 3))
    with pytest.raises(NotImplementedError, match="reflect"):
        F.pad(x, (1, 1), "reflect")


def test_one_hot():
    assert F.one_hot(jg.tensor([[0], [1]])).tolist() == [[[1, 0]], [[0, 1]]]
    with pytest.raises(IndexError):
        F.one_hot(jg.tensor([3]), 3).tolist()
    with pytest.raises(RuntimeError, match="LongTensor"):
        F.one_hot(jg.ones(1), 2)


def test_embedding():
    table = jg.tensor(np.arange(8.0).reshape(4, 2), requires_grad=True)
    rows = F.embedding(jg.tensor([[1, 3], [1, 0]]), table, padding_idx=-1)
    assert rows.tolist() == [[[2, 3], [6, 7]], [[2, 3], [0, 1]]]
    rows.sum().backward()
    assert table.grad.tolist() == [[1, 1], [2, 2], [0, 0], [0, 0]]
    with pytest.raises(IndexError):
        F.embedding(jg.tensor([4]), table).tolist()

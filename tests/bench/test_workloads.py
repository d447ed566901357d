"""Every workload's jitgrad text gives in float32 what NumPy gives in float64, on a few rows."""

import numpy as np
import pytest

import jitgrad
from jitgrad.bench.subjects import SUBJECTS, Torchlike
from jitgrad.bench.workloads import WORKLOADS, Case, cases


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _gelu(x):
    return [0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))]


def _chain(x, y):
    s, e = _sigmoid(x * y + 1), np.exp(-x * x)
    return [s * (1 - s) * y * e - 2 * x * s * e - (y > x)]


def _softmax(x):
    e = np.exp(x)
    return [e / e.sum(1, keepdims=True)]


def _cross_entropy(x, labels):
    gradient = _softmax(x)[0]
    gradient[np.arange(len(x)), labels.astype(int)] -= 1
    return [gradient / len(x)]


def _layer_norm(x, weight, bias, upstream):
    centred = x - x.mean(1, keepdims=True)
    scale = 1 / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    normal = centred * scale
    y = normal * weight + bias
    root = np.sqrt(2 / np.pi)
    tanh = np.tanh(root * (y + 0.044715 * y**3))
    slope = (1 + tanh) / 2 + y / 2 * (1 - tanh**2) * root * (1 + 3 * 0.044715 * y**2)
    dy = upstream * slope
    g = dy * weight
    dx = scale * (g - g.mean(1, keepdims=True) - normal * (g * normal).mean(1, keepdims=True))
    return [dx + upstream, (dy * normal).sum(0), dy.sum(0)]


def _first_loss(first, second, x, labels):
    logits = np.maximum(x[0] @ first, 0) @ second
    picked = _softmax(logits)[0][np.arange(len(logits)), labels[0].astype(int)]
    return [-np.log(picked).mean()]


def _first_error(*arrays):
    *weights, x, _ = arrays
    y = x[0]
    for i, weight in enumerate(weights):
        y = (np.maximum(y, 0) if i else y) @ weight
    return [((y - x[0]) ** 2).mean()]


EXPECTED = {
    "gelu": _gelu,
    "chain": _chain,
    "softmax": _softmax,
    "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm,
    "matmul": lambda a, b: [a @ b],
    "mlp": _first_loss,
    "autoencoder": _first_error,
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_first_result(name):
    case = Case(WORKLOADS[name], 8)
    session = SUBJECTS["lazy"].open(case, 1)
    found = session.host(session.finish(session.step()))
    expected = EXPECTED[name](*(array.astype(np.float64) for array in case.arrays()))
    assert len(found) == len(expected)
    for x, y in zip(found, expected, strict=True):
        assert np.abs(x - y).max() <= case.workload.tolerance * np.abs(y).max()


@pytest.mark.parametrize("name", [n for n, w in WORKLOADS.items() if w.numpy is not None])
def test_numpy_does_the_same(name):
    case = Case(WORKLOADS[name], 9)
    step = case.workload.numpy(np, *case.arrays())
    first, second = step(), step()
    found = first if isinstance(first, tuple) else (first,)
    expected = EXPECTED[name](*(array.astype(np.float64) for array in case.arrays()))
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == np.float32
        assert np.abs(x - y).max() <= case.workload.tolerance * np.abs(y).max()
    again = second if isinstance(second, tuple) else (second,)
    assert all(np.array_equal(x, y) for x, y in zip(found, again, strict=True))


@pytest.mark.parametrize("name", [n for n, w in WORKLOADS.items() if w.numexpr is not None])
def test_numexpr_does_the_same(name):
    numexpr = pytest.importorskip("numexpr")
    case = Case(WORKLOADS[name], 999)
    found = case.workload.numexpr(numexpr, *case.arrays())()
    (expected,) = EXPECTED[name](*(array.astype(np.float64) for array in case.arrays()))
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= case.workload.tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", ["softmax", "cross_entropy", "layer_norm"])
def test_odd_rows_have_a_column_less(name):
    x = Case(WORKLOADS[name], 9).arrays()[0]
    assert (len(x), x.shape[1] % 2) == (9, 1)


@pytest.mark.parametrize("name", ["mlp", "autoencoder"])
def test_jax_donates_what_it_updates(name):
    jax = pytest.importorskip("jax")
    case = Case(WORKLOADS[name], 8)
    step = case.workload.jax(jax, *case.arrays())
    step()
    (state,) = [c.cell_contents for c in step.__closure__ if type(c.cell_contents) is tuple]
    *donated, _ = state
    step()
    assert all(leaf.is_deleted() for leaf in jax.tree_util.tree_leaves(donated))


@pytest.mark.parametrize("name", ["mlp", "autoencoder"])
def test_a_new_batch_each_step(name):
    case = Case(WORKLOADS[name], 8)
    seen = []
    network = case.workload.torch.__self__
    api = Torchlike(jitgrad, step=lambda step: lambda *batch: seen.append(batch))
    step = network.torch(api, *case.arrays())
    for _ in range(32):
        step()
    assert len({id(x) for x, _ in seen}) == len({id(t) for _, t in seen}) == 16
    assert seen[:16] == seen[16:]


@pytest.mark.parametrize("name", ["mlp", "autoencoder"])
def test_losses_go_down(name):
    session = SUBJECTS["lazy"].open(Case(WORKLOADS[name], 8), 1)
    losses = [session.host(session.finish(session.step()))[0] for _ in range(33)]
    assert losses[32] < losses[16] < losses[0]  # the same batch, 16 apart


def test_choosing_cases():
    assert {case.workload.name for case in cases()} == set(WORKLOADS)
    assert [case.label for case in cases(["gelu"])] == ["gelu:1e3", "gelu:1e5", "gelu:1e7"]
    assert [case.label for case in cases(["gelu"], quick=True)] == ["gelu:1e3"]
    assert [case.label for case in cases(["mlp:37", "mlp:37", "gelu:1000003"])] == [
        "mlp:37",
        "gelu:1000003",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [("gleu", "no workload 'gleu'; there are gelu"), ("gelu:-1", "expected a positive number")],
)
def test_wrong_names(name, message):
    with pytest.raises(ValueError, match=message):
        cases([name])

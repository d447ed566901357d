"""Batch norm: values, running statistics, gradients and refusals, beside NumPy and PyTorch."""

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import autograd, nn
from jitgrad.nn import functional as F

SHAPES = {"1d": (6, 3), "1d of lines": (4, 3, 5), "2d": (3, 2, 4, 5), "3d": (2, 3, 2, 3, 2)}
LAYERS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}


def draw(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(2, 3, shape).astype(dtype)


def axes(x):
    return (0, *range(2, x.ndim))


def wide(values, x):
    """One value a channel, as an array that broadcasts with x."""
    return np.reshape(values, (1, -1, *(1,) * (x.ndim - 2)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_training_normalises_by_the_batch(shape):
    x = draw(*shape, dtype="float64")
    channels = shape[1]
    mean, var = jg.full((channels,), 1.0, dtype=jg.float64), jg.full((channels,), 2.0).double()
    w, b = draw(channels, seed=1, dtype="float64"), draw(channels, seed=2, dtype="float64")
    y = F.batch_norm(
        jg.tensor(x), mean, var, jg.tensor(w), jg.tensor(b), training=True, momentum=0.3, eps=1e-3
    )
    away = x - x.mean(axes(x), keepdims=True)
    want = away / np.sqrt(x.var(axes(x), keepdims=True) + 1e-3) * wide(w, x) + wide(b, x)
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(mean.numpy(), 0.7 + 0.3 * x.mean(axes(x)), rtol=1e-12)
    np.testing.assert_allclose(var.numpy(), 1.4 + 0.3 * x.var(axes(x), ddof=1), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_evaluation_normalises_by_running_statistics(shape):
    x, channels = draw(*shape, dtype="float64"), shape[1]
    mean, var = (
        draw(channels, seed=3, dtype="float64"),
        draw(channels, seed=4, dtype="float64") ** 2,
    )
    given = jg.tensor(mean), jg.tensor(var)
    y = F.batch_norm(jg.tensor(x), *given, eps=1e-3)
    want = (x - wide(mean, x)) / np.sqrt(wide(var, x) + 1e-3)
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-12)
    assert given[0].tolist() == mean.tolist() and given[1].tolist() == var.tolist()


@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_first_and_second_order(training):
    x, w, b = (jg.tensor(draw(*s, dtype="float64")) for s in ((4, 2, 3), (2,), (2,)))
    mean, var = jg.zeros(2, dtype=jg.float64), jg.ones(2, dtype=jg.float64)
    inputs = [t.requires_grad_() for t in (x, w, b)]

    def function(x, w, b):
        return F.batch_norm(x, mean, var, w, b, training, eps=0.1)

    assert autograd.gradcheck(function, inputs)
    assert autograd.gradgradcheck(function, inputs)


def test_second_order_of_layer_norm():
    x, w, b = (jg.tensor(draw(*s, dtype="float64")) for s in ((3, 2, 4), (2, 4), (2, 4)))
    inputs = [t.requires_grad_() for t in (x, w, b)]
    assert autograd.gradgradcheck(lambda x, w, b: F.layer_norm(x, (2, 4), w, b, 0.1), inputs)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.4, "eps": 1e-2},
        {"momentum": None},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
    ],
    ids=str,
)
def test_layers_like_pytorch(torch, shape, options):
    mine, theirs = (getattr(lib.nn, LAYERS[len(shape)])(shape[1], **options) for lib in (jg, torch))
    assert repr(mine) == repr(theirs)
    state = {k: jg.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
    assert list(mine.state_dict()) == list(state)
    mine.load_state_dict(state)
    for step in range(4):
        if step == 3:
            mine.eval()
            theirs.eval()
        x = draw(*shape, seed=step)
        upstream = draw(*shape, seed=step + 10)
        a, b = jg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = mine(a), theirs(b)
        y.backward(jg.tensor(upstream))
        z.backward(torch.tensor(upstream))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=2e-4, atol=2e-5)
    for (name, p), (_, q) in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, err_msg=name)
    for (name, p), (_, q) in zip(mine.named_buffers(), theirs.named_buffers(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, err_msg=name)
        assert str(p.dtype).rpartition(".")[2] == str(q.dtype).rpartition(".")[2]


def test_the_mean_over_all_batches_reads_nothing():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [draw(5, 2, seed=s) for s in range(3)]
    before = jg.stats()["flushes"]
    for x in batches:
        layer(jg.tensor(x))
    assert jg.stats()["flushes"] == before
    means = np.mean([x.mean(0) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean.numpy(), means, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 3


def test_without_tracking_evaluation_uses_the_batch():
    layer = nn.BatchNorm1d(2, track_running_stats=False).eval()
    assert layer.running_mean is None and layer.num_batches_tracked is None
    np.testing.assert_allclose(layer(jg.tensor([[1.0, 2.0], [3.0, 4.0]])).detach().numpy(),
                               [[-1, -1], [1, 1]], rtol=1e-4)  # fmt: skip


def test_tracking_switched_off_later_leaves_the_statistics():
    layer = nn.BatchNorm1d(2)
    layer.track_running_stats = False
    layer(jg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert layer.running_mean.tolist() == [0, 0] and layer.num_batches_tracked.item() == 0


def test_reset():
    layer = nn.BatchNorm1d(2)
    layer(jg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    with jg.no_grad():
        layer.weight.fill_(3)
        layer.bias.fill_(3)
    layer.reset_parameters()
    state = {name: value.tolist() for name, value in layer.state_dict().items()}
    assert state == {
        "weight": [1, 1], "bias": [0, 0], "running_mean": [0, 0], "running_var": [1, 1],
        "num_batches_tracked": 0,
    }  # fmt: skip


def test_states_of_pytorchs_first_version():
    layer = nn.BatchNorm1d(2)
    layer(jg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    state = {k: v for k, v in layer.state_dict().items() if k != "num_batches_tracked"}
    layer.load_state_dict(dict(state))
    assert layer.num_batches_tracked.item() == 1
    state = nn.Sequential(layer).state_dict()
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match="Missing key.*num_batches_tracked"):
        nn.Sequential(nn.BatchNorm1d(2)).load_state_dict(state)


def test_no_batch():
    mean, var = jg.zeros(3), jg.ones(3)
    assert tuple(F.batch_norm(jg.zeros(0, 3), mean, var, training=True).shape) == (0, 3)
    assert mean.tolist() == [0, 0, 0] and var.tolist() == [1, 1, 1]


X = (4, 3)
TRAINING = {"training": True}
# what is raised, words of it, the arguments made of an input, zeros and ones, the options
REFUSED = [
    (ValueError, "more than 1 value per channel", lambda x, z, o: (x[:1], z, o), TRAINING),
    (ValueError, "eps must be positive", lambda x, z, o: (x, z, o), {**TRAINING, "eps": 0.0}),
    (ValueError, "eps must be non-negative", lambda x, z, o: (x, z, o), {"eps": -1.0}),
    (NotImplementedError, "not implemented for", lambda x, z, o: (x.long(), z, o), {}),
    (IndexError, r"expected \(N, C", lambda x, z, o: (x[0], z, o), {}),
    (RuntimeError, "running_mean must be defined", lambda x, z, o: (x, None, o), {}),
    (RuntimeError, "running_var must be defined", lambda x, z, o: (x, z, None), {}),
    (ValueError, "either both be None", lambda x, z, o: (x, z, None), TRAINING),
    (RuntimeError, "running_mean should contain 3", lambda x, z, o: (x, z[:2], o), {}),
    (RuntimeError, "running_var should contain 3", lambda x, z, o: (x, z, o[:2]), {}),
    (RuntimeError, "weight should contain 3", lambda x, z, o: (x, z, o, o[:2]), {}),
    (RuntimeError, "bias should have shape", lambda x, z, o: (x, z, o, o, o.reshape(3, 1)), {}),
    (RuntimeError, "must share same datatype", lambda x, z, o: (x.double(), z, o), {}),
]


@pytest.mark.parametrize("error, words, arguments, options", REFUSED, ids=[r[1] for r in REFUSED])
def test_refusals(error, words, arguments, options):
    with pytest.raises(error, match=words):
        F.batch_norm(*arguments(jg.tensor(draw(*X)), jg.zeros(3), jg.ones(3)), **options)


@pytest.mark.parametrize("layer", ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"])
def test_dimensions(layer):
    layer = getattr(nn, layer)(3)
    for dims in range(1, 7):
        x = jg.ones(*(3,) * dims)
        if dims in layer._dims:
            assert tuple(layer(x).shape) == tuple(x.shape)
        else:
            with pytest.raises(ValueError, match=rf"expected .*input \(got {dims}D input\)"):
                layer(x)


def test_compiled_training_keeps_the_statistics(compiled):
    def trained(wrap):
        jg.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1))
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)

        @wrap
        def step(x):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(jg.tensor(draw(6, 4, seed=s))).item() for s in range(7)]
        return losses, [v.tolist() for v in net.state_dict().values()]

    assert trained(jg.compile) == trained(lambda step: step)

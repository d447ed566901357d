"""nn.init: distributions and fans; nn.utils: clipping and parameter vectors."""

import math

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.nn import init


def std(tensor):
    return tensor.detach().numpy().std()


@pytest.mark.parametrize(
    "fill, expected",
    [
        (lambda t: init.uniform_(t, -1, 3), 4 / math.sqrt(12)),
        (lambda t: init.normal_(t, 1.0, 0.3), 0.3),
        (lambda t: init.xavier_uniform_(t), math.sqrt(2 / 300)),
        (lambda t: init.xavier_normal_(t, gain=2), 2 * math.sqrt(2 / 300)),
        (lambda t: init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(2 / 200)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out"), math.sqrt(2 / 100)),
        (lambda t: init.kaiming_normal_(t, a=1), math.sqrt(1 / 200)),
        (lambda t: init.trunc_normal_(t, std=0.5), 0.5 * 0.99),
    ],
)
def test_spread(fill, expected, compiled):
    jg.manual_seed(0)
    tensor = nn.Parameter(jg.empty(100, 200))
    assert fill(tensor) is tensor and tensor.requires_grad and tensor.is_leaf
    assert abs(std(tensor) / expected - 1) < 0.03


def test_fan_of_a_kernel():
    tensor = init.xavier_uniform_(jg.empty(8, 4, 3, 3))
    bound = math.sqrt(6 / (4 * 9 + 8 * 9))
    assert 0.8 * bound < tensor.abs().max().item() <= bound


def test_truncated(compiled):
    tensor = init.trunc_normal_(jg.empty(5000), mean=1.0, std=2.0, a=0.0, b=2.5)
    assert tensor.min().item() >= 0 and tensor.max().item() <= 2.5
    values = np.sort(tensor.numpy())
    phi = np.vectorize(lambda x: 0.5 * (1 + math.erf((x - 1) / (2 * math.sqrt(2)))))
    cdf = (phi(values) - phi(0.0)) / (phi(2.5) - phi(0.0))
    assert np.abs(cdf - np.linspace(0, 1, 5000)).max() < 0.04


def test_fixed_values():
    assert init.eye_(jg.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.constant_(jg.empty(2), 3).tolist() == [3, 3]
    assert init.ones_(jg.empty(1)).item() == 1 and init.zeros_(jg.ones(1)).item() == 0
    assert init.dirac_(jg.empty(2, 2, 3))[:, :, 1].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6, 2), (4, 2, 2)])
def test_orthogonal(shape):
    q = init.orthogonal_(jg.empty(*shape), gain=2).numpy().reshape(shape[0], -1)
    gram = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_sparse():
    tensor = init.sparse_(jg.empty(10, 4), 0.3)
    assert ((tensor.numpy() == 0).sum(0) == 3).all()


def test_seeded():
    jg.manual_seed(5)
    first = nn.Linear(3, 3).weight.tolist()
    jg.manual_seed(5)
    assert nn.Linear(3, 3).weight.tolist() == first


@pytest.mark.parametrize("name", ["linear", "tanh", "relu", "leaky_relu", "selu", "conv2d"])
def test_gain_equals_torch(name, torch):
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_init_errors():
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(jg.empty(3))
    with pytest.raises(ValueError, match="Mode up not supported"):
        init.kaiming_normal_(jg.empty(3, 3), mode="up")
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        init.calculate_gain("nothing")
    with pytest.warns(UserWarning, match="no-op"):
        init.kaiming_uniform_(jg.empty(0, 3))


def parameters():
    params = [nn.Parameter(jg.zeros(2)), nn.Parameter(jg.zeros(1)), nn.Parameter(jg.zeros(1))]
    params[0].grad, params[1].grad = jg.tensor([3.0, 4.0]), jg.tensor([12.0])
    return params


def test_clip_grad_norm():
    params = parameters()
    assert abs(nn.utils.clip_grad_norm_(params, 2.6).item() - 13) < 1e-5
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0.8], rtol=1e-5)
    nn.utils.clip_grad_norm_(params, 100.0)
    np.testing.assert_allclose(params[1].grad.numpy(), [2.4], rtol=1e-5)
    assert abs(nn.utils.clip_grad_norm_(params, 1.0, math.inf).item() - 2.4) < 1e-5
    assert abs(params[1].grad.item() - 1) < 1e-5
    norm = nn.utils.clip_grad_norm_(parameters(), 1.0, norm_type=1)
    assert abs(norm.item() - 19) < 1e-5
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    params[0].grad = jg.tensor([math.inf, 0.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_clip_grad_value():
    params = parameters()
    nn.utils.clip_grad_value_(params, 3.5)
    assert params[0].grad.tolist() == [3.0, 3.5] and params[1].grad.tolist() == [3.5]


def test_vectors():
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert tuple(vector.shape) == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(jg.arange(9.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8]
    assert net.weight.is_leaf and net.weight.requires_grad

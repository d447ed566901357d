"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict as Python's containers."""

from collections import OrderedDict

import pytest

import jitgrad as jg
from jitgrad import nn


def kinds(modules):
    return [type(m).__name__ for m in modules]


def test_sequential():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert len(net) == 2 and isinstance(net[-1], nn.ReLU) and kinds(net[1:]) == ["ReLU"]
    net.append(nn.Tanh()).extend([nn.Sigmoid()])
    net.insert(0, nn.Identity())
    assert kinds(net) == ["Identity", "Linear", "ReLU", "Tanh", "Sigmoid"]
    del net[0], net[-1]
    assert kinds(net) == ["Linear", "ReLU", "Tanh"] and list(net._modules) == ["0", "1", "2"]
    assert kinds([net.pop(1)]) == ["ReLU"] and len(net) == 2
    net[1] = nn.GELU()
    assert kinds(net + nn.Sequential(nn.ReLU())) == ["Linear", "GELU", "ReLU"]
    assert len(net * 2) == 4 and net[0] in net
    net *= 2
    assert len(net) == 4
    with pytest.raises(IndexError):
        net[4]
    with pytest.raises(ValueError, match="Non-positive"):
        net * 0
    with pytest.raises(ValueError, match="Sequential"):
        net + [1]


def test_sequential_names():
    net = nn.Sequential(OrderedDict(fc=nn.Linear(2, 2), act=nn.ReLU()))
    assert [name for name, _ in net.named_children()] == ["fc", "act"]
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"] and isinstance(net.act, nn.ReLU)


def test_module_list():
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    layers += [nn.GELU()]
    layers.insert(1, nn.SiLU())
    assert kinds(layers) == ["ReLU", "SiLU", "Tanh", "GELU"] and kinds(layers[1:3]) == [
        "SiLU",
        "Tanh",
    ]
    layers[-1] = nn.ELU()
    del layers[0:2]
    assert kinds(layers) == ["Tanh", "ELU"] and kinds(layers + [nn.ReLU()])[-1] == "ReLU"
    assert kinds([layers.pop(0)]) == ["Tanh"] and list(layers._modules) == ["0"]
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict():
    layers = nn.ModuleDict([("a", nn.ReLU())])
    layers.update({"b": nn.Tanh()})
    assert list(layers.keys()) == ["a", "b"] and "a" in layers and len(layers) == 2
    assert kinds(layers.values()) == ["ReLU", "Tanh"] and kinds([layers.pop("a")]) == ["ReLU"]
    assert [k for k, _ in layers.items()] == ["b"]
    layers.clear()
    assert len(layers) == 0
    with pytest.raises(TypeError, match="not a Module subclass"):
        layers["c"] = 3


def test_parameter_list():
    params = nn.ParameterList([jg.zeros(2), nn.Parameter(jg.ones(3)), 5])
    assert [name for name, _ in params.named_parameters()] == ["0", "1"] and params[2] == 5
    params += [jg.ones(1)]
    params[0] = jg.ones(4)
    assert len(params) == 4 and params[-1].requires_grad and params[0].numel() == 4
    assert len(params[1:3]) == 2 and [type(p) for p in params][2] is int
    assert "(2): Object of type: int" in repr(params)
    with pytest.raises(IndexError):
        params[9]


def test_parameter_dict():
    params = nn.ParameterDict({"a": jg.zeros(2)})
    params["b"] = nn.Parameter(jg.ones(1))
    assert list(params) == ["a", "b"] and params["a"].requires_grad
    assert [k for k, _ in (params | {"c": jg.ones(1)}).items()] == ["a", "b", "c"]
    assert params.get("z") is None and params.pop("a").numel() == 2 and "a" not in params
    assert params.setdefault("d", jg.ones(2)) is params["d"]
    assert params.popitem()[0] == "d" and list(params.state_dict()) == ["b"]
    with pytest.raises(KeyError):
        params["a"]


def test_parameters_of_containers_train():
    net = nn.Module()
    net.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
    net.gains = nn.ParameterDict({"x": jg.ones(2)})
    x = jg.ones(1, 2)
    for layer in net.layers:
        x = layer(x) * net.gains["x"]
    x.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert len(list(net.parameters())) == 5

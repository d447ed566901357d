"""Module: attributes, registration, iteration, state_dict, repr, conversion, version counter."""

import copy
import gc
import weakref

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(4, 2, bias=False)
        self.register_buffer("mean", jg.zeros(2))
        self.register_buffer("scratch", jg.ones(1), persistent=False)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x))) + self.mean


def names(pairs):
    return [name for name, _ in pairs]


def test_names():
    net = Net()
    assert names(net.named_parameters()) == ["fc1.weight", "fc1.bias", "fc2.weight"]
    assert names(net.named_parameters(prefix="a", recurse=False)) == []
    assert names(net.named_buffers()) == ["mean", "scratch"]
    assert names(net.named_children()) == ["fc1", "act", "fc2"]
    assert names(net.named_modules(prefix="net")) == ["net", "net.fc1", "net.act", "net.fc2"]
    assert list(net.modules())[0] is net and list(net.children())[1] is net.act
    assert "fc1" in dir(net) and "mean" in dir(net)


def test_shared_modules_and_parameters_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.append(net[0])
    assert names(net.named_parameters()) == ["0.weight", "0.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(list(net.children())) == 2
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_attribute_rules():
    net = Net()
    with pytest.raises(TypeError, match="cannot assign 'int' as parameter 'weight'"):
        net.fc1.weight = 3
    with pytest.raises(TypeError, match="as child module 'fc1'"):
        net.fc1 = 3
    with pytest.raises(TypeError, match="as buffer 'mean'"):
        net.mean = 3
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        _ = net.nothing
    net.fc1.bias = None
    assert net.fc1.bias is None and names(net.fc1.named_parameters()) == ["weight"]
    net.mean = nn.Parameter(jg.ones(2))  # a name is one thing only
    assert "mean" not in net._buffers and "mean" in net._parameters
    del net.mean
    assert not hasattr(net, "mean")
    net.act = nn.Tanh()
    assert isinstance(net.act, nn.Tanh)
    net.plain = jg.ones(1)  # a tensor is no parameter
    assert names(net.named_buffers()) == ["scratch"]


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, 'contain "."'),
        (lambda m: m.register_parameter("", None), KeyError, "empty string"),
        (lambda m: m.register_parameter("forward", None), KeyError, "already exists"),
        (lambda m: m.register_parameter(3, None), TypeError, "should be a string"),
        (lambda m: m.register_parameter("w", jg.ones(1)), TypeError, "Parameter or None required"),
        (lambda m: m.register_buffer("b", 3), TypeError, "object to buffer 'b'"),
        (lambda m: m.add_module("m", 3), TypeError, "not a Module subclass"),
        (lambda m: m.train(1), ValueError, "boolean"),
        (lambda m: m(1), NotImplementedError, 'missing the required "forward"'),
        (lambda m: m.to(jg.int64), TypeError, "floating point"),
        (lambda m: nn.Tanh(3), TypeError, "takes 1 positional argument but 2 were given"),
        (lambda m: nn.Sigmoid(a=3), TypeError, "unexpected keyword argument 'a'"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(nn.Module())


def test_assignment_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    with pytest.raises(AttributeError, match="cannot assign parameters before"):
        Early(nn.Parameter(jg.ones(1)))
    with pytest.raises(AttributeError, match="cannot assign module before"):
        Early(nn.ReLU())


def test_non_leaf_parameter():
    p = nn.Parameter(jg.ones(2))
    assert (p * 2).requires_grad and not isinstance(p * 2, nn.Parameter)
    assert "Parameter containing" in repr(p)
    frozen = nn.Parameter(jg.ones(2), requires_grad=False)
    assert not frozen.requires_grad and isinstance(frozen, jg.Tensor)


def test_parameter_shares_memory():
    data = jg.zeros(2)
    p = nn.Parameter(data)
    with jg.no_grad():
        p.add_(1)
    assert data.tolist() == [1, 1]
    other = copy.deepcopy(p)
    with jg.no_grad():
        other.add_(1)
    assert isinstance(other, nn.Parameter) and p.tolist() == [1, 1]


def test_train_eval_and_grad_switches():
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert net.eval() is net and not net[1][0].training
    assert net.train()[1][0].training
    net = Net()
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad():
    net = Net()
    net(jg.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.fc1.weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.fc1.weight.grad is None


def test_lookup_by_path():
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    assert net.get_submodule("") is net and net.get_submodule("0.0") is net[0][0]
    assert net.get_parameter("0.0.weight") is net[0][0].weight
    with pytest.raises(AttributeError, match="has no attribute `5`"):
        net.get_submodule("0.5")
    with pytest.raises(AttributeError, match="not an nn.Module"):
        net.get_submodule("0.0.weight")
    net.set_submodule("0.0", nn.ReLU())
    assert isinstance(net[0][0], nn.ReLU)
    assert Net().get_buffer("mean").tolist() == [0, 0]


def test_state_dict_round_trip():
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == ["mean", "fc1.weight", "fc1.bias", "fc2.weight"]
    assert not state["fc1.weight"].requires_grad
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    x = jg.ones(2, 3)
    assert (net(x) == other(x)).all()
    with jg.no_grad():
        state["mean"].add_(1)  # shares memory with the module
    assert net.mean.tolist() == [1, 1] and other.mean.tolist() == [0, 0]


def test_state_dict_mismatch():
    net = Net()
    state = net.state_dict()
    del state["fc1.bias"]
    state["fc1.more"] = state["mean"]
    state["other.weight"] = state["mean"]
    state["fc2.weight"] = jg.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert text.startswith("Error(s) in loading state_dict for Net:\n\t")
    assert 'Missing key(s) in state_dict: "fc1.bias". ' in text
    assert 'Unexpected key(s) in state_dict: "other.weight", "fc1.more". ' in text
    assert "size mismatch for fc2.weight: copying a param with shape" in text
    del state["fc2.weight"]
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["fc1.bias", "fc2.weight"] and set(unexpected) == {"other.weight", "fc1.more"}
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict(3)


def test_state_dict_assign():
    net = nn.Linear(2, 2)
    weight = jg.ones(2, 2, dtype=jg.float64)
    net.load_state_dict({"weight": weight, "bias": jg.zeros(2)}, assign=True)
    assert net.weight.dtype == jg.float64 and net.weight.requires_grad


def test_extra_state_and_metadata():
    class Counter(nn.Module):
        _version = 3
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = Counter(), Counter()
    a.count = 5
    state = a.state_dict()
    assert state._metadata[""] == {"version": 3}
    b.load_state_dict(state)
    assert b.count == 5
    with pytest.raises(RuntimeError, match="_extra_state"):
        b.load_state_dict({})


def test_state_dict_hooks():
    net, seen = nn.Linear(1, 1), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("pre"))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop("bias") and None)
    state = net.state_dict()
    assert list(state) == ["weight"] and seen == ["pre"]
    net.register_load_state_dict_pre_hook(
        lambda m, state, *rest: state.setdefault("bias", jg.full((1,), 7.0)) and None
    )
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys))
    net.load_state_dict(state)
    assert net.bias.item() == 7 and seen[-1] == []


def test_conversion():
    net = Net()
    net(jg.ones(1, 3)).sum().backward()
    weight = net.fc1.weight
    net.register_buffer("count", jg.zeros(1, dtype=jg.int64))
    assert net.double() is net and net.fc1.weight is weight
    assert weight.dtype == weight.grad.dtype == net.mean.dtype == jg.float64
    assert net.count.dtype == jg.int64
    assert net.to("cpu", jg.float32).mean.dtype == jg.float32
    assert net(jg.ones(1, 3)).dtype == jg.float32


def test_repr(torch):
    ours, theirs = (
        m.Sequential(
            m.Linear(3, 4),
            m.Sequential(m.ReLU(True), m.Dropout(0.1), m.Identity()),
            m.ModuleList([m.Linear(2, 2), m.Linear(2, 2), m.GELU("tanh")]),
            m.ModuleDict({"a": m.LayerNorm((2, 3)), "b": m.RMSNorm(4)}),
            m.ModuleList([m.Flatten(), m.Unflatten(1, (2, 3)), m.Softmax(1), m.LogSoftmax(dim=1)]),
            m.ModuleList([m.LeakyReLU(), m.ELU(), m.SiLU(), m.Softplus(), m.Tanh(), m.Sigmoid()]),
            m.ModuleList([m.CrossEntropyLoss(), m.MSELoss(), m.Embedding(3, 2, padding_idx=-1)]),
            m.Sequential(),
        )
        for m in (nn, torch.nn)
    )
    assert repr(ours) == repr(theirs)


def test_deepcopy_is_independent():
    net = Net()
    other = copy.deepcopy(net)
    with jg.no_grad():
        other.fc1.weight.add_(1)
    assert not (net.fc1.weight == other.fc1.weight).any()
    assert isinstance(other.fc1.weight, nn.Parameter) and other.fc1 is not net.fc1


def test_version_counts_changes():
    net = Net()

    def bumps(change, module=net):
        before = module._structure_version
        change()
        return module._structure_version != before

    assert bumps(lambda: setattr(net, "gain", 2.0))
    assert not bumps(lambda: setattr(net, "gain", net.gain))
    assert bumps(lambda: net.add_module("more", nn.ReLU()))
    assert bumps(lambda: delattr(net, "more"))
    assert bumps(lambda: setattr(net, "mean", jg.ones(2)))
    assert not bumps(lambda: setattr(net, "mean", net.mean))
    assert bumps(lambda: setattr(net.fc1, "bias", None), net.fc1)
    assert bumps(net.eval) and not bumps(net.eval)
    handle = net.register_forward_hook(print)
    assert bumps(handle.remove)
    assert not bumps(lambda: net(jg.ones(1, 3)))


def test_modules_die_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        net = Net()
        net.register_load_state_dict_pre_hook(lambda *a: None)
        net.handle = net.register_forward_hook(lambda *a: None)
        net(jg.ones(1, 3)).sum().backward()
        dead = weakref.ref(net)
        del net
        assert dead() is None
    finally:
        gc.enable()


def test_linear_starts_as_in_torch():
    layer = nn.Linear(100, 50)
    bound = 1 / np.sqrt(100)
    for p in layer.parameters():
        assert p.abs().max().item() <= bound and p.abs().max().item() > 0.8 * bound
    assert layer.weight.dtype == jg.float32 and tuple(layer.weight.shape) == (50, 100)


def test_buffer_class():
    net = nn.Module()
    net.state = nn.Buffer(jg.ones(2))
    net.cache = nn.Buffer(jg.ones(2), persistent=False)
    assert list(net.state_dict()) == ["state"] and names(net.named_buffers()) == ["state", "cache"]

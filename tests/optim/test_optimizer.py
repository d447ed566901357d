"""The base of the optimizers: groups, state, saving, hooks, closures, zero_grad."""

import copy

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn, optim
from jitgrad.utils.host import host


def parameter(value=1.0, grad=None):
    p = nn.Parameter(jg.tensor([value]))
    if grad is not None:
        p.grad = jg.tensor([grad])
    return p


def test_groups_and_defaults():
    a, b = parameter(1.0, 1.0), parameter(1.0, 1.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.step()
    assert (a.item(), b.item()) == (0.75, 0.5)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    assert (a.item(), b.item()) == (-0.25, 0.0)
    c = parameter(1.0, 1.0)
    optimizer.add_param_group({"params": [c]})
    optimizer.step()
    assert c.item() == 0.75 and len(optimizer.param_groups) == 3


@pytest.mark.parametrize(
    "params, error, text",
    [
        ([], ValueError, "empty parameter list"),
        (jg.ones(1), TypeError, "iterable of Tensors or dicts"),
        ([3], TypeError, "can only optimize Tensors"),
        ([jg.ones(1, requires_grad=True) * 2], ValueError, "non-leaf"),
        ({jg.ones(1)}, TypeError, None),
        ([("a", jg.ones(1)), jg.ones(1)], ValueError, "with/without names"),
    ],
)
def test_wrong_parameters(params, error, text):
    with pytest.raises(error, match=text):
        optim.SGD([{"params": params}] if isinstance(params, set) else params, lr=0.1)


def test_duplicates():
    p = parameter()
    with pytest.raises(ValueError, match="duplicate parameters"):
        optim.SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": p}, {"params": p}], lr=0.1)


def test_parameters_without_gradient_are_left_alone():
    a, b = parameter(1.0, 1.0), parameter()
    optimizer = optim.Adam([a, b])
    optimizer.step()
    assert b.item() == 1 and b not in optimizer.state


def test_named_parameters():
    net = nn.Linear(2, 2)
    optimizer = optim.SGD(net.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_zero_grad():
    p = parameter(1.0, 3.0)
    optimizer = optim.SGD([p], lr=0.1)
    seen = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0 and seen.item() == 0  # in place: who holds the gradient sees it
    optimizer.zero_grad()
    assert p.grad is None


def test_closure():
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with jg.no_grad():
        assert optimizer.step(closure).item() == 9
    assert abs(p.item() - 2.4) < 1e-6


def steps(net, optimizer, count):
    losses = []
    for _ in range(count):
        loss = (net(jg.ones(4, 3)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_resume(name):
    options = {"lr": 0.05, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {})}
    net = nn.Linear(3, 2)
    optimizer = getattr(optim, name)(net.parameters(), **options)
    steps(net, optimizer, 3)
    saved = copy.deepcopy([net.state_dict(), optimizer.state_dict()])
    expected = steps(net, optimizer, 3)
    other = nn.Linear(3, 2)
    other.load_state_dict(saved[0])
    again = getattr(optim, name)(other.parameters(), lr=0.9)
    again.load_state_dict(saved[1])
    assert again.param_groups[0]["lr"] == 0.05
    assert steps(other, again, 3) == expected


def test_state_dict_layout():
    a, b = parameter(1.0, 1.0), parameter(1.0, 1.0)
    optimizer = optim.Adam([{"params": [a]}, {"params": [b]}])
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"] and list(state["state"]) == [0, 1]
    assert state["param_groups"][1]["params"] == [1] and state["state"][0]["step"] == 1
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.Adam([a]).load_state_dict(state)
    with pytest.raises(ValueError, match="doesn't match the size"):
        optim.Adam([{"params": [a, parameter()]}, {"params": [b]}]).load_state_dict(state)


def test_state_from_torch():
    torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed")
    for name, options in [("SGD", {"momentum": 0.9, "dampening": 0.5}), ("Adam", {})]:
        theirs = torch.nn.Parameter(torch.ones(2))
        reference = getattr(torch.optim, name)([theirs], lr=0.1, **options)
        for _ in range(2):
            theirs.grad = torch.tensor([1.0, 2.0])
            reference.step()
        state = reference.state_dict()
        state["state"][0] = {
            k: jg.tensor(v.numpy()) if v.ndim else v for k, v in state["state"][0].items()
        }
        ours = nn.Parameter(jg.tensor(theirs.detach().numpy()))
        optimizer = getattr(optim, name)([ours], lr=0.5)
        optimizer.load_state_dict(state)
        theirs.grad, ours.grad = torch.tensor([3.0, 1.0]), jg.tensor([3.0, 1.0])
        reference.step()
        optimizer.step()
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-6)


def test_hooks():
    p, seen = parameter(1.0, 1.0), []
    optimizer = optim.SGD([p], lr=0.5)
    pre = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(p.item()))
    optimizer.step()
    pre.remove()
    optimizer.step()
    assert seen == ["pre", 0.5, 0.0]
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    assert optimizer.state_dict()["more"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(state.pop("more")))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("post"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen[-2:] == [1, "post"]


def test_repr():
    text = repr(optim.SGD([parameter()], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n") and text.endswith("\n)")
    assert "    lr: 0.1\n" in text
    groups = [{"params": [parameter()]}, {"params": [parameter()]}]
    assert "\n    weight_decay: 0\n\nParameter Group 1\n" in repr(optim.SGD(groups, lr=0.1))


def test_step_flushes():
    """Nothing that the thread records stays pending behind a step."""
    p = parameter(1.0, 1.0)
    other = jg.ones(3) + 1
    optim.SGD([p], lr=0.5).step()
    assert host(p.detach()) is not None and host(other) is not None


def test_learning_rate_as_a_tensor():
    p = parameter(1.0, 1.0)
    optimizer = optim.Adam([p], lr=jg.tensor(0.5))
    optimizer.step()
    assert abs(p.item() - 0.5) < 1e-5


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
@pytest.mark.parametrize("what", ["lr", "weight_decay"])
def test_a_setting_is_one_number(kind, what):
    with pytest.raises(ValueError, match=r"Invalid .* a tensor of shape \(2,\); it must have one"):
        kind([parameter()], **{what: jg.tensor([0.1, 0.2])})
    kind([parameter()], **{what: jg.tensor([0.1])})


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
@pytest.mark.parametrize("what", ["lr", "weight_decay"])
def test_a_setting_of_shape_1_on_a_parameter_of_none(kind, what):
    def trained(value):
        p, q = jg.tensor(1.0, requires_grad=True), parameter(2.0)
        optimizer = kind([p, q], **{what: value})
        for _ in range(2):
            optimizer.zero_grad()
            (p * 2 + q.sum()).backward()
            optimizer.step()
        assert p.shape == () and q.shape == (1,)
        return p.tolist(), q.tolist()

    assert trained(jg.tensor([0.5])) == trained(jg.tensor(0.5))

"""Hooks of Modules: order, replacement, keyword arguments, removal, full backward hooks."""

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn


class Scale(nn.Module):
    def forward(self, x, factor=2.0):
        return x * factor


def test_forward_hooks_replace():
    m, seen = Scale(), []
    first = m.register_forward_pre_hook(lambda m, args: seen.append("pre") or args[0] + 1)
    m.register_forward_hook(lambda m, args, out: seen.append(args[0].item()) or out * 10)
    assert m(jg.tensor(1.0)).item() == 40 and seen == ["pre", 2.0]
    first.remove()
    first.remove()
    assert m(jg.tensor(1.0)).item() == 20


def test_order_and_with_statement():
    m, seen = Scale(), []
    m.register_forward_hook(lambda *a: seen.append(1))
    m.register_forward_hook(lambda *a: seen.append(2))
    with m.register_forward_hook(lambda *a: seen.append(0), prepend=True):
        m(jg.ones(1))
    m(jg.ones(1))
    assert seen == [0, 1, 2, 1, 2]


def test_kwargs():
    m = Scale()
    m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": 5.0}), with_kwargs=True)
    m.register_forward_hook(lambda m, a, kwargs, out: out + kwargs["factor"], with_kwargs=True)
    assert m(jg.tensor(1.0)).item() == 10
    m.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        m(jg.tensor(1.0))


def test_always_call():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("forward")

    m, seen = Broken(), []
    m.register_forward_hook(lambda *a: seen.append("no"))
    m.register_forward_hook(lambda *a: seen.append(a[2]), always_call=True)
    with pytest.raises(KeyError):
        m(jg.ones(1))
    assert seen == [None]

    def raises(*args):
        raise ValueError("hook")

    m.register_forward_hook(raises, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(KeyError):
        m(jg.ones(1))


def test_full_backward_hook():
    m, seen = nn.Linear(3, 2, bias=False), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = jg.ones(4, 3, requires_grad=True)
    m(x).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_output[0].tolist() == [[1, 1]] * 4
    assert (grad_input[0] == x.grad).all()


def test_backward_hook_replaces():
    m = Scale()
    m.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + go[0],))
    x = jg.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [9, 9]  # 3 * 2 + 3
    m.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_input"):
        m(x).sum().backward()


def test_backward_hook_without_input_gradient():
    m, seen = nn.Linear(2, 1), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    m(jg.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


class Two(nn.Module):
    def forward(self, a, b, flag):
        return a * b, a.sum() + 0 * b.sum()


def gradients(module, hooked):
    """Gradients of Two's inputs, and what a hook saw."""
    net = hooked()
    seen = []
    net.register_full_backward_hook(
        lambda m, gi, go: seen.append([None if g is None else g.tolist() for g in (*gi, *go)])
    )
    a = module.tensor([1.0, 2.0], requires_grad=True)
    b = module.tensor([[3.0, 4.0]], requires_grad=True)
    product, total = net(a, b, True)
    (product.sum() * 2 + total).backward()
    return seen, a.grad.tolist(), b.grad.tolist()


def test_several_inputs_and_outputs():
    seen, a, b = gradients(jg, Two)
    assert a == [7, 9] and b == [[2, 4]]
    assert seen == [[[7, 9], [[2, 4]], None, [[2, 2]], 1.0]]


def test_several_equal_torch(torch):
    class Theirs(torch.nn.Module):
        forward = Two.forward

    assert gradients(jg, Two) == gradients(torch, Theirs)


def test_no_gradient_no_hook():
    m = nn.Linear(2, 1)
    m.register_full_backward_hook(lambda *a: pytest.fail("called"))
    with jg.no_grad():
        assert not m(jg.ones(1, 2)).requires_grad
    with pytest.raises(NotImplementedError, match="register_full_backward_hook"):
        m.register_backward_hook(print)


def test_hook_sees_shapes():
    shapes = []
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    for layer in net:
        layer.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape)))
    net(jg.tensor(np.ones((5, 3), np.float32)))
    assert shapes == [(5, 4), (5, 4), (5, 2)]

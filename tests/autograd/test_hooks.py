"""Tensor hooks: what they see, change and keep."""

import pytest

import jitgrad as jg


def test_a_hook_sees_the_whole_gradient_and_may_replace_it():
    x = jg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    (y * y + y).sum().backward(retain_graph=True)
    assert seen == [[5.0, 9.0]] and x.grad.tolist() == [100.0, 180.0]
    handle.remove()
    x.grad = None
    (y * y + y).sum().backward()
    assert x.grad.tolist() == [10.0, 18.0]


def test_a_hook_on_a_leaf_runs_before_accumulation():
    x = jg.ones(2, requires_grad=True)
    x.register_hook(lambda g: g + 1)
    for _ in range(2):
        (x * 3).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0]


def test_retain_grad_stores_after_other_hooks():
    x = jg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    assert y.retains_grad and y.grad.tolist() == [5.0, 5.0]
    with pytest.raises(RuntimeError):
        jg.ones(2).retain_grad()


def test_post_accumulate_hooks_get_the_leaf():
    x = jg.ones(2, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.tolist())))
    (x * 3).sum().backward()
    assert seen == [(True, [3.0, 3.0])]


def test_numbers_in_hooks_and_flushes_inside_them():
    x = jg.ones(2, requires_grad=True)
    norms = []
    y = x * 2
    y.register_hook(lambda g: norms.append(g.norm().item()) or g / norms[-1])
    y.sum().backward()
    assert norms == [pytest.approx(2**0.5)]
    assert x.grad.tolist() == [pytest.approx(2**0.5)] * 2


def test_hooks_need_a_gradient():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        jg.ones(2).register_hook(print)

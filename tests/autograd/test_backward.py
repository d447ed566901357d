"""`backward` and `grad`: what they give, when they refuse, and what in-place writes do to them."""

import weakref

import pytest

import jitgrad as jg
from jitgrad import autograd


def leaf(*values):
    return jg.tensor(values, requires_grad=True)


def test_gradients_add_up_at_leaves():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    assert x.grad is first


def test_fan_out_is_summed():
    x = leaf(2.0)
    y = x * 3
    (y * y + y * x).sum().backward()
    assert x.grad.tolist() == [2 * 9 * 2.0 + 2 * 3 * 2.0]


def test_broadcast_operands_get_gradients_of_their_own_shape_and_dtype():
    x, w = jg.ones(2, 3, requires_grad=True), jg.ones(3, 1, 3, requires_grad=True)
    b = jg.tensor(2.0, dtype=jg.float64, requires_grad=True)
    (x * w + b).sum().backward()
    assert x.grad.tolist() == [[3.0] * 3] * 2
    assert w.grad.shape == (3, 1, 3) and w.grad[0, 0, 0].item() == 2
    assert b.grad.dtype is jg.float64 and b.grad.item() == 18


def test_equal_expressions_are_not_merged():
    x = leaf(3.0)
    y1, y2 = x * 2, x * 2
    (g,) = autograd.grad(y1 * y2, y1, jg.ones(1))
    assert g.item() == 6
    x = leaf(3.0)
    assert autograd.grad((x * x.detach()).sum(), x)[0].item() == 3


def test_gradient_argument():
    x = leaf(1.0, 2.0)
    (x * x).backward(jg.tensor([10.0, 1.0]))
    assert x.grad.tolist() == [20.0, 4.0]
    with pytest.raises(RuntimeError, match="shape"):
        (x * x).backward(jg.ones(3))


def test_only_scalars_have_an_implicit_gradient():
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        (jg.ones(1) * 2).backward()


def test_backward_twice_names_the_op_and_its_line():
    x = leaf(1.0, 2.0)
    y = (x.exp() * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time: what exp .*test_backward.py:\d+"):
        y.backward()
    z = (x + 1).sum()  # nothing saved: nothing to miss
    z.backward()
    z.backward()


def test_retain_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8


def test_inputs_restrict_where_gradients_go():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    (y * y).sum().backward(inputs=[w, y])
    assert x.grad is None and w.grad.item() == 24 and y.grad.item() == 12
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * w).sum().backward(inputs=[])


def test_unused_inputs():
    x, w = leaf(2.0), leaf(3.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        autograd.grad((x * x).sum(), w)
    assert autograd.grad((x * x).sum(), [x, w], allow_unused=True)[1] is None
    assert autograd.grad((x * x).sum(), [x, w], materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        autograd.grad((x * x).sum(), jg.ones(1))


def test_higher_orders():
    x = leaf(2.0)
    (g,) = autograd.grad((x**4).sum(), x, create_graph=True)
    (h,) = autograd.grad(g.sum(), x, create_graph=True)
    (k,) = autograd.grad(h.sum(), x)
    assert (g.item(), h.item(), k.item()) == (32, 48, 48)
    assert h.requires_grad and not k.requires_grad


def test_create_graph_in_backward():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = autograd.grad(x.grad.sum(), x)
    assert g.item() == 18


def test_leaf_rules():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None
    assert y.grad_fn.name() == "MulBackward0"
    assert y.grad_fn.next_functions[0][0].name() == "AccumulateGrad"
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="floating"):
        jg.tensor([1], requires_grad=True)
    assert not x.detach().requires_grad and y.detach().is_leaf
    x.requires_grad_(False)
    assert not (x * 2).requires_grad


def test_gradient_modes():
    x = leaf(1.0)
    with jg.no_grad():
        assert not (x * 2).requires_grad
        with jg.enable_grad():
            assert (x * 2).requires_grad
    with jg.set_grad_enabled(False):
        assert not jg.is_grad_enabled()
    with jg.inference_mode():
        assert not (x * 2).requires_grad and jg.is_inference_mode_enabled()

    @jg.no_grad()
    def plain(v):
        return v * 2

    @jg.no_grad
    def bare(v):
        return v * 2

    @jg.no_grad()
    def numbers():
        yield (x * 2).requires_grad
        yield (x * 2).requires_grad

    assert not plain(x).requires_grad and not bare(x).requires_grad
    seen = []
    for value in numbers():
        seen.append((value, (x * 2).requires_grad))
    assert seen == [(False, True)] * 2
    with pytest.raises(KeyError), jg.no_grad():
        raise KeyError
    assert jg.is_grad_enabled()


def test_writing_a_leaf_is_refused_outside_no_grad():
    x = jg.ones(3, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1), lambda: x[1:].mul_(2), x.zero_):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    with jg.no_grad():
        x.add_(1)
        x[0] = 5
    assert x.is_leaf and x.tolist() == [5.0, 2.0, 2.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [10.0, 4.0, 4.0]


def test_a_write_never_corrupts_a_gradient():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.mul_(100)  # PyTorch raises here: z needs the old y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    w = leaf(3.0)
    e = w.exp()
    with jg.no_grad():
        w.zero_()
    e.sum().backward()
    assert w.grad.item() == pytest.approx(20.0855, rel=1e-5)


def test_gradients_follow_writes_through_views():
    x = leaf(1.0, 2.0, 3.0)
    base = x * 2
    view = base[1:]
    view.mul_(10)
    base[0] = x[2] * x[2]
    (base * jg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 40.0, 60.0 + 6.0]


def test_a_view_taken_before_a_write_has_the_gradient_after_it():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = base.view(2)
    base.mul_(3)
    view.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_overwritten_values_get_zero():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_detached_aliases_share_values_not_history():
    x = leaf(1.0, 2.0)
    d = x.detach()
    d[0] = 7
    assert x.tolist() == [7.0, 2.0] and x.is_leaf and x.requires_grad
    x.data.mul_(2)
    assert d.tolist() == [14.0, 4.0]
    x.data = jg.tensor([5.0, 6.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [10.0, 12.0] and d.tolist() == [14.0, 4.0]


def test_assigned_gradients_are_checked():
    x = leaf(1.0, 2.0)
    x.grad = jg.ones(2)
    x.grad.zero_()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="shape"):
        x.grad = jg.ones(3)
    with pytest.raises(TypeError):
        x.grad = 3
    x.grad = None
    assert x.grad is None


def test_gradients_are_equal_in_both_modes():
    results = []
    for mode in ("eager", "lazy"):
        with jg.mode(mode):
            x = leaf(0.5, -1.5, 2.0)
            w = jg.arange(9.0).view(3, 3).requires_grad_()
            y = (w @ x).tanh().mul(x).softmax(0)
            (g,) = autograd.grad((y * y).sum(), x, create_graph=True)
            (g * g).sum().backward()
            results.append([x.grad.tolist(), w.grad.tolist(), y.tolist()])
    assert results[0] == results[1]


def test_a_power_of_zero_has_a_history():
    x = leaf(0.0, 2.0)
    (x**0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "share",
    [
        lambda y: y.detach(),
        lambda y: y.data,
        lambda y: y[1:].detach(),
        lambda y: y.detach()[0],
        lambda y: jg.no_grad()(y.view)(1, 2),
        lambda y: y.detach_(),
    ],
    ids=["detach", "data", "a view detached", "a view of it", "under no_grad", "detach_"],
)
def test_values_without_history_keep_none_alive(share):
    y = leaf(1.0, 2.0).exp()
    history = weakref.ref(y._edge())
    kept = share(y)
    del y
    assert history() is None
    assert not kept.requires_grad


def test_history_stays_with_the_tensor_that_was_detached():
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y.detach()
    y[0].sin().backward(retain_graph=True)
    with jg.no_grad():
        z.mul_(0)
    y.sum().backward()
    assert x.grad.tolist() == [(x[0].exp().cos() * x[0].exp() + x[0].exp()).item(), x[1].exp()]
    assert y.tolist() == [0.0, 0.0] and not z.requires_grad


@pytest.mark.parametrize("keepdim", [False, True])
def test_logsumexp_of_nothing_has_a_gradient(keepdim):
    x = jg.zeros(2, 0, 3, requires_grad=True)
    y = x.logsumexp(1, keepdim=keepdim)
    assert (y.detach().numpy() == -float("inf")).all()
    y.sum().backward()
    assert x.grad.shape == (2, 0, 3)

"""`autograd.Function`: the user's own gradients."""

import pytest

import jitgrad as jg
from jitgrad import autograd


class Both(autograd.Function):
    @staticmethod
    def forward(ctx, x, y, factor):
        ctx.save_for_backward(x, y)
        ctx.factor = factor
        return x * x * y * factor, x + y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return 2 * x * y * ctx.factor * g + h, x * x * ctx.factor * g + h, None


def pair():
    x = jg.tensor([1.0, 2.0], requires_grad=True)
    return x, jg.tensor([3.0, 4.0], requires_grad=True)


def test_several_results():
    x, y = pair()
    a, b = Both.apply(x, y, 2)
    (a.sum() + 2 * b.sum()).backward()
    assert x.grad.tolist() == [14.0, 34.0] and y.grad.tolist() == [4.0, 10.0]
    assert a.grad_fn.name() == "BothBackward"


def test_a_result_that_is_not_used_arrives_as_zeros():
    x, y = pair()
    Both.apply(x, y, 1)[1].sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_second_order():
    x, y = pair()
    (g,) = autograd.grad(Both.apply(x, y, 1)[0].sum(), x, create_graph=True)
    (h,) = autograd.grad(g.sum(), x)
    assert h.tolist() == [6.0, 8.0]


def test_backward_twice_is_refused():
    x, y = pair()
    a = Both.apply(x, y, 1)[0].sum()
    a.backward()
    with pytest.raises(RuntimeError, match="second time"):
        a.backward()


def test_without_gradient_it_is_a_plain_call():
    with jg.no_grad():
        a, _ = Both.apply(*pair(), 1)
    assert not a.requires_grad


class Split(autograd.Function):
    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        assert ctx.needs_input_grad == (True,)
        return g * 2


class Inherited(Split):
    """As any class attribute, setup_context may be a parent's."""


@pytest.mark.parametrize("function", [Split, Inherited])
def test_setup_context(function):
    x, _ = pair()
    function.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_of_gradients_is_refused(count):
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return (g,) * count

    with pytest.raises(RuntimeError, match=f"Wrong: backward returned {count} gradients for 1"):
        Wrong.apply(pair()[0]).sum().backward()


def test_spare_gradients_may_be_none():
    class Spare(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    x, _ = pair()
    Spare.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda g: g[:1], RuntimeError, r"shape \(1,\) for input 0 of shape \(2,\)"),
        (lambda g: g.reshape(2, 1), RuntimeError, r"shape \(2, 1\) for input 0 of shape \(2,\)"),
        (lambda g: 1.0, TypeError, "backward returned float as gradient 0"),
    ],
)
def test_a_gradient_that_does_not_fit_is_refused(wrong, error, text):
    class Unfit(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return wrong(g)

    with pytest.raises(error, match=text):
        Unfit.apply(pair()[0]).sum().backward()


def test_a_gradient_over_broadcast_axes_is_summed():
    class Wide(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.expand(3, 2).double()

    x, _ = pair()
    Wide.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and x.grad.dtype is jg.float32


def test_saved_values_do_not_change():
    class Cube(jg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    w = jg.tensor([1.0, 2.0], requires_grad=True)
    h = w * 1
    y = Cube.apply(h)
    h.mul_(10)
    y.sum().backward()
    assert w.grad.tolist() == [3.0, 12.0]

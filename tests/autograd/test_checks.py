"""`gradcheck` and `gradgradcheck` accept right gradients, of writes too, and find wrong ones."""

import pytest

import jitgrad as jg
from jitgrad import autograd


def inputs(*shapes):
    generator = jg.Generator().manual_seed(1)
    return tuple(
        jg.randn(*s, dtype=jg.float64, generator=generator, requires_grad=True) for s in shapes
    )


def written(x):
    y = x.clone()
    y[1] = y[0] * 2
    y[:, 1].mul_(3)
    y.t()[2].add_(y[0, 0])
    y.diagonal().mul_(2)
    y[[0, 2], [1, 1]] = y[1, :2]
    return y * y


CASES = {
    "layer": (lambda x, w, b: (x @ w + b).tanh().pow(2).mean(0).softmax(0), [(3, 4), (4, 2), (2,)]),
    "index": (lambda x: x[1:, [0, 2, -1]].sum(0) * x[0, 0], [(3, 4)]),
    "max": (lambda x: x.max(1).values + x.std(1) + x.amin(1), [(3, 4)]),
    "writes": (written, [(3, 4)]),
    "joins": (lambda x, y: jg.cat([x, y * x, x.flip(0)]).view(-1)[2:9].cumsum(0), [(2, 3), (3,)]),
    "where": (lambda x, y: jg.where(x > y, x * y, x.sin()).logsumexp(0), [(3, 2), (2,)]),
    "gather": (lambda x: x.gather(1, jg.tensor([[0, 2], [1, 1]])).prod(1), [(2, 3)]),
    "batches": (lambda x, y: (x @ y).log_softmax(-1), [(2, 3, 4), (4, 2)]),
    "norm": (lambda x: x.norm() * x.var(0), [(3, 2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_order(name):
    function, shapes = CASES[name]
    args = inputs(*shapes)
    assert autograd.gradcheck(function, args)
    assert autograd.gradgradcheck(function, args)


class Wrong(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * g


def test_a_wrong_gradient_is_found():
    (x,) = inputs((3,))
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0"):
        autograd.gradcheck(Wrong.apply, (x,))
    assert not autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_float32_is_refused():
    with pytest.raises(ValueError, match="float64"):
        autograd.gradcheck(lambda x: x, (jg.ones(2, requires_grad=True),))

"""`utils.checkpoint`: the same bits with less memory, in every mode."""

import contextlib
import gc

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import autograd, nn
from jitgrad.testing import gradcheck, gradgradcheck
from jitgrad.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

WIDTH, ROWS, BLOCKS = 6, 5, 4


class Net(nn.Module):
    """Residual blocks with dropout, each of them checkpointed or not."""

    def __init__(self, again):
        super().__init__()
        self.again = again
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Dropout(0.3),
                nn.Linear(4 * WIDTH, WIDTH),
            )
            for _ in range(BLOCKS)
        )  # fmt: skip

    def forward(self, x):
        for block in self.blocks:
            x = x + (checkpoint(block, x, use_reentrant=False) if self.again else block(x))
        return x


def trained(again, mode):
    """Losses and parameters of four steps of training, as bytes."""
    with jg.mode("eager" if mode == "eager" else "lazy"):
        jg.manual_seed(0)
        net, x = Net(again), jg.randn(ROWS, WIDTH)
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        step = jg.compile(step) if mode == "compiled" else step
        losses = [step(x).item() for _ in range(4)]
        drawn = jg.rand(1).item()
        if mode == "compiled":
            assert step._active is not None, "it was not replayed"
        return losses, drawn, [p.detach().numpy().tobytes() for p in net.parameters()]


def test_training_has_the_same_bits_in_every_mode():
    plain = trained(False, "lazy")
    for mode in ("lazy", "eager", "compiled"):
        assert trained(True, mode) == plain, mode


# ---- memory


def peak(again):
    """Bytes that a forward and backward of the net takes at most, by the memory plan."""
    net, x = Net(again), jg.ones(64, WIDTH)

    def step():
        net.zero_grad()
        net(x).sum().backward()
        jg.flush_all()

    return jg.debug.explain(step).peak_bytes


def test_one_program_of_forward_and_backward_needs_less():
    """It would not if the second run were merged with the first, or came before its gradient."""
    one = 64 * 4 * WIDTH * 4  # bytes of the largest value; a block keeps three of them for backward
    assert peak(True) + 2 * (BLOCKS - 1) * one < peak(False)


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_less_is_held_between_forward_and_backward(mode):
    def held(again):
        with jg.mode(mode):
            net, x = Net(again), jg.ones(64, WIDTH)
            gc.collect()
            before = jg.memory_stats()["live_bytes"]
            loss = net(x).sum()
            loss.item()
            return jg.memory_stats()["live_bytes"] - before

    assert 3 * held(True) < held(False)


# ---- what it takes and gives


def pair():
    x = jg.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=jg.float64, requires_grad=True)
    return x, jg.tensor([[1.5, 0.5], [-0.5, 2.0]], dtype=jg.float64, requires_grad=True)


def nested(x, w):
    """Several results, tensors in containers, a segment inside another, a tensor closed over."""

    def inner(d, *, scale):
        h = (d["x"] @ w).tanh() * scale
        return {"h": h, "n": (h * d["x"], 3)}

    def outer(d, *, scale):
        out = checkpoint(inner, d, scale=scale, use_reentrant=False)
        return out["h"].exp(), out["n"][0] * d["x"]

    a, b = checkpoint(outer, {"x": x}, scale=2.0, use_reentrant=True)
    return a * b + a


def test_first_and_second_order():
    assert gradcheck(nested, pair())
    assert gradgradcheck(nested, pair())


def test_some_results_used_and_some_not():
    def function(x):
        return x.exp(), x, x.detach() * 2, (x > 0), x.sin()

    x, _ = pair()
    used, same, without, flags, _ = checkpoint(function, x, use_reentrant=False)
    assert same is x and not without.requires_grad and flags.dtype is jg.bool
    (g,) = autograd.grad(used.sum(), x)
    assert g.tolist() == x.exp().tolist()


def test_arguments_have_the_values_of_the_call():
    x, _ = pair()
    y = x * 1
    out = checkpoint(lambda y: y.exp(), y, use_reentrant=False)
    with jg.no_grad():
        y.zero_()
    out.sum().backward()
    assert x.grad.tolist() == x.exp().tolist()


def test_backward_once_unless_retained():
    x, _ = pair()
    out = checkpoint(lambda x: x.exp(), x, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert x.grad.tolist() == (2 * x.exp()).tolist()
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_nothing_is_run_again_without_gradients():
    runs = []

    def function(x):
        runs.append(1)
        return x * 2

    x, _ = pair()
    with jg.no_grad():
        assert not checkpoint(function, x, use_reentrant=False).requires_grad
    assert checkpoint(function, x.detach(), use_reentrant=False).grad_fn is None
    checkpoint(function, x, use_reentrant=False).sum().backward()
    assert len(runs) == 4


def test_draws_are_others_where_asked_for():
    def difference(**options):
        x = jg.ones(64, requires_grad=True)
        y = checkpoint(
            lambda x: nn.functional.dropout(x, 0.5), x, use_reentrant=False, **options
        )  # fmt: skip
        y.sum().backward()
        return (y.detach() - x.grad).abs().sum().item()

    assert difference() == 0
    assert difference(preserve_rng_state=False) > 0


def test_contexts():
    seen = []

    @contextlib.contextmanager
    def named(name):
        seen.append(name)
        yield
        seen.append("end")

    x, _ = pair()
    y = checkpoint(
        lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (named("one"), named("two"))
    )
    assert seen == ["one", "end"]
    y.sum().backward()
    assert seen == ["one", "end", "two", "end"]


def test_a_function_that_does_something_else():
    x, w = pair()
    turns = iter([x, w, 3, 4, 5, 6])

    def other_tensor(y):
        return y * next(turns)

    def other_shape(y):
        return y[:, : next(sizes)].exp()

    with pytest.raises(CheckpointError, match="test_checkpoint.py:[0-9]+ recorded something else"):
        checkpoint(other_tensor, x, use_reentrant=False).sum().backward()
    sizes = iter([1, 2])
    with pytest.raises(CheckpointError):
        checkpoint(other_shape, x, use_reentrant=False).sum().backward()


def test_refused():
    x, _ = pair()
    with pytest.raises(NotImplementedError, match="debug"):
        checkpoint(jg.exp, x, debug=True)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(jg.exp, x, determinism_check="strict")
    with pytest.raises(NotImplementedError, match="makes a tensor with requires_grad"):
        checkpoint(lambda x: x * jg.ones(2, requires_grad=True), x)
    with pytest.raises(ValueError, match="unexpected arguments extra"):
        checkpoint_sequential([jg.exp], 1, x, extra=1)


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(segments):
    model = nn.Sequential(*[nn.Linear(3, 3) if i % 2 else nn.Tanh() for i in range(5)])
    x = jg.tensor(np.eye(3, dtype=np.float32), requires_grad=True)
    y = checkpoint_sequential(model, segments, x, use_reentrant=False)
    assert jg.equal(y, model(x))
    (mine,) = autograd.grad(y.sum(), x)
    assert jg.equal(mine, autograd.grad(model(x).sum(), x)[0])

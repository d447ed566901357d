"""`scan`: what a loop over the steps gives, recorded once, with the same bits in every mode."""

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import autograd, nn
from jitgrad.frontend import stepping
from jitgrad.runtime import flush
from jitgrad.testing import gradcheck, gradgradcheck
from jitgrad.utils.checkpoint import checkpoint

STEPS, ROWS, WIDTH = 4, 3, 2


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """Kernels run interpreted: these tests are about meaning, and tiny."""
    monkeypatch.setenv("JITGRAD_JIT", "0")


def normal(*shape, seed=0, dtype=jg.float64, grad=True):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jg.tensor(values, dtype=dtype, requires_grad=grad)


def inputs(dtype=jg.float64):
    """Slices, first state, two weights."""
    return (
        normal(STEPS, ROWS, WIDTH, seed=1, dtype=dtype), normal(ROWS, 2, seed=2, dtype=dtype),
        normal(WIDTH, 2, seed=3, dtype=dtype), normal(2, 2, seed=4, dtype=dtype),
    )  # fmt: skip


def cell(w, u):
    """A step with two carried values, of which one needs no gradient, and two results."""

    def step(carry, x):
        h = (x @ w + carry["h"] @ u.t()).tanh()
        return {"h": h, "n": carry["n"] + 1}, (h * h, [x])

    return step


def scanned(x, h, w, u, **options):
    first = {"h": h, "n": jg.zeros(1, dtype=h.dtype)}
    last, (squares, [same]) = jg.scan(cell(w, u), first, x, **options)
    return last["h"], squares * last["n"], same


def looped(x, h, w, u, reverse, dim):
    """The same as a loop."""
    step, carry = cell(w, u), {"h": h, "n": jg.zeros(1, dtype=h.dtype)}
    ys = [None] * x.shape[dim]
    for t in range(len(ys))[:: -1 if reverse else 1]:
        carry, ys[t] = step(carry, x.select(dim, t))
    squares = jg.stack([y[0] for y in ys], dim)
    return carry["h"], squares * carry["n"], jg.stack([y[1][0] for y in ys], dim)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -2])
def test_values_and_gradients_are_those_of_a_loop(reverse, dim):
    x, h, w, u = inputs()
    h = normal(STEPS if dim else ROWS, 2, seed=2) if dim else h
    mine = scanned(x, h, w, u, reverse=reverse, dim=dim)
    loop = looped(x, h, w, u, reverse, dim)
    for a, b in zip(mine, loop, strict=True):
        assert jg.equal(a, b)
    mine, loop = (
        autograd.grad(sum((y * y).sum() for y in ys), (x, h, w, u)) for ys in (mine, loop)
    )
    for a, b in zip(mine, loop, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-12)


def test_first_and_second_order():
    x, h, w, u = inputs()
    few = [t.detach().requires_grad_() for t in (x[:2, :1], h[:1], w, u)]
    assert gradcheck(scanned, few)
    assert gradgradcheck(scanned, few)


def trained(mode):
    """Three steps of training a cell with dropout, as bytes."""
    with jg.mode("eager" if mode == "eager" else "lazy"):
        jg.manual_seed(0)
        x, _, w, u = inputs(jg.float32)

        def step(x):
            def cell(h, x):
                h = nn.functional.dropout((x @ w + h @ u).tanh(), 0.5)
                return h, h

            for p in (w, u):
                p.grad = None
            loss = (jg.scan(cell, jg.zeros(ROWS, 2), x)[1] ** 2).mean()
            loss.backward()
            with jg.no_grad():
                for p in (w, u):
                    p -= 0.5 * p.grad
            return loss

        step = jg.compile(step) if mode == "compiled" else step
        losses = [step(x.detach()).item() for _ in range(4)]
        if mode == "compiled":
            assert step._active is not None, "it was not replayed"
        return losses, jg.rand(1).item(), [p.detach().numpy().tobytes() for p in (w, u)]


def test_training_has_the_same_bits_in_every_mode():
    lazy = trained("lazy")
    assert len(set(lazy[0])) == 4
    assert trained("eager") == trained("compiled") == lazy


def test_the_function_runs_once_and_its_body_is_known_again():
    runs = []

    def use(seed, factor):
        w = normal(2, seed=seed)

        def step(h, x):
            runs.append(1)
            return h * w + x * factor, None

        last, none = jg.scan(step, normal(2, seed=seed + 1), normal(5, 2, seed=seed + 2))
        assert none is None
        return last, autograd.grad(last.sum(), w)[0]

    def expected(seed, factor):
        w, h = normal(2, seed=seed), normal(2, seed=seed + 1)
        for x in normal(5, 2, seed=seed + 2):
            h = h * w + x * factor
        return h, autograd.grad(h.sum(), w)[0]

    results = [use(0, 2.0)]
    known = list(stepping._known.values())
    results += [use(7, 3.0)]
    assert len(runs) == 2 and list(stepping._known.values()) == known
    for mine, other in zip(results, [expected(0, 2.0), expected(7, 3.0)], strict=True):
        for a, b in zip(mine, other, strict=True):
            assert jg.equal(a, b)


def test_traffic_grows_with_the_steps_not_with_their_square():
    def moved(steps):
        x = jg.ones(steps, 64, requires_grad=True)
        y = jg.scan(lambda h, x: ((h * x).tanh(), None), jg.ones(64), x)[0]
        y.sum().backward()
        return jg.debug.explain(x.grad).bytes

    assert moved(32) < 2.5 * moved(16)


def test_more_steps_need_no_more_kernels(monkeypatch):
    """Also where they are more than one schedule: these are cut where a step begins."""
    monkeypatch.setattr(flush, "CUT", 200)
    w, u = normal(2, 8), normal(2, 8, seed=1)

    def lstm(carry, x):
        h, c = carry
        i, f, g, o = (x @ w + h @ u).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h, c), h

    def kernels(steps):
        def gradients():
            x, zero = normal(steps, 3, 2), jg.zeros(3, 2, dtype=jg.float64)
            y = jg.scan(lstm, (zero, zero), x)[1]
            made = autograd.grad((y * y).sum(), (w, u, x))
            jg.flush_all()
            return made

        explained = jg.debug.explain(gradients)
        assert len(explained.programs) > steps // 4
        return set(explained.sources)

    assert len(kernels(36) - kernels(12)) <= 2


def test_each_step_draws_its_own_numbers():
    def drawn(fn):
        jg.manual_seed(3)
        return fn(lambda n, _: (n + 1, jg.rand(2) * n)), jg.rand(1).item()

    (_, mine), after = drawn(lambda f: jg.scan(f, jg.ones(()), length=3))
    loop, after_loop = drawn(lambda f: [f(jg.ones(()) + i, None)[1] for i in range(3)])
    assert jg.equal(mine, jg.stack(loop)) and after == after_loop


def test_gradients_are_wanted_only_where_they_are():
    x = normal(3, 2, grad=False)
    last, ys = jg.scan(lambda h, x: (h + x, h * x), x[0], x)
    assert not last.requires_grad and not ys.requires_grad
    w = normal(2)
    (count, h), _ = jg.scan(lambda c, x: ((c[0] + 1, c[1] * w), None), (jg.tensor(0), x[0]), x)
    assert count.item() == 3 and h.requires_grad and not count.requires_grad
    with jg.no_grad():
        assert not jg.scan(lambda h, x: (h * w, None), x[0], x)[0].requires_grad


class Double(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


NESTED = {
    "a scan": lambda h, x: jg.scan(lambda a, b: (a * b, None), h, jg.stack([x, x]))[0],
    "a Function": lambda h, x: Double.apply(h) * x,
    "a checkpoint": lambda h, x: checkpoint(lambda h: h.exp(), h) * x,
    "a gradient": lambda h, x: autograd.grad((x * h**3).sum(), h, create_graph=True)[0],
}


@pytest.mark.parametrize("name", NESTED)
def test_with_other_things_inside(name):
    fn, (first, xs) = NESTED[name], (normal(2, seed=1), normal(3, 2, seed=2))
    h = first
    for x in xs:
        h = fn(h, x)
    y = jg.scan(lambda h, x: (fn(h, x), None), first, xs)[0]
    assert jg.equal(y, h)
    for a, b in zip(*[autograd.grad(z.sum(), (first, xs)) for z in (y, h)], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-12)


def test_in_a_checkpoint():
    x, h, w, u = inputs()
    out = checkpoint(lambda x, h: scanned(x, h, w, u)[1], x, h, use_reentrant=False)
    mine, plain = (autograd.grad(y.sum(), (x, h, w, u)) for y in (out, scanned(x, h, w, u)[1]))
    for a, b in zip(mine, plain, strict=True):
        assert jg.equal(a, b)


def test_on_meta():
    x = jg.ones(3, 2, device="meta", requires_grad=True)
    last, ys = jg.scan(lambda h, x: (h * x, (h, x)), x[0], x)
    (last.sum() + ys[0].sum()).backward()
    assert ys[1].shape == x.grad.shape == (3, 2) and x.grad.device.type == "meta"


def test_errors():
    x, state = normal(3, 2), jg.zeros(2)
    with pytest.raises(TypeError, match="the carry that the function returns.*float32.*float64"):
        jg.scan(lambda h, x: (h + x, None), state, x)
    with pytest.raises(TypeError, match="must return a pair"):
        jg.scan(lambda h, x: h, state, x)
    with pytest.raises(ValueError, match=r"lengths differ: \[3, 4\]"):
        jg.scan(lambda h, x: (h, None), state, x, length=4)
    with pytest.raises(ValueError, match="neither xs nor length"):
        jg.scan(lambda h, x: (h, None), state)
    with pytest.raises(ValueError, match="at least one step"):
        jg.scan(lambda h, x: (h, None), state, length=0)
    with pytest.raises(TypeError, match="init must consist of Tensors, not of float"):
        jg.scan(lambda h, x: (h, None), 1.0, x)
    with pytest.raises(RuntimeError, match=r"item\(\), which reads a value"):
        jg.scan(lambda h, x: (h * h.sum().item(), None), state, x)
    with pytest.raises(RuntimeError, match="a write to a tensor from outside"):
        jg.scan(lambda h, x: (h.add_(state.add_(1)), None), jg.zeros(2), x)

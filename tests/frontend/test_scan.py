"""`scan`: what a loop over the steps gives, recorded once, with the same bits in every mode."""

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import autograd, nn
from jitgrad.frontend import stepping
from jitgrad.ir.op import OPS
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
    """With draws, numbers, and weights that are the same at every step."""
    x, h, w, u = inputs()

    def normed(x, h, w):
        jg.manual_seed(0)

        def step(h, x):
            turned = (w / (w.square().sum(0) + 1).sqrt()).t()
            return (h @ turned + x * w.sum()).tanh() * jg.rand(2, dtype=x.dtype), h * 3.0

        return jg.scan(step, h, x, reverse=True)

    some = [t.detach().requires_grad_() for t in (x[:2, :1], h[:1], w)]
    assert gradcheck(normed, some) and gradgradcheck(normed, some)
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


def lstm(w, u):
    """A step, as for `scan`."""

    def step(carry, x):
        h, c = carry
        i, f, g, o = (x @ w + h @ u).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h, c), h

    return step


def test_the_compiler_sees_one_step_however_many_there_are():
    """Backward, too: schedules, kernels and their sources are those of a scan of three steps."""
    w, u = normal(2, 8), normal(2, 8, seed=1)
    jg.flush_all()

    def made(steps):
        def gradients():
            x, zero = normal(steps, 3, 2), jg.zeros(3, 2, dtype=jg.float64)
            y = jg.scan(lstm(w, u), (zero, zero), x)[1]
            return [g.realize() for g in autograd.grad((y * y).sum(), (w, u, x))]

        before = jg.stats()["schedules"]
        explained = jg.debug.explain(gradients)
        again = jg.debug.explain(gradients)
        assert again.sources == explained.sources and again.kernels == explained.kernels
        assert sorted({p.times for p in explained.programs}) == [1, steps]
        return jg.stats()["schedules"] - before, explained

    few, few_explained = made(3)
    more, many_explained = made(80)
    assert few >= 4 and more == 0
    assert set(many_explained.sources) == set(few_explained.sources)
    assert many_explained.kernels > 20 * few_explained.kernels


def test_each_step_draws_its_own_numbers():
    def drawn(fn):
        jg.manual_seed(3)
        return fn(lambda n, _: (n + 1, jg.rand(2) * n)), jg.rand(1).item()

    (_, mine), after = drawn(lambda f: jg.scan(f, jg.ones(()), length=3))
    loop, after_loop = drawn(lambda f: [f(jg.ones(()) + i, None)[1] for i in range(3)])
    assert jg.equal(mine, jg.stack(loop)) and after == after_loop


def test_nothing_is_carried_or_stepped_through():
    x = normal(3, 2)
    none, ys = jg.scan(lambda c, x: (None, x * 2), None, x)
    assert none is None and jg.equal(ys, x * 2)
    ys.sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0]] * 3
    assert jg.scan(lambda c, _: ((), jg.rand(2)), (), length=3)[1].shape == (3, 2)


def test_backward_again():
    x, h, w, u = inputs()
    y = scanned(x, h, w, u)[1].sum()
    y.backward(retain_graph=True)
    once = [t.grad.numpy().copy() for t in (x, h, w, u)]
    y.backward()
    for t, g in zip((x, h, w, u), once, strict=True):
        assert np.array_equal(t.grad.numpy(), 2 * g)
    with pytest.raises(RuntimeError, match="second time: what mul .*test_scan.py"):
        y.backward()


def test_a_compiled_scan_over_a_view_with_a_float_argument():
    def run(x, k):
        return jg.scan(lambda h, x: (h * k + x, h), jg.zeros(2, dtype=jg.float64), x)

    compiled = jg.compile(run)
    for seed, k in enumerate((0.5, 0.25, 0.75, 2.0, 3.0)):
        x = normal(2, STEPS, seed=seed, grad=False).t()
        for a, b in zip(compiled(x, k), run(x, k), strict=True):
            assert jg.equal(a, b)
    assert compiled._active is not None
    assert jg.stats()["recompiles"][-1]["now"] == "any number"


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


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_no_steps_give_the_first_carry_and_empty_results(device):
    w = jg.ones(2, 3, device=device, requires_grad=True)
    x, h = jg.ones(4, 0, 2, device=device), jg.ones(4, 3, device=device, requires_grad=True)

    def step(h, x):
        y = x @ w + h * jg.rand(3, device=device)
        return h + y, {"sum": y.sum(1), "some": (y > 0)[:, :2]}

    jg.manual_seed(5)
    last, ys = jg.scan(step, h, x, dim=1)
    assert last is h
    assert ys["sum"].shape == (4, 0) and ys["some"].shape == (4, 0, 2)
    assert ys["some"].dtype is jg.bool and ys["sum"].device.type == device
    after = jg.rand(2)
    jg.manual_seed(5)
    assert jg.equal(jg.rand(2), after), "nothing was drawn"
    assert jg.scan(lambda h, x: (h, None), h, length=0) == (h, None)
    with pytest.raises(TypeError, match="the carry that the function returns"):
        jg.scan(lambda h, x: (h.sum(), None), h, length=0)


def test_in_a_checkpoint():
    x, h, w, u = inputs()
    out = checkpoint(lambda x, h: scanned(x, h, w, u)[1], x, h, use_reentrant=False)
    mine, plain = (autograd.grad(y.sum(), (x, h, w, u)) for y in (out, scanned(x, h, w, u)[1]))
    for a, b in zip(mine, plain, strict=True):
        assert jg.equal(a, b)


def outcome(fn, *args):
    """The bytes of what a function returns and leaves."""
    return [t.detach().numpy().tobytes() for t in fn(*args)]


def everything(x, e, h, ids):
    """Gradients through weights, slices and the carry; draws; integers; a gather; two results."""
    for p in (x, e, h):
        p.grad = None

    def step(carry, row):
        (h, n), (x, i) = carry, row
        h = nn.functional.dropout((x @ e.t() @ e + h).tanh(), 0.3) * e[i] + jg.rand(2)
        return (h, n + 1), (h.softmax(1), h.argmax(1))

    (last, n), (soft, most) = jg.scan(step, (h, jg.tensor(0)), (x, ids), reverse=True)
    (soft.square().sum() + (last * n).mean()).backward()
    return soft.detach(), most, n, x.grad, e.grad, h.grad


@pytest.mark.parametrize("switch", [None, "JITGRAD_FUSE=0", "JITGRAD_CHECK=1", "JITGRAD_JIT=1"])
def test_all_switches_and_modes_give_the_same_bits(monkeypatch, switch):
    def results(mode):
        jg.manual_seed(2)
        x, h, e = (normal(*s, dtype=jg.float32) for s in ((STEPS, ROWS, 2), (ROWS, 2), (5, 2)))
        ids = jg.tensor(np.arange(STEPS * ROWS).reshape(STEPS, ROWS) % 5)
        fn = jg.compile(everything) if mode == "compiled" else everything
        with jg.mode("eager" if mode == "eager" else "lazy"):
            found = [outcome(fn, x, e, h, ids) for _ in range(4)]
        assert mode != "compiled" or fn._active is not None, "it was not replayed"
        return found

    want = results("lazy")
    assert want[0] != want[1], "the draws are new ones"
    if switch is not None:
        monkeypatch.setenv(*switch.split("="))
        assert results("lazy") == want
    assert results("compiled") == results("eager") == want


def test_the_oracle_sees_every_step(monkeypatch):
    """Also of a compiled call: a kernel that goes wrong at the last step alone is found."""
    x = jg.tensor([1.0, 1.0, 1.0, 3.0])
    fn = jg.compile(lambda x: jg.scan(lambda h, x: (h + x, None), jg.zeros(1), x)[0])
    assert [fn(x).item() for _ in range(3)] == [6.0, 6.0, 6.0]
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    add = np.add
    monkeypatch.setattr(OPS["add"], "numpy", lambda a, b: add(a, b) + (np.max(b) == 3))
    with pytest.raises(AssertionError, match=r"JITGRAD_CHECK: .*test_scan.py"):
        fn(x)
    with pytest.raises(AssertionError, match=r"JITGRAD_CHECK: .*test_scan.py"):
        jg.scan(lambda h, x: (h + x, None), jg.zeros(1), x)[0].item()


def test_an_index_out_of_range_at_some_step_names_the_line():
    table = normal(3, 2)
    good, bad = jg.tensor([[0, 1], [2, 2]]), jg.tensor([[0, 1], [2, 3]])

    def scanned(ids):
        rows = table
        first = jg.zeros(2, dtype=rows.dtype)
        return jg.scan(lambda h, i: (h + rows[i].sum(0), None), first, ids)[0]

    other = jg.ones(2) + 1
    last = scanned(bad)
    last.sum().backward()
    with pytest.raises(IndexError, match=r"index 3 is out of range(.|\n)*test_scan.py"):
        last.tolist()
    jg.flush_all()  # neither this nor the gradient, which rests on it, fails again unasked
    assert other.tolist() == [2.0, 2.0]
    with pytest.raises(IndexError, match="index 3"):
        table.grad.numpy()
    table = table.detach()
    compiled = jg.compile(scanned)
    want = [compiled(good).numpy() for _ in range(3)][0]
    with pytest.raises(IndexError, match=r"index 3 is out of range(.|\n)*test_scan.py"):
        compiled(bad)
    assert np.array_equal(compiled(good).numpy(), want) and compiled._active is not None


def test_what_costs_much_is_computed_once_beside_a_scan():
    """A product below a scan that backward reads, too, and one whose result is asked for."""
    w, x = normal(2, 2, dtype=jg.float32), normal(4, 3, 2, seed=1, dtype=jg.float32)
    rows = (x.reshape(12, 2) @ w).tanh()
    y = jg.scan(lambda h, x: (h + x, h), jg.zeros(3, 2), rows.reshape(4, 3, 2))[1]
    (y * y).sum().backward()
    explained = jg.debug.explain(w.grad, rows.sum())
    assert sum("matmul" in name for name, _, _ in explained.steps) == 2


def test_what_is_the_same_at_every_step_is_computed_once_and_kept_once():
    w, x = normal(50, 50, dtype=jg.float32), normal(6, 1, 50, seed=1, dtype=jg.float32)

    def step(h, x):
        turned = (w / w.square().sum(0).sqrt()).t()
        return (h @ turned + x).tanh(), h

    y = jg.scan(step, jg.zeros(1, 50), x)[1].square().sum()
    y.backward()
    explained = jg.debug.explain(y, w.grad)
    turns = [p for p in explained.programs if p.times == 6]
    assert len(turns) == 2 and sum("sqrt" in name for name, _, _ in explained.steps) == 1
    assert not any("sqrt" in s.name for p in turns for s in p.steps)
    # Backward reads the weights, and what it adds up; nothing of their size is stacked.
    assert sum(s.nbytes for s in turns[0].steps) < 2 * w.nbytes
    grads = w.grad.clone()
    w.grad, h, total = None, jg.zeros(1, 50), 0
    for row in x:
        total = total + h.square().sum()
        h = step(h, row)[0]
    total.backward()
    np.testing.assert_allclose(grads.numpy(), w.grad.numpy(), 1e-3, 1e-5)


def test_few_plans_are_kept_if_they_are_large(monkeypatch):
    monkeypatch.setattr(flush, "LOOPS", 1)
    flush.forget()
    for steps in (3, 4, 3):
        last = jg.scan(lambda h, x: (h + x, None), jg.zeros(2), jg.ones(steps, 2))[0]
        assert last.tolist() == [steps, steps] and len(flush._loops) == 1


def test_debugging_tools_see_the_steps(tmp_path, monkeypatch, capsys):
    x, h, w, u = inputs(jg.float32)

    def grads():
        (scanned(x, h, w, u)[1] ** 2).sum().backward()
        return [t.grad.realize() for t in (x, h, w, u)]

    found = jg.debug.compare(grads)
    assert found.same and found.imprecise is None
    assert len(jg.debug.eject(grads, tmp_path)) >= 4
    with jg.debug.profile() as profile:
        grads()
    assert "test_scan.py" in str(profile)
    with jg.debug.nan(), pytest.raises(FloatingPointError, match=r"div at .*test_scan.py"):
        jg.scan(lambda h, x: (x - 1, h / x), jg.zeros(()), jg.tensor([1.0, 0.0]))[1].numpy()

    def product():
        return jg.scan(lambda h, x: (h * x.sum(), None), h, x.detach())[0]

    for device in ("cpu", "cuda"):
        text = str(jg.debug.explain(product(), device=device))
        assert "of one of 4 steps of a scan" in text and "loop" not in text
    monkeypatch.setenv("JITGRAD_DEBUG", "1")
    for _ in range(2):
        product().realize()
    assert "plan hit: 4 steps of a scan, each 2 kernels in 3 steps" in capsys.readouterr().err


def test_on_meta():
    x = jg.ones(3, 2, device="meta", requires_grad=True)
    last, ys = jg.scan(lambda h, x: (h * x, (h, x)), x[0], x)
    (last.sum() + ys[0].sum()).backward()
    assert ys[1].shape == x.grad.shape == (3, 2) and x.grad.device.type == "meta"

"""device="meta": shapes, plans and errors; nothing is computed and nothing is allocated."""

import copy
import gc
import pickle

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.nn import functional as F

META = jg.device("meta")


def meta(*shape, **options):
    """A Tensor without values."""
    return jg.empty(*shape, device="meta", **options)


@pytest.fixture(autouse=True)
def nothing_runs():
    """No test here runs or compiles a kernel, unless it says so."""
    jg.flush_all()
    before = jg.stats()
    yield
    after = jg.stats()
    for key in ("kernels_run", "kernels_compiled", "bytes", "flops"):
        assert after[key] == before[key], key


# ---- making them


MAKERS = {
    "empty": lambda d: jg.empty(2, 3, device=d),
    "zeros": lambda d: jg.zeros(2, 3, device=d, dtype=jg.int32),
    "ones": lambda d: jg.ones((2, 3), device=d),
    "full": lambda d: jg.full((2,), 7, device=d),
    "arange": lambda d: jg.arange(5, device=d),
    "arange of floats": lambda d: jg.arange(0.0, 1.0, 0.25, device=d),
    "linspace": lambda d: jg.linspace(0, 1, 5, device=d),
    "logspace": lambda d: jg.logspace(0, 1, 5, device=d),
    "eye": lambda d: jg.eye(3, 4, device=d),
    "tensor": lambda d: jg.tensor([[1, 2], [3, 4]], device=d),
    "as_tensor": lambda d: jg.as_tensor(np.zeros((2, 2), np.float32), device=d),
    "scalar_tensor": lambda d: jg.scalar_tensor(3.0, device=d),
    "rand": lambda d: jg.rand(2, 3, device=d),
    "randn": lambda d: jg.randn(2, 3, device=d, dtype=jg.float64),
    "randint": lambda d: jg.randint(0, 9, (4,), device=d),
    "randperm": lambda d: jg.randperm(6, device=d),
    "normal": lambda d: jg.normal(0.0, 1.0, (3,), device=d),
    "zeros_like": lambda d: jg.zeros_like(jg.empty(2, device=d)),
    "rand_like": lambda d: jg.rand_like(jg.empty(2, device=d)),
    "full_like": lambda d: jg.full_like(jg.empty(2, device=d), 3),
    "new_ones": lambda d: jg.empty(2, device=d).new_ones(3),
    "new_tensor": lambda d: jg.empty(2, device=d).new_tensor([1.0]),
    "bernoulli": lambda d: jg.bernoulli(jg.empty(4, device=d)),
    "multinomial": lambda d: jg.multinomial(jg.empty(3, 4, device=d), 2),
    "to": lambda d: jg.empty(2, 3, device=d).to(jg.float64),
    "uniform_": lambda d: jg.empty(2, 3, device=d).uniform_(-1, 1),
    "fill_": lambda d: jg.empty(2, 3, device=d).fill_(3),
    "zero_": lambda d: jg.empty(2, 3, device=d).zero_(),
}


@pytest.mark.parametrize("name", MAKERS)
def test_makers(name):
    there, here = MAKERS[name]("meta"), MAKERS[name]("cpu")
    assert (there.device, there.is_meta) == (META, True)
    assert (here.device, here.is_meta) == (jg.device("cpu"), False)
    assert (there.shape, there.dtype) == (here.shape, here.dtype)
    with META:
        assert MAKERS[name](None).device == META


def test_contexts_nest_and_end():
    with META:
        with jg.device("cpu"):
            assert not jg.empty(2).is_meta
        assert jg.empty(2).is_meta
        assert not jg.empty(2, device="cpu").is_meta
    assert not jg.empty(2).is_meta
    with pytest.raises(KeyError), META:
        raise KeyError
    assert not jg.empty(2).is_meta


def test_random_numbers_of_the_cpu_stay():
    jg.manual_seed(3)
    first = jg.default_generator.get_state().tolist()
    jg.rand(9, device="meta").uniform_()
    nn.Dropout()(meta(4))
    assert jg.default_generator.get_state().tolist() == first


# ---- what is done with them


def composed(x, w):
    """Many kinds of op."""
    y = (x @ w).softmax(1) * 2 - x[:, :1].exp()
    z = jg.cat([y, y.flip(0)], 1)[:, ::2].permute(1, 0).reshape(-1, x.shape[0])
    return z.sum(0).cumsum(0), z.argmax(1), z[z.argsort(0)[0]], (z > 0).any()


def test_shapes_and_dtypes():
    there = composed(meta(5, 3), meta(3, 4))
    here = composed(jg.ones(5, 3), jg.ones(3, 4))
    for a, b in zip(there, here, strict=True):
        assert a.is_meta
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.realize() is a and a.is_meta


def test_errors_of_shapes_are_those_of_the_cpu():
    with pytest.raises(RuntimeError, match=r"\(5, 3\)"):
        meta(5, 3) @ meta(4, 2)


def test_writes():
    x = meta(4, 5)
    x[1:3, ::2] = 1.0
    x[0] = meta(5)
    x.copy_(jg.ones(4, 5))  # values that come from the CPU are lost
    x.mul_(2).add_(1)
    assert x.realize().is_meta and x.shape == (4, 5)


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_backward(mode):
    with jg.mode(mode):
        x = meta(5, 3, requires_grad=True)
        w = meta(3, 4, requires_grad=True)
        (-(x @ w).relu()).sum().backward()
        assert x.grad.is_meta and x.grad.shape == x.shape
        (grad,) = jg.autograd.grad((w * w).sum(), w, create_graph=True)
        grad.square().sum().backward()
        assert w.grad.is_meta
        unused = jg.autograd.grad(x.sum(), w, allow_unused=True, materialize_grads=True)
        assert unused[0].is_meta


OPTIMIZERS = {
    "SGD": lambda p: jg.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: jg.optim.Adam(p),
    "AdamW amsgrad": lambda p: jg.optim.AdamW(p, amsgrad=True),
    "RMSprop": lambda p: jg.optim.RMSprop(p, centered=True),
    "Adagrad": lambda p: jg.optim.Adagrad(p),
}


def network():
    """A model with most of what models have."""
    return nn.Sequential(
        nn.Linear(78, 32), nn.GELU(), nn.LayerNorm(32), nn.Dropout(0.5), nn.Linear(32, 10)
    )


def training(device, make):
    """One step of training, after two others."""
    with jg.device(device):
        model = network()
        x, t = jg.empty(64, 78), jg.empty(64, dtype=jg.int64)
    optimizer = make(model.parameters())

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    step(), step()
    return step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training(name):
    assert training("meta", OPTIMIZERS[name])().is_meta


# ---- the plan


def added(step, key=None):
    """What a step adds to the totals."""
    jg.flush_all()

    def totals():
        return jg.stats()["meta"] if key == "meta" else jg.stats()

    before = totals()
    step()
    jg.flush_all()
    after = totals()
    return {k: v - before[k] for k, v in after.items() if isinstance(v, int)}


class TestBesideTheCpu:
    """The plan is what the CPU runs."""

    @pytest.fixture(autouse=True)
    def nothing_runs(self):
        """Here the CPU does run."""

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_a_training_step_is_planned_as_it_is_run(self, name, monkeypatch):
        monkeypatch.setenv("JITGRAD_JIT", "0")
        planned = added(training("meta", OPTIMIZERS[name]), "meta")
        run = added(training("cpu", OPTIMIZERS[name]))
        assert planned["kernels"] == run["kernels_run"]
        assert planned["steps"] == run["steps_run"]
        assert [planned[k] for k in ("bytes", "flops", "flushes")] == [
            run[k] for k in ("bytes", "flops", "flushes")
        ]

    def test_numbers_of_the_cpu_go_along(self):
        x = meta(3) * jg.tensor(2.0)
        assert x.is_meta and x.realize().is_meta

    def test_both_in_one_flush(self):
        x, y = meta(3) * 2, jg.ones(3) * 2
        jg.flush_all()
        assert x.is_meta and y.tolist() == [2.0] * 3


def test_memory_is_counted_and_given_back():
    gc.collect()
    start = jg.stats()["meta"]["live_bytes"]
    x = meta(1000, 250)
    y = (x * 2).realize()
    assert jg.stats()["meta"]["live_bytes"] - start == 2 * x.nbytes
    del x, y
    assert jg.stats()["meta"]["live_bytes"] == start


def test_what_fits_nowhere():
    with META:
        model = nn.Linear(1 << 20, 1 << 20, bias=False)  # 4 TiB of float32
    optimizer = jg.optim.Adam(model.parameters())
    model(meta(8, 1 << 20)).square().mean().backward()
    optimizer.step()
    totals = jg.stats()["meta"]
    assert totals["peak_bytes"] >= 4 * model.weight.nbytes
    assert totals["flops"] >= 2 * 2 * 8 * model.weight.numel()


def test_explain():
    x = meta(64, 32)
    found = jg.debug.explain((x @ meta(32, 16)).relu().softmax(1))
    assert found.kernels == 2
    assert found.flops >= 2 * 64 * 32 * 16
    assert found.peak_bytes >= 4 * (64 * 32 + 32 * 16 + 2 * 64 * 16)
    assert "bytes  at most" in str(found)
    assert jg.debug.explain((x * 2).sum(0), device="cuda").bytes == x.nbytes + 128


def test_explain_of_a_step():
    step = training("meta", OPTIMIZERS["Adam"])
    found = jg.debug.explain(step)
    planned = added(step, "meta")
    assert (found.kernels, len(found.steps)) == (planned["kernels"], planned["steps"])
    assert (found.bytes, found.flops) == (planned["bytes"], planned["flops"])
    assert not found.timings


# ---- no values


READS = {
    "item": lambda x: x.sum().item(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "__array__": lambda x: np.asarray(x),
    "bool": lambda x: bool(x.sum() > 0),
    "int": lambda x: int(x.sum()),
    "float": lambda x: float(x.sum()),
    "index": lambda x: [1, 2][x.sum().long()],
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "copy_": lambda x: jg.ones(2, 3).copy_(x),
    "from a view": lambda x: x.t()[0].tolist(),
    "equal": lambda x: jg.equal(x, x),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_says_why_not(name):
    reason = "on device 'meta' has a shape and a dtype, but no values .*test_meta.py"
    with pytest.raises(NotImplementedError, match=reason):
        READS[name](meta(2, 3))
    with pytest.raises(NotImplementedError, match=reason):
        READS[name](meta(2, 3) + 1)


def test_saving_says_why_not(tmp_path):
    with pytest.raises(NotImplementedError, match="no values"):
        jg.save({"x": meta(2)}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_print():
    x = meta(2, 3, requires_grad=True)
    assert repr(x) == "tensor(..., device='meta', size=(2, 3), requires_grad=True)"
    assert repr(x * 2).endswith("grad_fn=<MulBackward0>)")


def test_devices_do_not_mix():
    with pytest.raises(RuntimeError, match=r"add: .* same device, but found meta \(3,\) and cpu"):
        meta(3) + jg.ones(3)
    with pytest.raises(RuntimeError, match="matmul: .* same device"):
        jg.ones(2, 3) @ meta(3, 2)


@pytest.mark.parametrize(
    "device",
    [
        lambda name: name,
        lambda name: f"{name}:0",
        jg.device,
        lambda name: pickle.loads(pickle.dumps(jg.device(name))),
        lambda name: copy.deepcopy(jg.device(name)),
    ],
)
@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_a_name_from_outside(name, device):
    outside = "".join(name)  # another string of the same letters, as argparse or a file gives it
    x = jg.ones(2, device=device(outside)) + jg.ones(2, device=name)
    with jg.device(outside):
        assert (jg.ones(2) + x).device.type == name


def test_no_gradient_comes_back():
    x = jg.ones(3).requires_grad_()
    with pytest.raises(NotImplementedError, match="detach"):
        x.to("meta")
    assert x.detach().to("meta").is_meta


# ---- modules


def test_module_to_and_to_empty():
    model = network().to("meta")
    assert all(p.is_meta and p.requires_grad for p in model.parameters())
    with pytest.raises(NotImplementedError, match="no values"):
        model.to("cpu")
    model.to_empty(device="cpu")
    assert not any(p.is_meta for p in model.parameters())


def test_state_dicts():
    with META:
        model = network()
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    model.load_state_dict({name: jg.zeros(*shape) for name, shape in shapes.items()})
    assert all(p.is_meta for p in model.parameters())


def test_initialisers():
    w = meta(6, 4)
    with META:
        for name in (
            "xavier_uniform_",
            "kaiming_normal_",
            "orthogonal_",
            "trunc_normal_",
            "zeros_",
        ):
            assert getattr(nn.init, name)(w) is w and w.is_meta
        assert nn.init.sparse_(w, 0.5).is_meta


def test_a_compiled_function_stays_lazy():
    @jg.compile
    def double(x):
        return x * 2

    assert all(double(meta(3)).is_meta for _ in range(4))

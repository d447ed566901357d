"""Kernels that fail: who is named, and what stays as it was."""

import gc
import weakref
from unittest import mock

import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F
from jitgrad.runtime import build, flush, program


class Broken:
    """A fault injected into the kernels whose name holds a word: they report error code 7."""

    def __init__(self, word):
        self.word = word
        self.run = program.Program.run

    def __enter__(self):
        outer = self

        def run(self):
            for number, step in enumerate(self.steps):
                if outer.word in step.function.name:
                    return program.Failure(number, 0, 7, 0, 0, 0)
            return outer.run(self)

        self.patch = mock.patch.object(program.Program, "run", run)
        self.patch.__enter__()
        return self

    def __exit__(self, *details):
        self.patch.__exit__(*details)


def model_and_data():
    """A small model under Adam, after one step, with data for the next."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x, t = torch.randn(6, 4).realize(), torch.tensor([0, 1, 2, 0, 1, 2])
    step(model, optimizer, x, t)
    return model, optimizer, x, t


def step(model, optimizer, x, t):
    """One training step."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), t)
    loss.backward()
    optimizer.step()
    return loss


def state(model, optimizer):
    """Every number that training keeps."""
    out = [p.detach().tolist() for p in model.parameters()]
    for p in model.parameters():
        out += [optimizer.state[p][k].tolist() for k in ("exp_avg", "exp_avg_sq")]
    return out


def test_a_failing_kernel_is_named_with_its_lines():
    x = torch.ones(3)
    y = (x * 2).exp()
    with Broken("exp"), pytest.raises(RuntimeError, match=r"kernel exp\w* failed with code 7") as e:
        y.realize()
    message = str(e.value)
    assert "exp recorded at" in message and "test_failures.py" in message
    assert len(message.splitlines()) <= 25
    assert [round(v, 3) for v in y.tolist()] == [7.389] * 3


def test_the_same_error_comes_again_and_others_are_computed():
    x = torch.ones(3)
    good, bad = x * 3, x[torch.tensor([0, 5])] * 2
    for _ in range(2):
        with pytest.raises(IndexError, match=r"index 5 is out of range \[-3, 3\)"):
            bad.tolist()
    assert good.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_parameters_are_unharmed_by_a_target_out_of_range(mode):
    model, optimizer, x, t = model_and_data()
    twin, other, _, _ = model_and_data()
    before = state(model, optimizer)
    assert before == state(twin, other)
    with torch.mode(mode), pytest.raises(IndexError, match="target"):
        step(model, optimizer, x, torch.tensor([0, 1, 2, 0, 1, 3])).item()
    assert state(model, optimizer) == before
    loss, twins = step(model, optimizer, x, t), step(twin, other, x, t)
    assert loss.item() == twins.item()
    assert state(model, optimizer) == state(twin, other)


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_parameters_are_unharmed_by_a_kernel_that_fails(mode):
    model, optimizer, x, t = model_and_data()
    twin, other, _, _ = model_and_data()
    before = state(model, optimizer)
    with torch.mode(mode), Broken("matmul"), pytest.raises(RuntimeError, match="code 7"):
        step(model, optimizer, x, t)
    assert state(model, optimizer) == before
    assert step(model, optimizer, x, t).item() == step(twin, other, x, t).item()
    assert state(model, optimizer) == state(twin, other)


def test_a_first_step_that_fails_leaves_no_state():
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    before = layer.weight.tolist()
    F.cross_entropy(layer(torch.ones(1, 2)), torch.tensor([5])).backward()
    with pytest.raises(IndexError):
        optimizer.step()
    assert layer.weight.tolist() == before
    assert not optimizer.state


def test_a_kernel_that_does_not_compile_names_its_lines():
    x = torch.ones(3).realize()
    flush.forget()

    def refuse(kernels):
        raise build.CompileError(f"kernel {kernels[0].name} does not compile: no registers left")

    y = x.sin() + 1
    with mock.patch.object(build, "get_many", refuse), pytest.raises(build.CompileError) as e:
        y.realize()
    message = str(e.value)
    assert "no registers left" in message and "sin, add recorded at" in message
    assert "test_failures.py" in message and len(message.splitlines()) <= 25
    assert round(y.sum().item(), 3) == 5.524


def test_a_write_that_fails_leaves_the_memory():
    y = (torch.ones(4) * 3).realize()
    with pytest.raises(IndexError):
        y[torch.tensor([9])] = 5.0
        y.tolist()
    assert y.tolist() == [3.0] * 4


def test_a_full_flush_after_a_failure_leaves_the_failed_one_out():
    x = torch.ones(3)
    bad, good = x[torch.tensor([7])], x * 4
    with pytest.raises(IndexError):
        torch.flush_all()
    torch.flush_all()
    assert good.tolist() == [4.0] * 3
    with pytest.raises(IndexError):
        (bad + 1).tolist()


@pytest.mark.parametrize("lookup", [
    lambda x, i: torch.zeros(3).scatter_add(0, i, x * 2),
    lambda x, i: (x * 2).gather(0, i),
    lambda x, i: (x * 2)[i],
    lambda x, i: torch.zeros(3).index_put((i,), x * 2),
])  # fmt: skip
def test_a_gradient_by_the_same_index_does_not_fail_a_later_flush(lookup):
    x = torch.ones(3).requires_grad_()
    (x * 3).sum().backward()
    before = x.grad.tolist()
    y = lookup(x, torch.tensor([0, 6, 1]))
    y.sum().backward()
    with pytest.raises(IndexError, match="index 6"):
        y.tolist()
    torch.flush_all()
    assert x.grad.tolist() == before


def test_what_looks_up_by_another_index_waits_on():
    x, good = torch.ones(3), torch.tensor([0, 2])
    bad, fine = x[torch.tensor([0, 6])], x[good] * 2
    with pytest.raises(IndexError):
        bad.tolist()
    assert fine.tolist() == [2.0, 2.0]


def test_a_kept_error_keeps_no_tensor():
    x = torch.ones(3)
    tensors = [x[torch.tensor([7])], *(x * n for n in range(2, 6))]
    storages = [weakref.ref(t._storage) for t in tensors]
    with pytest.raises(IndexError) as caught:
        torch.flush_all()
    del tensors
    gc.collect()
    assert caught.value.__traceback__ is not None
    assert [ref() for ref in storages] == [None] * 5


@pytest.mark.parametrize("mode", ["lazy", "eager"])
@pytest.mark.parametrize("index", [-4, 3])
def test_an_index_is_named_as_it_was_given(mode, index):
    """Also one that counts from the end, to which the size was added."""
    with (
        torch.mode(mode),
        pytest.raises(IndexError, match=rf"index {index} is out of range \[-3, 3\)"),
    ):
        torch.ones(3)[torch.tensor([0, index])].tolist()

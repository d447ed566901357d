"""`debug.compare`: modes and float64 beside each other, and the first operation that differs."""

import itertools

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn


def test_a_function_that_is_right():
    found = jg.debug.compare(lambda x: (x.exp(), x.sum(1)), jg.randn(4, 5))
    assert found.same and found.imprecise is None
    assert found.modes == {"eager": "", "lazy": "", "compiled": ""}
    assert list(found.values["lazy"]) == ["result[0]", "result[1]", "args[0]"]
    assert 0 < found.errors["result[0]"] < 1e-6
    text = str(found)
    assert "result[0]   the same bits" in text
    assert text.endswith(f"all {found.ops} operations are within 1e-04 of float64")


def _classifier():
    jg.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = jg.optim.Adam(net.parameters(), lr=0.01)
    x, y = jg.randn(5, 6), jg.randint(0, 3, (5,))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return net, optimizer, step


def test_a_training_step_and_everything_is_as_it_was():
    net, optimizer, step = _classifier()
    before = [p.detach().numpy().copy() for p in net.parameters()]
    draws = jg.get_rng_state().tolist()
    found = jg.debug.compare(step)
    assert found.same, str(found)
    assert found.ops > 50 and found.imprecise is None
    changed = found.values["compiled"]
    assert {"result[0]", "net.0.weight", "net.0.weight.grad", "net.3.bias"} <= set(changed)
    assert not np.array_equal(changed["net.0.weight"], before[0])
    for p, array in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), array)
        assert p.grad is None
    assert not optimizer.state and jg.get_rng_state().tolist() == draws
    again = jg.debug.compare(step)
    assert all(np.array_equal(changed[k], again.values["lazy"][k]) for k in changed)


def test_after_real_steps_too():
    net, optimizer, step = _classifier()
    for _ in range(3):
        step()
    weight, grad = net[0].weight.tolist(), net[0].weight.grad.tolist()
    mean = optimizer.state[net[0].weight]["exp_avg"].tolist()
    assert jg.debug.compare(step).same
    assert net[0].weight.tolist() == weight and net[0].weight.grad.tolist() == grad
    assert optimizer.state[net[0].weight]["exp_avg"].tolist() == mean
    fast = jg.compile(step)
    losses = [fast().item() for _ in range(5)]
    assert len(set(losses)) == 5  # it still trains


def _edited(tmp_path, t, old, new):
    """An override of the one kernel that computes `t`, with its source changed."""
    (file,) = jg.debug.eject(t, tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return jg.debug.override(file.stem, file)


def test_a_kernel_that_is_wrong_is_named_with_op_and_line(tmp_path):
    x = jg.linspace(0, 1, 6).realize()

    def work(x):
        y = x.exp() * 2
        y = y - 1  # the first that is wrong
        return y + x

    with (
        _edited(tmp_path / "whole", work(x), "sub = mul - s1", "sub = mul + s1"),
        _edited(tmp_path / "part", x.exp() * 2 - 1, "sub = mul - s1", "sub = mul + s1"),
    ):
        found = jg.debug.compare(work, x)
    assert not found.same
    first = found.diverged
    assert (first.mode, first.against, first.op) == ("lazy", "alone", "sub")
    assert first.site[:2] == (__file__, work.__code__.co_firstlineno + 2)
    assert first.kernel.startswith("exp_") and first.error > 0.1
    assert f"first in lazy: sub at test_compare.py:{first.site[1]} gives other bits" in str(found)
    assert ("result[0]", "lazy") in found.differing and (
        "result[0]",
        "eager",
    ) not in found.differing
    assert "result[0]   lazy, compiled differ" in str(found)


def test_cancellation_and_overflow_are_named_as_far_from_float64():
    def cancelling(x):
        big = x + 1e8
        return (big - 1e8) * 2

    found = jg.debug.compare(cancelling, jg.linspace(0.1, 0.9, 5))
    assert found.same
    assert (found.imprecise.op, found.imprecise.site[1]) == (
        "sub",
        cancelling.__code__.co_firstlineno + 2,
    )
    assert found.errors["result[0]"] > 0.1
    over = jg.debug.compare(lambda x: x.exp().log(), jg.full((2,), 100.0))
    assert over.imprecise.op == "exp" and over.imprecise.error == float("inf")
    assert jg.debug.compare(cancelling, jg.ones(3), tolerance=10.0).imprecise is None


def test_float64_goes_on_from_one_evaluation_to_the_next():
    def work(x):
        y = (x + 1e8).realize()
        return y - 1e8

    found = jg.debug.compare(work, jg.full((3,), 0.3))
    assert found.imprecise.op == "sub"


def test_what_python_does_differently_each_time():
    count = itertools.count(1)
    found = jg.debug.compare(lambda x: x * next(count), jg.ones(3))
    assert not found.same and found.diverged is None
    assert found.modes["compiled"].startswith("compiled runs lazily: it takes from closure count")
    assert "what was recorded differs" in str(found)


def test_what_cannot_be_compiled_says_why():
    found = jg.debug.compare(lambda x: x * x.sum().item(), jg.ones(3))
    assert found.same and "compiled" not in found.values
    assert found.modes["compiled"].startswith("not run: ") and "compiled: not run" in str(found)


def test_errors_are_the_users_and_leave_everything_as_it_was():
    x = jg.zeros(3)

    def work():
        x.add_(1)
        x.flush_all()

    with pytest.raises(AttributeError):
        jg.debug.compare(work)
    assert x.tolist() == [0, 0, 0]
    index = jg.tensor([4])
    with pytest.raises(IndexError):
        jg.debug.compare(lambda: jg.ones(3)[index])


class _Counter:
    def __init__(self):
        self.seen = []
        self.total = jg.zeros(2)
        self.words = {"a"}


_calls = 0


def test_all_kinds_of_state_go_back():
    counter, memory, numbers = _Counter(), np.zeros(2, np.float32), {"n": 0}
    view = jg.from_numpy(memory)
    local = 0

    def work(x):
        global _calls
        nonlocal local
        _calls, local = _calls + 1, local + 1
        counter.seen.append(local)
        counter.words.add("b")
        counter.extra = x
        counter.total += x
        numbers["n"] += 1
        view.add_(1)
        return counter.total * 1

    found = jg.debug.compare(work, jg.ones(2))
    assert [found.values[m]["result[0]"].tolist() for m in ("eager", "lazy")] == [[1, 1]] * 2
    assert not found.differing
    assert (_calls, local, numbers, counter.seen, counter.words) == (0, 0, {"n": 0}, [], {"a"})
    assert not hasattr(counter, "extra") and counter.total.tolist() == [0, 0]
    assert memory.tolist() == [0, 0]


@pytest.mark.parametrize("way", ["a function", "a method"])
def test_what_compile_returned_is_compared_in_all_modes(way):
    w = jg.randn(3, requires_grad=True)

    class Model:
        @jg.compile
        def loss(self, x):
            return (x * w).exp().sum()

    f = Model().loss if way == "a method" else jg.compile(lambda x: (x * w).exp().sum())
    x = jg.randn(3)
    for _ in range(3):
        f(x)
    found = jg.debug.compare(f, x)
    assert found.same and found.modes["compiled"] == ""
    assert found.errors["result[0]"] < 1e-6

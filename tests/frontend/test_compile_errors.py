"""What a compiled function refuses, and what it leaves behind then."""

import _random
import contextvars
import logging
import os
import random
import sys
import warnings

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.frontend.state import local
from jitgrad.frontend.watch import Watch
from tests.frontend.compiled import batches, bits, network, state


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda t: t.item(), "item"),
        (lambda t: t.numpy(), "numpy"),
        (lambda t: t.tolist(), "tolist"),
        (lambda t: bool(t > 0), "bool"),
        (lambda t: float(t), "float"),
        (lambda t: repr(t), "print"),
    ],
)
def test_a_read_in_the_middle(read, name):
    def f(x):
        y = x.sum()
        read(y)
        return y

    with pytest.raises(RuntimeError, match=rf"{name}\(\) at .*test_compile_errors.py:\d+"):
        jg.compile(f)(jg.ones(3))
    free = jg.compile(f, fallback=True)
    assert [free(jg.ones(3) * i).item() for i in range(4)] == [0.0, 3.0, 6.0, 9.0]
    with pytest.raises(RuntimeError, match="reads a value"):
        jg.compile(lambda x: x if x.item() else -x)(jg.tensor(1.0))  # an argument, computed already


VARIABLE = contextvars.ContextVar("VARIABLE", default=1)


@pytest.mark.parametrize("what", ["manual_seed", "scheduler.step", "next"])
def test_side_effects_refused_by_name(what):
    optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = jg.optim.lr_scheduler.StepLR(optimizer, 2)
    loader = iter(jg.utils.data.DataLoader(jg.utils.data.TensorDataset(jg.ones(4)), batch_size=2))

    @jg.compile
    def f(x):
        if what == "manual_seed":
            jg.manual_seed(1)
        elif what == "scheduler.step":
            scheduler.step()
        else:
            next(loader)
        return x * 2

    with pytest.raises(RuntimeError, match=what):
        f(jg.ones(1))


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (lambda file: print("step"), r"print\(\)"),
        (lambda file: random.choice([1, 2]), r"random\.\w+\(\)"),
        (lambda file: open(os.devnull).close(), r"open\(\)"),
        (lambda file: globals()["VARIABLE"], r"globals\(\)"),
        (lambda file: VARIABLE.get(), r"get\(\) of ContextVar"),
        (lambda file: file.write("step"), r"write\(\) of a file"),
        (lambda file: logging.getLogger("x").warning("step"), "logging"),
    ],
)
def test_what_a_replay_would_skip(act, name):
    with open(os.devnull, "w") as file:

        def f(x):
            act(file)
            return x * 2

        with pytest.raises(RuntimeError, match=rf"{name} at .*test_compile_errors.py:\d+"):
            jg.compile(f)(jg.ones(3))
        assert jg.compile(f, fallback=True)(jg.ones(3)).tolist() == [2.0] * 3
    assert sys.getprofile() is None


@pytest.mark.parametrize(
    "draw", [np.random.rand, np.random.default_rng(0).random, random.Random(0).random]
)
def test_random_numbers_of_others_are_never_those_of_the_recording(draw):
    f = jg.compile(lambda x: x * (draw() < 2))  # True each time
    for i in range(6):
        assert f(jg.ones(1) * i).item() == i
    assert [known.lazy for known in f._known.values()] == [
        "it draws random numbers that are not jitgrad's"
    ]


@pytest.mark.parametrize("other", ["an argument", "a global", "a written argument"])
def test_a_write_to_a_view_that_shares_memory(other):
    data = jg.arange(8.0)

    def f(x, y):
        before = y * 2
        x.add_(1)
        if other == "a written argument":
            y.mul_(2)
        return before + (data[2:6] if other == "a global" else y)

    with pytest.raises(RuntimeError, match=r"writes to an argument that is a view.*clone\(\)"):
        jg.compile(f)(data[:4], data[2:6])
    assert data.tolist() == [1, 2, 3, 4, 4, 5, 6, 7]  # as far as it came


def test_a_difference_that_nothing_explains():
    @jg.compile
    def f(x):
        return x * _random.Random().random()  # C code that takes its seed from the system

    f(jg.ones(3))
    with pytest.raises(RuntimeError, match=r"test_compile_errors.py:\d+.*the number .* then"):
        f(jg.ones(3))


def test_exceptions_leave_state_as_lazy_does():
    def run(wrap):
        net = network()
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)
        fail = [False]

        @wrap
        def step(x, y):
            optimizer.zero_grad()
            loss = jg.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            if fail[0]:
                raise KeyError("stop")
            optimizer.step()
            return loss

        seen = []
        for i, (x, y) in enumerate(batches(8)):
            fail[0] = i in (0, 4)
            try:
                seen.append(bits(step(x, y)))
            except KeyError:
                seen.append("failed")
            seen += [bits(t) for t in state(net, optimizer)]
        return seen

    assert run(lambda fn: fn) == run(jg.compile)


def test_an_index_out_of_range():
    table = jg.ones(4, 2)

    @jg.compile
    def f(i):
        table.add_(1)
        return table[i]

    for _ in range(4):
        f(jg.tensor([0, 3]))
    before = table.tolist()
    with pytest.raises(IndexError, match=r"index 7.*\n.*test_compile_errors.py"):
        f(jg.tensor([0, 7]))
    assert table.tolist() == before
    assert f(jg.tensor([1])).tolist() == [[6.0, 6.0]]


@pytest.mark.parametrize("when", [0, 1])
def test_what_a_failing_recording_has_written(when):
    """It goes back to its values in the calls that record, as in lazy mode."""

    def run(wrap):
        weight = jg.ones(4).realize()

        @wrap
        def step(i):
            weight.sub_(weight[i].sum() * 0.25)
            return weight * 2

        seen = []
        for call in range(5):
            if call == when:
                with pytest.raises(IndexError):
                    step(jg.tensor([0, 7])).tolist()
            else:
                seen.append(step(jg.tensor([0, 1])).tolist())
            seen.append(weight.tolist())
        return seen

    assert run(lambda fn: fn) == run(jg.compile)


def test_ctrl_c_while_a_recording_ends(monkeypatch):
    f = jg.compile(lambda x: x * 2)

    def interrupted(watch):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f(jg.ones(2))
    assert local.state.capture is None
    assert sys.getprofile() is None
    assert [f(jg.ones(2) * i).tolist() for i in range(4)] == [[2.0 * i] * 2 for i in range(4)]


def test_many_patterns_warn_once():
    f = jg.compile(lambda x, k: x * k)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(40):
            assert f(jg.ones(2), k).tolist() == [k, k]
    assert len(caught) == 1
    assert str(caught[0].message).endswith("What varies: argument k")
    assert sum(len(k.entries) for k in f._known.values()) <= 16


def test_what_compile_takes():
    assert jg.compile(fallback=True)(lambda x: x)(jg.ones(1)).tolist() == [1.0]
    with pytest.raises(TypeError, match="int"):
        jg.compile(3)
    net = jg.compile(network())
    assert len(list(net.parameters())) == 4

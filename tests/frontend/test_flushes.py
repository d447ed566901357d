"""When values are computed: reads, full flushes, cut chains, and graphs that stay flat."""

import gc
import threading

import pytest

import jitgrad as jg
from jitgrad.frontend import pending
from jitgrad.frontend.state import local
from jitgrad.ir.node import Node


def waits(t):
    """Whether the value of `t` is still to be computed."""
    return pending.waits(t._storage.node)


@pytest.fixture(autouse=True)
def nothing_pending():
    jg.flush_all()
    with jg.mode("lazy"):
        yield


def test_nothing_runs_until_a_value_is_read():
    x = jg.ones(3) * 2
    y = x + 1
    assert waits(x) and waits(y)
    assert y.tolist() == [3.0, 3.0, 3.0]
    assert not waits(y)


def test_eager_computes_each_op():
    with jg.mode("eager"):
        x = jg.ones(3) * 2
        assert not waits(x)
    assert jg.get_mode() == "lazy"
    with pytest.raises(ValueError, match="'eager' or 'lazy'"):
        jg.set_mode("fast")


def test_realize_and_flush_all():
    x, y = jg.ones(3) * 2, jg.ones(3) * 3
    assert x.realize() is x
    assert not waits(x) and waits(y)
    jg.flush_all()
    assert not waits(y)


TRIGGERS = {
    "item": lambda t: t.sum().item(),
    "bool": lambda t: bool(t.sum() > 0),
    "float": lambda t: float(t.sum()),
    "int": lambda t: int(t.sum()),
    "numpy": lambda t: t.numpy(),
    "tolist": lambda t: t.tolist(),
    "print": repr,
    "realize": lambda t: t.realize(),
    "nonzero": lambda t: t.nonzero(),
    "index by a mask": lambda t: jg.ones(3)[t > 1],
}


@pytest.mark.parametrize("why", TRIGGERS)
def test_reads_are_counted_with_their_line(why):
    seen = []
    pending.observers.append(lambda *event: seen.append(event))
    t = jg.ones(3) * 2
    try:
        TRIGGERS[why](t)
    finally:
        pending.observers.pop()
    assert [s[0] for s in seen] == [why]
    assert seen[0][1][0] == __file__
    assert pending.reads[why, __file__, seen[0][1][1]] >= 1


def cuts(count, loop):
    """After which of `count` rounds the loop's value was computed without being read."""
    return [i + 1 for i, t in enumerate(loop(count)) if not waits(t)]


def test_a_chain_is_cut_at_its_64th_link_always_at_the_same_place():
    def total(count):
        t = jg.zeros(3)
        for _ in range(count):
            t = t + 1
            yield t

    assert cuts(300, total) == [64, 128, 192, 256]


def test_in_place_chains_and_chains_of_several_lines_are_cut_too():
    def in_place(count):
        t = jg.zeros(3)
        for _ in range(count):
            t += 1
            yield t

    assert cuts(200, in_place) == [64, 128, 192]

    def average(count):
        t, x = jg.zeros(3), jg.ones(3)
        for _ in range(count):
            a = t * 0.9
            b = x * 0.1
            t = a + b
            yield a

    found = cuts(400, average)
    assert [b - a for a, b in zip(found, found[1:], strict=False)] == [64] * (len(found) - 1)
    assert len(found) == 6


def test_what_only_runs_often_is_not_cut():
    x = jg.ones(3)
    out = []
    for _ in range(200):
        out.append(x * 2 + 1)
    assert all(waits(t) for t in out)


def live_nodes():
    gc.collect()
    return sum(type(o) is Node for o in gc.get_objects())


def test_loops_that_never_read_stay_flat():
    a, b = jg.arange(10), jg.arange(10)
    correct = 0
    counts = []
    for i in range(1000):
        correct += (a == b).sum()
        if i % 128 == 127:
            counts.append(live_nodes())
    assert max(counts[1:]) <= counts[1] * 1.05
    assert correct.item() == 10_000


def test_gradients_that_only_accumulate_stay_flat():
    w = jg.ones(3, requires_grad=True)
    counts = []
    for i in range(512):
        (w * 2).sum().backward()
        if i % 128 == 127:
            counts.append(live_nodes())
    assert max(counts) <= counts[0] * 1.05
    assert w.grad.tolist() == [1024.0] * 3


def test_what_a_live_tape_needs_is_kept():
    w = jg.ones(4, 4, requires_grad=True)
    x = jg.ones(2, 4)
    h = x @ w
    y = (h + 1).tanh()
    saved = y.grad_fn.saved[0]
    del h
    y.sum().realize()
    assert saved.inputs and not saved.inputs[0].inputs[0].inputs, "tanh waits, its matmul is there"


def test_a_held_product_is_computed_once():
    h = jg.ones(2, 4) @ jg.ones(4, 4)
    h.sum().item()
    assert not waits(h)


@pytest.mark.parametrize("n", [5_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_a_long_tape_lives_and_dies_without_recursion(n):
    w = jg.ones(2, requires_grad=True)
    x = w
    for _ in range(n):
        x = x * 1.00001
    x.sum().backward()  # the gradient is one pending graph of n products
    want = pytest.approx(1.00001**n, rel=n * 1e-7)
    assert w.grad.tolist() == [want] * 2 and x[0].item() == want
    del x


def test_recording_is_per_thread():
    x = jg.ones(3) * 2
    found = []

    def work():
        found.append(len(local.state.pending))
        y = jg.ones(3) * 3
        jg.flush_all()
        found.append(waits(y))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0, False] and waits(x)

"""A graph recorded again is computed by the plan it had: with the memory, numbers, slice starts and
draws of this time, and never where anything else differs."""

import sys

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.runtime import flush, recall, switches


@pytest.fixture(autouse=True)
def forgotten():
    jg.flush_all()
    flush.forget()


@pytest.fixture
def recalled(monkeypatch):
    """Of each flush whether a plan was recalled."""
    seen = []

    def again(sight, original=flush.again):
        seen.append(recall.known(sight) is not None)
        return original(sight)

    monkeypatch.setattr(flush, "again", again)
    return seen


def eager(fn, *args):
    with jg.mode("eager"):
        return fn(*args)


def arrays(*shape):
    """Different values at every call."""
    state = np.random.RandomState(7)
    while True:
        yield state.standard_normal(shape).astype(np.float32)


def test_memory_and_numbers_are_those_of_this_time(recalled):
    def fn(x, factor):
        return (((x * factor).tanh() + x) / 3).sum(1).numpy()

    values = arrays(3, 5)
    for k in range(4):
        x = next(values)
        found = fn(jg.tensor(x), 0.5 + k)
        assert recalled == [k > 0]
        recalled.clear()
        np.testing.assert_array_equal(found, eager(fn, jg.tensor(x), 0.5 + k))
        recalled.clear()


def test_slices_start_where_they_start_now(recalled):
    data = jg.tensor(np.arange(60.0).reshape(20, 3))
    for k in range(4):
        rows = data[4 * k : 4 * k + 4]
        assert (rows * 2 + data[k]).tolist() == (rows.numpy() * 2 + data[k].numpy()).tolist()
    assert recalled.count(True) >= 3


def test_draws_are_new(recalled):
    jg.manual_seed(3)
    found = [jg.rand(4).mul(2).tolist() for _ in range(3)]
    assert recalled[-2:] == [True, True]
    jg.manual_seed(3)
    assert found == eager(lambda: [jg.rand(4).mul(2).tolist() for _ in range(3)])
    assert found[0] != found[1] != found[2]


def test_views_of_leaves(recalled):
    x = jg.tensor(np.arange(12.0).reshape(3, 4))
    for other in (x, x.clone(), x * 1):
        other.realize()
        recalled.clear()
        for view in (other.t(), other[1:], other[:, ::2], other.t()):
            assert (view + 1).tolist() == (view.numpy() + 1).tolist()
    assert True in recalled


@pytest.mark.parametrize(
    "one, other",
    [
        (lambda x: jg.where(x > 0, x, -0.0), lambda x: jg.where(x > 0, x, 0.0)),
        (lambda x: x.sum(0), lambda x: x.sum(1)),
        (lambda x: x.float(), lambda x: x.double()),
        (lambda x: x.softmax(0), lambda x: x.softmax(1)),
        (lambda x: x.reshape(4, 2), lambda x: x.reshape(2, 4).t()),
        (lambda x: x - x.t(), lambda x: x.t() - x),
        (lambda x: x[::2] * x[::2], lambda x: x[:2] * x[:2]),
        (lambda x: x.clamp(min=0), lambda x: x.clamp(max=0)),
        (lambda x: jg.ones(2, 2) + x[:2, :2], lambda x: jg.zeros(2, 2) + x[:2, :2]),
    ],
)
def test_graphs_that_look_alike_are_told_apart(one, other):
    x = jg.tensor([[-1.0, 2.0, -0.0], [3.0, -4.0, 5.0], [0.0, 1.0, 2.0]])
    x = x if "reshape" not in one.__code__.co_names else jg.arange(8).float()
    for fn in (one, other, one, other):
        found, want = fn(x).numpy(), eager(lambda fn=fn: fn(x).numpy())
        assert found.dtype == want.dtype and found.tobytes() == want.tobytes()


def test_sizes_are_told_apart():
    for n in (4, 5, 1, 4, 0, 5):
        x = jg.ones(n, 3) * 2
        assert (x.sum() + x.mean(0)).tolist() == [2.0 * 3 * n + (2.0 if n else np.nan)] * 3 or not n


def test_a_result_that_is_held_is_computed_once(recalled):
    x = jg.tensor(np.ones((8, 8), np.float32))

    def step(hold):
        a = x @ x
        b = a * 2
        keep = a if hold else None
        del a
        b.realize()
        return keep

    for hold in (True, True, False, True, False, False):
        kept = step(hold)
        if kept is not None:
            before = jg.stats()["nodes"]
            kept.realize()
            assert jg.stats()["nodes"] == before  # it was computed along with the other
    assert recalled == [False, True, False, True, True, True]


def test_what_backward_reads_is_kept(recalled):
    w = jg.tensor(np.ones((4, 4), np.float32), requires_grad=True)
    for _ in range(3):
        y = (w @ w).exp()
        y.realize()  # a live tape reads the product: the graph alone does not say what to keep
        y.sum().backward()
        assert w.grad.tolist() == eager(_gradient).tolist()
        w.grad = None
    assert recalled[0] is False


def _gradient():
    w = jg.tensor(np.ones((4, 4), np.float32), requires_grad=True)
    (w @ w).exp().sum().backward()
    return w.grad


def test_a_failure_is_told_with_the_line_of_this_time(recalled):
    table = jg.tensor(np.arange(6.0).reshape(3, 2))

    def pick(i):
        rows = jg.nn.functional.embedding(jg.tensor([0, i]), table)
        return rows * 2

    assert pick(2).tolist() == [[0.0, 2.0], [8.0, 10.0]]
    line = sys._getframe().f_lineno + 1
    later = jg.nn.functional.embedding(jg.tensor([0, 7]), table) * 2
    with pytest.raises(IndexError, match=f"index 7 .*\n.*test_recall.py:{line}"):
        later.tolist()
    assert recalled == [False, True]
    assert pick(1).tolist() == [[0.0, 2.0], [4.0, 6.0]]


def test_switches_and_forgetting(monkeypatch, recalled):
    x = jg.tensor([1.0, 2.0])
    x.mul(3).tolist()
    x.mul(3).tolist()
    assert recalled == [False, True]
    monkeypatch.setenv("JITGRAD_FUSE", "0")
    assert not switches.fuse()
    x.mul(3).tolist()
    monkeypatch.delenv("JITGRAD_FUSE")
    x.mul(3).tolist()
    flush.forget()
    x.mul(3).tolist()
    assert recalled == [False, True, False, True, False]
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    assert recall.look([(x * 3)._storage.node], set()) is None


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(recall, "PLANS", 3)
    for n in range(1, 8):
        (jg.tensor(np.ones(n, np.float32)) * 2).tolist()
    assert len(recall._plans) == 3


def deep(layers, width=4):
    """A training step too long for one schedule."""
    net = jg.nn.Sequential(*[jg.nn.Linear(width, width) for _ in range(layers)])
    optimizer = jg.optim.Adam(net.parameters(), lr=1e-2)
    values = arrays(3, width)

    def step():
        optimizer.zero_grad()
        out = net(jg.tensor(next(values)))
        loss = (out.tanh() - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return net, step


def test_a_graph_of_several_schedules(recalled):
    def train():
        jg.manual_seed(5)
        net, step = deep(60)
        losses = [step() for _ in range(5)]
        return [*losses, *[p.tolist() for p in net.parameters()]]

    found = train()
    assert recalled[-1]
    assert found == eager(train)
    schedules = jg.stats()["schedules"]
    assert found == train() and jg.stats()["schedules"] == schedules


def test_results_that_only_later_schedules_read_are_kept_where_somebody_holds_them():
    def fn(x):
        h, held = x, []
        for i in range(1500):
            h = h * 1.0001 + 0.001 if i % 2 else h.sin()
            if i % 250 == 0:
                held.append(h)
        return [h.tolist(), *[t.tolist() for t in held]]

    for k in range(4):
        x = jg.full((3,), 0.5 + k)
        assert fn(x) == eager(fn, x)


def test_an_index_out_of_range_in_the_second_schedule():
    table = jg.arange(5.0)
    for index in (1, 2, 3, 7, 4):

        def read(index=index):
            with jg.no_grad():
                values = [table * (i + 1.0) for i in range(700)]
                total = jg.stack(values).sum(0)
                return (total + 1)[jg.tensor([index])].item()

        if index == 7:
            with pytest.raises(IndexError, match="index 7 is out of range"):
                read()
        else:
            assert read() == eager(read)


def test_writes(recalled):
    data = jg.zeros(6, 3)
    want = np.zeros((6, 3), np.float32)
    for k in range(8):
        row = np.full(3, k + 0.5, np.float32)
        data[k % 6] = jg.tensor(row) * 2.0
        data[1:3] += 1.0
        jg.flush_all()
        want[k % 6] = row * 2
        want[1:3] += 1
        np.testing.assert_array_equal(data.numpy().copy(), want)
    assert sum(recalled) >= 4


def test_a_write_happens_in_place_only_where_nobody_else_looks(recalled):
    data = jg.zeros(1000).realize()
    for k in range(6):
        place = data._storage.node.data.ptr
        data[k : k + 10] = k + 1.0
        jg.flush_all()
        assert (data._storage.node.data.ptr == place) and recalled[-1] == (k > 0)
    for k in range(6):
        before = data.detach().clone() if k == 0 else data * 1
        held = data + 0
        data[k : k + 10] = -1.0 - k
        jg.flush_all()
        assert held.tolist() == before.tolist()
        assert data[k].item() == -1.0 - k


def test_a_base_that_is_kept_is_not_overwritten():
    data = jg.zeros(8).realize()
    for k in range(6):
        kept = data * 1 if k % 2 else data.clone()
        data[k] = k + 1.0
        total = (data + kept).sum()
        assert total.item() == 2 * sum(range(1, k + 1)) + k + 1
        assert kept[k].item() == 0


def test_large_graphs_leave_room_for_no_more_than_so_many_nodes(monkeypatch):
    monkeypatch.setattr(recall, "KEPT", 100)
    for n in range(1, 30):
        h = jg.ones(3)
        for _ in range(n):
            h = h.sin()
        h.realize()
    assert sum(known.nodes for known in recall._plans.values()) <= 100
    assert len(recall._plans) >= 3

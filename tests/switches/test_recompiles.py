"""`stats()["recompiles"]`: why a schedule was made, and the warning at many kernels."""

import threading

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.frontend.state import local
from jitgrad.runtime import flush, misses


@pytest.fixture(autouse=True)
def _unseen(monkeypatch):
    monkeypatch.setattr(misses, "_forms", type(misses._forms)())
    monkeypatch.setattr(misses, "_kernels", set())
    monkeypatch.setattr(misses, "_varying", type(misses._varying)())
    flush.forget()


def _compute(array):
    x = jg.tensor(array)
    jg.flush_all()
    return (x * 2 + 1).tanh().sum(1).tolist()


def _why(first, second, compute=_compute):
    """What the second call adds to the recompiles."""
    compute(first)
    before = len(jg.stats()["recompiles"])
    compute(second)
    found = jg.stats()["recompiles"][before:]
    assert all(set(r) == {"function", "what", "was", "now", "where", "kernels"} for r in found)
    return [(r["what"], r["was"], r["now"]) for r in found]


def _ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


def test_sizes_make_nothing():
    assert _why(_ones(5, 4), _ones(9, 3)) == []


def test_size_1():
    why = _why(_ones(5, 4), _ones(1, 4))
    assert why == [("size 1 on axis 0 of the input", "more", "1")]


def test_size_1_where_other_ops_follow_from_it():
    row = jg.ones(4) / 2

    def compute(array):
        x = jg.tensor(array)
        jg.flush_all()
        (x + row).exp().tolist()  # a row of size 1 is not expanded

    why = _why(_ones(5, 4), _ones(1, 4), compute)
    assert why == [("size 1 on axis 0 of the input", "more", "1")]


def test_a_thread_that_misses_while_another_compares(monkeypatch):
    others = []
    distance = misses._distance

    def interrupted(old, new):
        if not others:
            others.append(threading.Thread(target=_compute, args=(_ones(5, 1),)))
            others[0].start()
            others[0].join(1)  # as far as it gets
        return distance(old, new)

    _compute(_ones(5, 4))
    monkeypatch.setattr(misses, "_distance", interrupted)
    _compute(_ones(1, 4))
    others[0].join()
    assert sorted([r["what"] for r in jg.stats()["recompiles"]][-2:]) == [
        "size 1 on axis 0 of the input",
        "size 1 on axis 1 of the input",
    ]


def test_dtype():
    why = _why(_ones(5, 4), _ones(5, 4, dtype="float64"))
    assert why == [("dtype of the input", "f32", "f64")]


def test_rank():
    def compute(array):
        x = jg.tensor(array)
        jg.flush_all()
        (x * 2).tolist()

    assert _why(_ones(4), _ones(5, 4), compute)[0][0] in ("rank of the input", "new op sequence")


def test_layout():
    node = jg.ones(3)._pair(local.state)[0]
    rows = ("buffer", "f32", (), (2, None))
    columns = ("buffer", "f32", (), (2, None, ("u", "s")))
    assert misses._part(rows, columns, node)[:3] == (
        "layout of the input", "contiguous", "strided"
    )  # fmt: skip


def test_other_ops_from_the_same_line():
    def compute(deep):
        x = jg.ones(3, 3) / 3
        jg.flush_all()
        y = x.exp() * 2 if deep else x.exp()
        (y.sum(1) + 1).tolist()

    ((what, was, now),) = _why(False, True, compute)
    assert (what, was, now) == ("new op sequence", "sum", "mul")


def test_another_switch(monkeypatch):
    def compute(fuse):
        x = jg.ones(3) / 3
        jg.flush_all()
        monkeypatch.setenv("JITGRAD_FUSE", fuse)
        (x.exp() * 2).tolist()
        monkeypatch.delenv("JITGRAD_FUSE")

    assert _why("1", "0", compute) == [("JITGRAD_FUSE", "1", "0")]


def test_a_first_program_is_no_recompile():
    before = len(jg.stats()["recompiles"])
    _compute(_ones(2, 2))
    assert len(jg.stats()["recompiles"]) == before


def test_the_new_kernels_are_named():
    _compute(_ones(5, 4))
    _compute(_ones(1, 4))
    entry = jg.stats()["recompiles"][-1]
    assert entry["where"].startswith("test_recompiles.py:")
    assert any(name.startswith("tanh_sum_") for name in entry["kernels"])


def test_training_over_batch_sizes_and_rates():
    jg.manual_seed(0)
    net = jg.nn.Sequential(jg.nn.Linear(6, 5), jg.nn.ReLU(), jg.nn.Linear(5, 3))
    optimizer = jg.optim.Adam(net.parameters())

    def step(size, rate):
        optimizer.param_groups[0]["lr"] = rate
        x, y = jg.randn(size, 6), jg.randint(0, 3, (size,))
        optimizer.zero_grad()
        jg.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    for size in (4, 6, 8):
        step(size, 1e-3)
    before = jg.stats()
    for size in (10, 128, 5, 17):
        step(size, 1 / size)
    after = jg.stats()
    for key in ("schedules", "kernels_compiled", "kernels_loaded"):
        assert after[key] == before[key]
    step(1, 1e-3)
    entries = jg.stats()["recompiles"][len(before["recompiles"]) :]
    assert entries and all(e["what"].startswith("size 1 on axis 0") for e in entries)
    names = [name for e in entries for name in e["kernels"]]
    assert len(names) == len(set(names))


def test_warns_once_at_many_kernels(monkeypatch):
    monkeypatch.setattr(misses, "MANY", 3)
    x = jg.ones(3) / 3
    jg.flush_all()
    with pytest.warns(RuntimeWarning, match="3 distinct kernels.*What varies most: new ") as said:
        for op in (jg.exp, jg.log, jg.tanh, jg.sqrt):
            op(x).tolist()
    assert len(said) == 1


def test_memory_stats_and_empty_cache():
    _compute(_ones(3, 3))
    stats = jg.memory_stats()
    assert stats["schedules"] >= 1 and stats["plans"] >= 1 and stats["kernels"] >= 1
    jg.empty_cache()
    left = jg.memory_stats()
    assert (left["schedules"], left["plans"]) == (0, 0) and left["kernels"] == stats["kernels"]
    before = jg.stats()
    _compute(_ones(3, 3))
    after = jg.stats()
    assert after["kernels_compiled"] == before["kernels_compiled"]
    assert after["recompiles"][-1]["what"] == "the schedule was dropped"


def test_schedules_are_bounded(monkeypatch):
    monkeypatch.setattr(flush, "NODES", 40)
    x = jg.ones(3) / 2
    jg.flush_all()
    for n in range(1, 30):
        y = x
        for _ in range(n):
            y = y * 2
        assert y.tolist() == [2.0 ** (n - 1)] * 3
        assert sum(program.nodes for program in flush._programs.values()) <= max(40, 4 * n + 8)
    assert {key[0] for key in flush._plans} <= {p.number for p in flush._programs.values()}

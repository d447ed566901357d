"""`debug.sync`: every forced evaluation with what forced it and the user's line."""

import sys
import threading

import jitgrad as jg
from jitgrad.frontend import pending
from jitgrad.utils.data import DataLoader, TensorDataset


def _here(offset=0):
    """The line of the caller, `offset` lines on."""
    return sys._getframe(1).f_lineno + offset


def test_reads():
    x = jg.ones(3) * 2
    with jg.debug.sync() as found:
        x.sum().item()
        line = _here(-1)
        x.tolist()
    assert [(e.what, e.line) for e in found.events] == [("item", line), ("tolist", line + 2)]
    assert {e.file for e in found.events} == {__file__}


def test_what_is_computed_already_or_only_recorded_forces_nothing():
    x = (jg.ones(3) * 2).realize()
    with jg.debug.sync() as found:
        x.tolist()
        (x + 1) * 2
        jg.flush_all()
    assert found.events == []
    assert str(found) == "0 forced evaluations"


def test_a_training_loop():
    net = jg.nn.Linear(4, 2)
    data = TensorDataset(jg.randn(6, 4), jg.randint(0, 2, (6,)))
    total = jg.zeros(())
    with jg.debug.sync() as found:
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)
        for x, y in DataLoader(data, batch_size=3):
            optimizer.zero_grad()
            loss = jg.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        print(total)
    what = [event.what for event in found.events]
    assert what.count("optimizer step") == 2
    assert what[-1] == "print"
    assert set(what) <= {"new optimizer", "next batch", "optimizer step", "print"}
    counts = [line.split()[:3] for line in str(found).splitlines()]
    assert ["2", "optimizer", "step"] in counts


def test_chains_are_cut():
    x = jg.zeros(3)
    with jg.debug.sync() as found:
        for _ in range(70):
            x = x + 1
    assert [event.what for event in found.events] == ["chain of 64 ops"]


def test_eager_mode_is_entered_once():
    x = jg.ones(3) * 2
    with jg.debug.sync() as found, jg.mode("eager"):
        x = x + 1
    assert [event.what for event in found.events] == ["eager mode"]


def test_other_threads_are_not_listed_and_nothing_stays_behind():
    with jg.debug.sync() as found:
        other = threading.Thread(target=lambda: (jg.ones(3) * 2).tolist())
        other.start()
        other.join()
    assert found.events == []
    assert pending.observers == []

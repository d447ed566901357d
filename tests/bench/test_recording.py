"""What recording costs: calls less their flushes, in processes that take turns."""

import time

import pytest

import jitgrad
from jitgrad.bench import recording
from jitgrad.frontend import pending

LABELS = [case.label for case in recording.CASES]


def test_cases_are_operations_one_by_one_and_a_training_step():
    assert LABELS == ["gelu:1", "chain:1", "mlp 2-2-2:1"]


def test_lazy_beside_torch():
    pytest.importorskip("torch")
    found = recording.costs(1, 0.01)
    assert list(found) == ["lazy", "torch"]
    for costs in found.values():
        assert list(costs) == LABELS
        assert all(0 < cost["seconds"] < 1 for cost in costs.values())
    assert found["lazy"]["gelu:1"]["ops"] == found["torch"]["gelu:1"]["ops"] == 9
    assert found["lazy"]["mlp 2-2-2:1"]["ops"] > found["lazy"]["chain:1"]["ops"] > 9


def test_flushes_do_not_count(monkeypatch):
    slow, flush = 0.02, pending._flush_live

    def slowly(*args):
        time.sleep(slow)
        return flush(*args)

    monkeypatch.setattr(recording, "WARM", 1)
    monkeypatch.setattr(pending, "_flush_live", slowly)  # and undone again, what wraps it too
    x = jitgrad.ones(3)

    def step():
        y = x * 2
        jitgrad.flush_all()
        return y

    flushing = recording._Flushing()
    times = recording._times(step, flushing, 0.1)
    assert flushing.seconds >= slow * len(times) and min(times) < slow


def test_operations_inside_calls_count_and_movement_does_not():
    x = jitgrad.tensor([[1.0, 2.0]])
    assert recording._recorded_ops(lambda: (x.t() * 2).exp()) == 2
    assert recording._recorded_ops(lambda: jitgrad.softmax(x, 1)) > 2


def test_who_fails_says_why(monkeypatch):
    monkeypatch.setattr(recording, "_CODE", "raise OSError('no')")
    assert recording.costs(2, 0.01, ["lazy"]) == {"lazy": {"failed": "OSError: no"}}

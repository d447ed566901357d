"""`scan`: an index that is wrong at one step; a result that two threads read at once."""

import threading

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.runtime import flush


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """Kernels run interpreted: these tests are about meaning, and tiny."""
    monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.mark.parametrize("wrap", [lambda f: f, jg.compile], ids=["lazy", "compiled"])
@pytest.mark.parametrize("wrong", [9, -7])
def test_an_index_out_of_range_is_named_with_its_size(wrap, wrong):
    table = jg.arange(5.0)

    def picked(at):
        return jg.scan(lambda total, i: (total + table[i], None), jg.tensor(0.0), at)[0]

    run = wrap(picked)
    for _ in range(3):
        assert run(jg.tensor([1, 4, -1])).item() == 9
    with pytest.raises(IndexError, match=rf"index {wrong} is out of range \[-5, 5\)"):
        run(jg.tensor([1, wrong, 2])).item()
    assert run(jg.tensor([1, 4, -1])).item() == 9


def test_a_scan_that_another_thread_computes_meanwhile(monkeypatch):
    total, sums = jg.scan(lambda s, x: (s + x, s * x), jg.zeros(3), jg.ones(5, 3))
    plan, found = flush.loop_plan, []

    def overtaken(loop, wanted):
        monkeypatch.setattr(flush, "loop_plan", plan)
        other = threading.Thread(target=lambda: found.append(sums.numpy().copy()))
        other.start()
        other.join()
        return plan(loop, wanted)

    flush.forget()
    monkeypatch.setattr(flush, "loop_plan", overtaken)
    assert total.numpy().tolist() == [5, 5, 5]
    expected = np.repeat(np.arange(5.0), 3).reshape(5, 3)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(sums.numpy(), expected)

"""`bench.compare` and the clock below it: nothing that was only recorded counts as done."""

import time

import pytest

import jitgrad
from jitgrad import bench
from jitgrad.bench import clock
from jitgrad.bench.complete import complete, tensors
from jitgrad.runtime import threads

SLOW = 0.01
OURS = ["eager", "lazy", "compiled"]


def test_a_slow_function_is_timed_at_least_that_slow():
    found = bench.compare(
        lambda x: (time.sleep(SLOW), x + 1), jitgrad.ones(3), modes=["lazy"], seconds=0.02
    )
    assert found["lazy"].first >= SLOW
    assert found["lazy"].warm.best >= SLOW


def test_a_slow_kernel_is_timed_although_recording_is_quick(monkeypatch):
    run = threads.run

    def slow(*args):
        time.sleep(SLOW)
        return run(*args)

    monkeypatch.setattr(threads, "run", slow)
    found = bench.compare(lambda x: (x * 2).sum(), jitgrad.ones(100), modes=OURS, seconds=0.01)
    assert all(timing.warm.best >= SLOW for timing in found.timings.values() if not timing.failed)


def test_it_shows_a_table_of_the_modes():
    found = bench.compare(
        lambda x: x.exp(), jitgrad.ones(10), modes=["eager", "lazy"], seconds=0.001
    )
    head, *rows = str(found).splitlines()
    assert "median µs" in head
    assert [row.split()[0] for row in rows] == ["eager", "lazy"]
    assert found["eager"].warm.runs >= clock.LEAST


def test_what_cannot_be_compiled_says_why():
    found = bench.compare(lambda x: x * x.sum().item(), jitgrad.ones(10), modes=OURS, seconds=0.01)
    assert found["compiled"].failed in str(found)
    assert found["compiled"].failed
    assert found["lazy"].warm.median > 0


def test_an_error_of_the_function_is_the_users():
    with pytest.raises(ZeroDivisionError):
        bench.compare(lambda: 1 / 0)


def test_unknown_mode():
    with pytest.raises(ValueError, match="no mode 'fast'; there are eager, lazy, compiled, torch"):
        bench.compare(lambda: None, modes=["fast"])


def test_what_is_no_function():
    with pytest.raises(TypeError, match="compare: expected a function or a Module, not Tensor"):
        bench.compare(jitgrad.ones(3))


def test_all_results_are_computed_in_one_program():
    x = jitgrad.ones(16)
    parts = {"a": x * 2, "b": [x * 3, (x + 1, "no tensor")]}
    before = jitgrad.stats()["flushes"]
    assert complete(parts) is parts
    assert jitgrad.stats()["flushes"] == before + 1
    assert [t.sum().item() for t in tensors(parts)] == [32, 48, 32]
    assert complete(None) is None


def test_repeat_warms_up_then_times_for_as_long_as_it_is_told():
    calls = []
    times = clock.repeat(lambda: calls.append(0), lambda _: time.sleep(0.001), 0.02)
    assert len(calls) >= clock.WARM + len(times)
    assert sum(times) > 0.015  # what lies between the calls is in the 0.02, too
    assert len(clock.repeat(lambda: None, lambda _: None, 0)) == clock.LEAST


def test_spread():
    spread = clock.Spread.of([5.0, 1.0, 2.0, 3.0, 4.0])
    assert (spread.low, spread.median, spread.high, spread.best) == (2.0, 3.0, 4.0, 1.0)


def test_what_compile_returned_is_timed_in_all_modes():
    modes = []
    f = jitgrad.compile(lambda x: (modes.append(jitgrad.get_mode()), x + 1)[1])
    found = bench.compare(f, jitgrad.ones(3), modes=["eager", "lazy"], seconds=0.001)
    runs = found["eager"].warm.runs + found["lazy"].warm.runs
    assert len(modes) >= runs

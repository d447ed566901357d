"""What a step is held against: a copy of as many bytes, or the best matrix product."""

import pytest

import jitgrad as jg
from jitgrad.runtime import ceilings, threads, trace


@pytest.fixture(autouse=True)
def _measured(monkeypatch):
    """Figures instead of measurements: a launch 1 µs, 10 GB/s, 100 GFLOP/s."""
    known = {}
    count = threads.get_num_threads()
    sizes = [ceilings.TINY] + [1 << k for k in range(16, 28)]
    for size in sizes:
        known[size, "copy", count] = 1e-6 + (size / 10e9 if size >= ceilings.LEAST else 0)
    known[0, "f32", count] = 100e9
    monkeypatch.setattr(ceilings, "_known", known)


def test_memory_is_the_ceiling_of_what_is_no_product():
    assert ceilings.share(2 * (1 << 27) / 10e9, 1 << 27) == pytest.approx(0.5, rel=1e-3)
    assert ceilings.share((1 << 28) / 10e9, 1 << 28) == pytest.approx(1.0, rel=1e-3)


def test_of_a_small_step_the_launch_is_the_ceiling():
    assert ceilings.share(2e-6, 96) == pytest.approx(0.5, abs=0.01)


def test_a_product_is_held_against_the_slower_of_both():
    assert ceilings.share(0.02, 1 << 20, 10**9) == pytest.approx(0.5)
    assert ceilings.share((1 << 27) / 10e9, 1 << 27, 10**6) == pytest.approx(1.0, rel=1e-3)


def test_nothing_is_said_of_what_is_interpreted_or_touches_nothing(monkeypatch):
    assert ceilings.share(1.0, 0) is None
    monkeypatch.setenv("JITGRAD_JIT", "0")
    assert ceilings.share(1.0, 1 << 20) is None
    assert ceilings.told(None) == ""


def test_what_is_low_is_marked():
    assert ceilings.told(0.93) == ", 93% of the ceiling"
    assert ceilings.told(0.42) == ", 42% of the ceiling  << below 60%"


@pytest.mark.parametrize(("dtype", "rate"), [(jg.float32, 100e9), (jg.int32, None)])
def test_steps_with_a_product_of_floats_are_held_against_products(dtype, rate):
    found = []

    def launch(plan):
        for i, _, failure in trace.each(plan):
            part = ceilings.share(1.0, *ceilings.work(plan, i))
            found.append((plan.step_flops[i], plan.step_bytes[i], part))
            assert failure is None

    a, b = jg.ones(64, 256, dtype=dtype), jg.ones(256, 64, dtype=dtype)
    jg.flush_all()
    with trace.watching(launch):
        (a @ b).realize()
    ((flops, size, part),) = found
    assert flops == 2 * 64 * 64 * 256
    memory = ceilings.copy_seconds(size)
    assert part == pytest.approx(max(memory, flops / rate) if rate else memory)


def test_the_machine_is_measured_once(monkeypatch):
    monkeypatch.setattr(ceilings, "_known", {})
    monkeypatch.setattr(ceilings, "SIZES", (64,))
    first = ceilings.copy_seconds(1 << 16), ceilings.flops_per_second()
    assert 0 < first[0] < 0.1 and first[1] > 1e6
    assert (ceilings.copy_seconds(1 << 16), ceilings.flops_per_second()) == first


def test_normal_runs_measure_nothing(monkeypatch):
    monkeypatch.setattr(ceilings, "_known", {})
    (jg.ones(100) * 2).sum().item()
    assert ceilings._known == {}

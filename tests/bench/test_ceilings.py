"""The machine's own time for a case: copies, products, and what shares follow from them."""

import json

import pytest

import jitgrad
from jitgrad.bench import ceilings
from jitgrad.bench.subjects import SUBJECTS
from jitgrad.bench.workloads import WORKLOADS, Case, cases


def test_every_workload_has_exactly_one_ceiling():
    for workload in WORKLOADS.values():
        case = Case(workload, 8)
        runs = [name for name in ("copy", "products") if SUBJECTS[name].runs(case)]
        assert len(runs) == 1, workload.name


@pytest.mark.parametrize("name", [n for n, w in WORKLOADS.items() if w.nbytes is not None])
def test_bytes_are_inputs_read_once_and_results_written_once(name):
    for size in (16, 17):
        case = Case(WORKLOADS[name], size)
        session = SUBJECTS["lazy"].open(case, 1)
        results = session.host(session.finish(session.step()))
        least = sum(array.nbytes for array in (*case.arrays(), *results))
        assert case.workload.nbytes(size) == least


def test_elements_of_the_largest_tensor():
    found = {case.label: case.largest for case in cases()}
    assert found["mlp:64"] == 784 * 128 and found["mlp:512"] == 784 * 512
    assert found["autoencoder:64"] == 300 * 400
    assert found["gelu:1e3"] == found["chain:1e3"] == 1000
    assert found["layer_norm:4096"] == 4096 * 1024 and found["matmul:1024"] == 1024**2


def test_flops_are_those_that_the_plan_counts():
    case = Case(WORKLOADS["mlp"], 16)
    assert case.workload.flops(16) == 2 * 16 * (2 * 784 * 128 + 3 * 128 * 10)
    session = SUBJECTS["lazy"].open(case, 1)
    session.finish(session.step())
    before = jitgrad.stats()["flops"]
    session.finish(session.step())
    planned = jitgrad.stats()["flops"] - before
    assert case.workload.flops(16) <= planned <= 1.5 * case.workload.flops(16)


def test_a_copy_copies():
    run = ceilings.copy(1 << 20, 1)
    (memory,) = [
        cell.cell_contents for cell in run.__closure__ if type(cell.cell_contents) is tuple
    ]
    _, x, out = memory
    x.array[:] = 7
    run()
    assert (out.array[: 1 << 19] == 7).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_products_at_the_best_rate(threads, monkeypatch):
    monkeypatch.setattr(ceilings, "SIZES", (32, 64))
    run, timer = ceilings.product(10**6, threads)
    assert run().shape == (32, 32)
    once, twice = timer(0.01).median, ceilings.product(2 * 10**6, threads)[1](0.01).median
    assert 0 < once and 0 < twice < 100 * once


def test_shares_and_the_way_out(outcome):
    found = outcome("softmax:4096", compiled=100, torch=101, copy=85)
    assert found.share() == pytest.approx(0.85)
    assert found.ratio("peers") > found.case.bar.limit
    assert found.verdict(found.case.bar) == "by ceiling"
    assert outcome("softmax:4096", lazy=10, torch=5).share("lazy") is None


@pytest.mark.parametrize(
    ("label", "medians", "verdict"),
    [
        ("softmax:4096", {"torch": 101, "copy": 80}, "by ceiling"),
        ("softmax:4096", {"torch": 101, "copy": 79}, "NO"),
        ("softmax:4096", {"torch": 1000, "copy": 99}, "yes"),
        ("softmax:4096", {"copy": 80}, "by ceiling"),  # no peer ran
        ("softmax:4096", {"copy": 79}, None),
        ("gelu:1e3", {"torch": 101, "copy": 100}, "NO"),  # too small for it
        ("mlp:64", {"jax": 101, "products": 80}, "by ceiling"),
        ("mlp:64", {"jax": 101, "products": 79}, "NO"),
        ("matmul:1024", {"sgemm_threaded": 89, "products": 89}, "NO"),  # its bar is the ceiling
    ],
)
def test_the_way_out(outcome, label, medians, verdict):
    found = outcome(label, compiled=100, **medians)
    assert found.verdict(found.case.bar) == verdict


def test_lazy_mode_has_no_way_out(outcome):
    found = outcome("softmax:4096", lazy=100, torch=90, copy=100)
    assert found.share("lazy") == 1 and found.verdict(found.case.lazy_bar) == "NO"


def test_when_compiled_pays(outcome):
    found = outcome("gelu:1e3", compiled=100, lazy=300, torch=100)
    told = {"early_s": [0.5, 100e-6, 0.1 + 100e-6]}
    found.times["compiled"].ready, found.times["compiled"].cold = told, {"early_s": [2.0]}
    assert found.times["compiled"].early() == pytest.approx(0.6 - 100e-6)
    assert found.pays_after("lazy") == 3000  # 0.6 s by 200 µs a step
    assert found.pays_after("lazy", cold=True) == 10000
    assert found.pays_after("torch") == float("inf")
    assert found.pays_after("jax") is None


def test_figures_of_a_race_are_plain_data(outcome):
    from jitgrad.bench.main import _as_json

    found = outcome("gelu:1e3", compiled=100, lazy=300, torch=100, copy=50)
    for times in found.times.values():
        times.ready |= {"early_s": [0.5]}
    figures = json.loads(json.dumps(_as_json(found), allow_nan=False))
    assert figures["to_best_peer"] == {"eager": None, "lazy": 3.0, "compiled": 1.0}
    assert figures["of_ceiling"]["compiled"] == 0.5
    (bar,) = figures["bars"]
    assert bar == {"limit": 0.6, "against": "peers", "mode": "compiled", "met": "NO"}
    assert figures["pays_after"]["cached"] == {"lazy": 2500, "torch": "never"}
    assert figures["pays_after"]["cold"] == {"lazy": None, "torch": None}


def test_sizes_in_place_of_the_workloads_own():
    found = [case.label for case in cases(["gelu", "mlp"], sizes=["37", "1e3"])]
    assert found == ["gelu:37", "gelu:1e3", "mlp:37", "mlp:1e3"]
    with pytest.raises(ValueError, match="gelu:5 names a size, and sizes are given"):
        cases(["gelu:5"], sizes=["37"])

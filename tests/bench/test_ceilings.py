"""The machine's own time for a case: copies, products, and what shares follow from them."""

import json

import pytest

import jitgrad
from jitgrad.bench import ceilings
from jitgrad.bench.subjects import SUBJECTS
from jitgrad.bench.workloads import WORKLOADS, Case, cases


@pytest.fixture(autouse=True)
def _threads_as_they_were():
    before = jitgrad.get_num_threads()
    yield
    jitgrad.set_num_threads(before)


def test_every_workload_has_exactly_one_ceiling():
    for workload in WORKLOADS.values():
        case = Case(workload, 8)
        runs = [name for name in ("copy", "products") if SUBJECTS[name].runs(case)]
        assert len(runs) == 1, workload.name


def test_bytes_are_inputs_read_and_results_written():
    for name in ("gelu", "softmax", "cross_entropy"):
        case = Case(WORKLOADS[name], 16)
        session = SUBJECTS["lazy"].open(case, 1)
        results = session.host(session.finish(session.step()))
        least = sum(array.nbytes for array in (*case.arrays(), *results))
        assert case.workload.nbytes(16) == least, name


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
    assert found.ratio("peers") > found.case.bar.limit and found.met is True
    assert outcome("softmax:4096", compiled=100, torch=101, copy=75).met is False
    assert outcome("gelu:1e3", compiled=100, torch=101, copy=100).met is False  # too small for it
    assert outcome("softmax:4096", compiled=10, torch=101, copy=1).met is True
    assert outcome("softmax:4096", lazy=10, torch=5).share("lazy") is None


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
    assert figures["pays_after"]["cached"] == {"lazy": 2500, "torch": "never"}
    assert figures["pays_after"]["cold"] == {"lazy": None, "torch": None}


def test_sizes_in_place_of_the_workloads_own():
    found = [case.label for case in cases(["gelu", "mlp"], sizes=["37", "1e3"])]
    assert found == ["gelu:37", "gelu:1e3", "mlp:37", "mlp:1e3"]
    with pytest.raises(ValueError, match="gelu:5 names a size, and sizes are given"):
        cases(["gelu:5"], sizes=["37"])

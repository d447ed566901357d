"""Ratios, bars and faults of a race, and the lines that say so."""

import pytest

from jitgrad.bench.table import (
    Table,
    early_lines,
    first_call_lines,
    import_line,
    recording_lines,
    summary_lines,
)
from jitgrad.bench.workloads import cases


def test_ratios_are_to_the_fastest(outcome):
    found = outcome("softmax:4096", compiled=80, torch=100, torch_compile=90, jax=160)
    assert found.ratio("jax") == pytest.approx(0.5)
    assert found.ratio("peers") == pytest.approx(80 / 90)
    assert found.ratio("sgemm") is None
    assert found.verdict(found.case.bar) == "NO"


@pytest.mark.parametrize(
    ("label", "medians", "verdict"),
    [
        ("gelu:1e3", {"compiled": 4.0, "jax": 8.0, "torch": 5.0}, "NO"),
        ("gelu:1e5", {"compiled": 0.61, "jax": 1.0}, "NO"),
        ("gelu:1e5", {"compiled": 0.59, "jax": 1.0}, "yes"),
        ("gelu:1e5", {"lazy": 1.0, "jax": 9.0}, None),
        ("matmul:1024", {"compiled": 110, "sgemm_threaded": 100, "sgemm_per_core": 120}, "yes"),
        ("matmul:1024", {"compiled": 112, "sgemm_threaded": 100}, "NO"),
        ("layer_norm:4096", {"compiled": 3.4, "torch": 10.0, "jax": 20.0}, "yes"),
        ("layer_norm:4096", {"compiled": 3.6, "torch": 10.0, "jax": 20.0}, "NO"),
        ("layer_norm:4099", {"compiled": 1.0, "jax": 9.0}, None),
        ("gelu:500", {"compiled": 1.0, "jax": 9.0}, None),
    ],
)
def test_bars(outcome, label, medians, verdict):
    found = outcome(label, **medians)
    assert found.verdict(found.case.bar) == verdict


@pytest.mark.parametrize(
    ("label", "medians", "verdict"),
    [
        ("mlp:64", {"lazy": 129, "torch": 200, "torch_fused": 100, "torch_compile": 10}, "yes"),
        ("mlp:64", {"lazy": 131, "torch": 200, "torch_fused": 100}, "NO"),
        ("mlp:512", {"lazy": 101, "torch": 200, "torch_fused": 100}, "NO"),
        ("mlp:512", {"lazy": 99, "torch": 200}, None),  # only the fused one counts
        ("softmax:4096", {"lazy": 99, "torch": 100, "jax": 10, "torch_compile": 10}, "yes"),
        ("gelu:1e7", {"lazy": 101, "torch": 100}, "NO"),
        ("chain:1e7", {"lazy": 99, "torch": 100}, "yes"),
        ("chain:1e7", {"compiled": 99, "torch": 100}, None),
        ("gelu:1e5", {"lazy": 9, "torch": 100}, None),
    ],
)
def test_lazy_bars(outcome, label, medians, verdict):
    found = outcome(label, **medians)
    assert found.verdict(found.case.lazy_bar) == verdict


def test_which_cases_have_a_bar():
    chosen = cases()
    assert {case.label: case.bar.limit for case in chosen if case.bar is not None} == {
        **{f"{name}:{size}": 0.60 for name in ("gelu", "chain") for size in ("1e3", "1e5", "1e7")},
        "softmax:4096": 0.80,
        "cross_entropy:4096": 0.65,
        "layer_norm:4096": 0.35,
        "matmul:1024": 1 / 0.9,
        "mlp:64": 0.55,
        "mlp:512": 0.80,
        "autoencoder:64": 0.75,
    }
    assert {case.label: case.lazy_bar.limit for case in chosen if case.lazy_bar is not None} == {
        "mlp:64": 1.3,
        **dict.fromkeys(["mlp:512", "autoencoder:64", "gelu:1e7", "chain:1e7"], 1.0),
        **dict.fromkeys(["softmax:4096", "cross_entropy:4096", "layer_norm:4096"], 1.0),
    }


def test_faults_of_results(outcome):
    found = outcome("gelu:1e3", eager=3, lazy=2, compiled=1, jax=1)
    assert found.faults() == []
    found.times["lazy"].error = 0.5
    found.times["eager"].same_on = {1: False}
    found.times["compiled"].ready = {"digest": "other"}
    assert found.faults() == [
        "eager differs on 1 threads",
        "lazy is 5.0e-01 from jax",
        "the bits of eager, lazy, compiled differ",
    ]
    found.times["eager"].failed = "OSError: no"
    assert found.faults()[0] == "eager failed"
    found.times["lazy"].error = float("nan")
    assert "lazy is nan from jax" in found.faults()


def test_table(outcome):
    table = Table(["lazy", "compiled", "jax"])
    assert len({len(line) for line in table.head()}) == 1
    (row,) = table.row(outcome("gelu:1e5", lazy=1234.5, compiled=5.0, jax=10.0))
    assert len(row) == len(table.head()[0])
    assert row.split() == "gelu:1e5 1234 5.0 10.0 0.50 0.50 - 0.60 peers yes - - -".split()
    row, remark = table.row(outcome("softmax:4096", lazy=80, compiled=100, torch=90, copy=85))
    assert row.split()[4:] == "- 1.11 85% 0.80 peers by ceiling 0.89 1.00 yes".split()
    assert remark == "  copy 85.0 µs"


def test_what_is_missing_is_said(outcome):
    found = outcome("matmul:1024", lazy=10.0, compiled=10.0, sgemm_threaded=9.0)
    found.times["lazy"].rounds.clear()
    found.times["lazy"].failed = "OSError: no"
    row, *remarks = Table(["lazy", "compiled"]).row(found)
    assert row.split()[1:3] == ["-", "10.0"]
    assert remarks == [
        "  lazy: OSError: no",
        "  sgemm.threaded 9.0 µs, compiled reaches 90% of the best",
        "  WRONG: lazy failed",
    ]


def test_a_busy_machine_is_said_by_case(outcome):
    found = outcome("gelu:1e5", compiled=5.0, jax=10.0)
    found.others = 0.04
    assert len(Table(["compiled"]).row(found)) == 1
    found.others = 0.66
    assert Table(["compiled"]).row(found)[1] == (
        "  others kept 0.7 of our cores busy: do not trust these times"
    )


def test_what_recording_costs():
    found = {"lazy": {"gelu:1": {"seconds": 9e-6, "ops": 9}}, "torch": {"failed": "OSError: no"}}
    assert [line.split() for line in recording_lines(found)[2:]] == [
        ["lazy", "gelu:1", "9.0", "(9)", "1.00"],
        ["torch", "OSError:", "no"],
    ]


def test_first_calls_of_cases(outcome):
    found = outcome("gelu:1e3", lazy=300, compiled=100, torch=200)
    for name, early, cold in (("lazy", 0.1, 0.9), ("compiled", 0.20005, 1.00005)):
        found.times[name].ready |= {"early_s": [early]}
        found.times[name].cold = {"early_s": [cold]}
    *_, head, row = early_lines([found])
    assert head.split() == "lazy compiled pays, lazy pays, torch".split()
    assert row.split(maxsplit=1)[1].split() == (
        "0.90 / 0.10 1.00 / 0.20 5000 / 1000 10000 / 2000".split()
    )
    assert early_lines([outcome("gelu:1e3", lazy=1)]) == []


def test_summary(outcome):
    good, bad = outcome("gelu:1e5", compiled=5, jax=10), outcome("gelu:1e7", compiled=9, jax=10)
    assert bad.faults() == []
    assert summary_lines([good, bad]) == [
        "results: 2 of 2 cases within tolerance of jax; 2 of 2 the same bits in all modes, "
        "on 1 thread and on more",
        "bars, compiled: 1 of 2 met; missed gelu:1e7",
    ]
    bad.times["compiled"].error = 1.0
    assert summary_lines([good, bad])[0] == "results: WRONG in gelu:1e7"
    good.others, bad.others = 0.05, 0.5
    assert summary_lines([good, bad])[-1] == (
        "others kept cores busy in 1 of 2 cases: measure those again"
    )
    assert summary_lines([]) == []


def test_first_calls_beside_their_bars():
    answer = {"kernels_compiled": 8, "kernels_loaded": 0}
    lines = first_call_lines(
        {
            "lazy": {"cold": {"seconds": 1.2, **answer}, "cached": {"seconds": 0.5, **answer}},
            "compiled": {"failed": "RuntimeError: no"},
        }
    )
    assert [line.split("  (")[0].split()[-1] for line in lines[1:3]] == ["yes", "NO"]
    assert lines[3].split(maxsplit=1) == ["compiled", "RuntimeError: no"]
    assert import_line({"seconds": 0.2, "numba": False}).endswith("yes, loads no Numba")

"""Odd sizes beside round ones: which pairs there are, the ratio per element, the bar."""

import pytest

from jitgrad.bench import odd
from jitgrad.bench.odd import Pair, compare_sizes, pairs
from jitgrad.bench.subjects import SUBJECTS, Subject
from jitgrad.bench.table import odd_line
from jitgrad.bench.workloads import cases


def _pair(odd_us, even_us, name="gelu"):
    (pair,) = pairs(cases([name]))
    pair.seconds = {
        pair.odd.label: [odd_us * 1e-6, 1.0, 0.0],
        pair.even.label: [even_us * 1e-6, 1.0, 0.0],
    }
    return pair


def test_pairs_of_the_workloads_that_were_chosen():
    found = {pair.odd.label: pair.even.label for pair in pairs(cases(["gelu", "softmax", "mlp"]))}
    assert found == {
        "gelu:1000003": "gelu:1e6",
        "softmax:4099": "softmax:4096",
        "mlp:37": "mlp:64",
    }
    assert [pair.odd.label for pair in pairs(cases(["gelu:1000003"]))] == ["gelu:1000003"]
    assert pairs(cases(["gelu:500", "matmul"])) == []


def test_elements_are_what_time_grows_with():
    label = {pair.odd.label: pair for pair in pairs(cases(["softmax", "cross_entropy", "mlp"]))}
    assert label["softmax:4099"].odd.elements == 4099 * 1023
    assert label["cross_entropy:4099"].odd.elements == 4099 * 999
    assert label["mlp:37"].odd.elements == 37


def test_ratio_is_per_element():
    pair = _pair(37 * 1.5, 64 * 1.0, "mlp")
    assert pair.ratio == pytest.approx(1.5) and pair.met is False
    assert odd_line(pair).split() == "mlp:37 1.50 of mlp:64 per element bar 1.30 NO".split()
    assert _pair(1290, 1000).met is True


def test_what_failed_has_no_ratio():
    pair = _pair(1, 1)
    pair.failed = "no answer"
    assert pair.ratio is None and pair.met is None
    assert odd_line(pair).split() == ["gelu:1000003", "no", "answer"]
    broken = Subject("no such subject", "jitgrad", "jitgrad", None)
    assert "KeyError" in compare_sizes(_pair(1, 1), broken, 1, 0.001, 1).failed


def test_two_processes_take_turns():
    small, other = cases(["gelu:99"])[0], cases(["gelu:100"])[0]
    pair = compare_sizes(Pair(small, other), SUBJECTS["compiled"], 1, 0.001, 3)
    assert pair.failed == ""
    assert [len(rounds) for rounds in pair.seconds.values()] == [3, 3]
    assert 0 < pair.ratio < 1000 and odd.BAR == 1.3

"""JITGRAD_DEBUG: each level says what it promises, on stderr, and changes no bit."""

import re

import numpy as np
import pytest

import jitgrad as jg


def _softmax(x):
    return x.softmax(1).tolist()


@pytest.fixture
def leaf():
    x = jg.arange(12.0).reshape(3, 4) / 7
    jg.flush_all()
    return x


def test_silent_by_default(leaf, said):
    _softmax(leaf)
    assert said() == []


def test_1_says_schedule_hit_or_miss(monkeypatch, leaf, said):
    monkeypatch.setenv("JITGRAD_DEBUG", "1")
    for _ in range(2):
        _softmax(leaf)
    (miss, hit) = said()
    where = r"nodes up to test_debug\.py:\d+, 1 kernels in 1 steps"
    assert re.fullmatch(rf"schedule miss: \d+ {where}, \d compiled, \d loaded, \d+ ms.*", miss)
    assert re.fullmatch(rf"schedule hit: \d+ {where}", hit)


def test_1_says_which_key_field_differed(monkeypatch, leaf, said):
    _softmax(leaf)
    monkeypatch.setenv("JITGRAD_DEBUG", "1")
    one = leaf[:1].clone()
    jg.flush_all()
    said()
    _softmax(one)
    (miss,) = said()
    assert "; size 1 on axis 0 of the input: more -> 1 (test_debug.py:" in miss


def test_1_says_what_a_compiled_call_ran(monkeypatch, leaf, said):
    step = jg.compile(lambda x: (x * 2).sum())
    for _ in range(2):
        step(leaf)
    monkeypatch.setenv("JITGRAD_DEBUG", "1")
    step(leaf)
    (line,) = said()
    assert re.fullmatch(r"compiled call: 1 schedules, 1 kernels in \d steps", line)


def test_1_says_why_a_compiled_function_records_again_or_runs_lazily(monkeypatch, leaf, said):
    monkeypatch.setenv("JITGRAD_DEBUG", "1")
    seen, factor = [], 2

    @jg.compile
    def scaled(x):
        return x * factor

    @jg.compile
    def noted(x):
        seen.append(1)
        return x * 2

    scaled(leaf)
    factor = 3
    scaled(leaf)
    for _ in range(3):
        noted(leaf)
    told = [line.split(": ", 1)[1] for line in said() if line.startswith("compile ")]
    assert told == [
        "records again: closure factor: 2 -> 3",
        "runs lazily from now on: it changes closure seen",
    ]


def test_2_says_each_launch(monkeypatch, leaf, said):
    want = _softmax(leaf)
    monkeypatch.setenv("JITGRAD_DEBUG", "2")
    assert _softmax(leaf) == want
    hit, launch = said()
    assert hit.startswith("schedule hit")
    pattern = r"  max_\w+: \d+\.\d{3} ms, 96 bytes, \d+\.\d GB/s, \d+% of the ceiling"
    assert re.fullmatch(pattern + r"(  << below 60%)?", launch)


def test_3_says_which_rewrites_fired(monkeypatch, leaf, said):
    monkeypatch.setenv("JITGRAD_DEBUG", "3")
    (leaf.exp() + leaf.exp()).tolist()
    assert "  rewrite common subexpression: 1 times" in said()


def test_4_prints_the_source_under_its_docstring(monkeypatch, leaf, said):
    monkeypatch.setenv("JITGRAD_DEBUG", "4")
    (leaf.exp() + 0.5).tolist()
    lines = said()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("source of exp_")]
    assert re.match(r'"""exp_\w+: exp, add\.', lines[start + 1])
    assert any(re.match(r"    x: input, test_debug\.py:\d+, f32\[3,4\]", s) for s in lines)
    assert any(re.match(r"    s0: the number 0\.5, test_debug\.py:\d+", s) for s in lines)
    assert any(line.startswith("def exp_") for line in lines)


def test_every_level_has_the_same_bits(monkeypatch, leaf):
    want = leaf.tanh().sum(0).numpy().copy()
    for level in "01234":
        monkeypatch.setenv("JITGRAD_DEBUG", level)
        np.testing.assert_array_equal(leaf.tanh().sum(0).numpy(), want)


def test_a_level_that_is_none(monkeypatch, leaf):
    monkeypatch.setenv("JITGRAD_DEBUG", "5")
    with pytest.raises(ValueError, match="JITGRAD_DEBUG=5: expected 0 to 4"):
        leaf.exp().tolist()

"""Wrong programs: the message names the user's line, the op, the shapes and the reason, shortly."""

import pytest

import jitgrad as torch
from tests.errors.caught import caught
from tests.errors.programs import PROGRAMS

LINES = 25


def check(name):
    """The message of one wrong program."""
    _, kind, words = PROGRAMS[name]
    found = caught(name)
    assert isinstance(found.error, kind), repr(found.error)
    missing = [word for word in words if word not in found.message]
    assert not missing, found.message
    assert found.line == found.expected, f"line {found.line}: {found.message}"
    assert found.lines <= LINES


@pytest.mark.parametrize("name", PROGRAMS)
def test_lazy(name):
    check(name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_eager(name):
    with torch.mode("eager"):
        check(name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_other_pending_tensors_still_evaluate(name):
    x = torch.tensor([1.0, 2.0, 3.0])
    before = x * 2 + 1
    caught(name)
    after = before.exp().log() + x
    assert before.tolist() == [3.0, 5.0, 7.0]
    assert after.shape == (3,) and abs(after.sum().item() - 21.0) < 1e-5


def test_there_are_forty():
    assert len(PROGRAMS) >= 40


def test_machine_code_says_the_same(compiled):
    for name in PROGRAMS:
        if "out of range" in name:
            check(name)

"""Planted faults are found by random programs: else agreement would mean little."""

import pytest

from tests.fuzz.faults import FAULTS
from tests.fuzz.generate import generate
from tests.fuzz.running import disagreement

BOUND = 300  # programs within which a fault must show


def found(planted, bound=BOUND):
    """The number of the first program that shows the fault."""
    with planted():
        for seed in range(bound):
            if disagreement(generate(seed, long=seed % 25 == 9)) is not None:
                return seed
    return None


@pytest.mark.parametrize("name", FAULTS)
def test_found(name):
    assert found(FAULTS[name]) is not None, f"{BOUND} programs did not show {name}"


def test_nothing_planted_nothing_found():
    for seed in range(20):
        assert disagreement(generate(seed)) is None

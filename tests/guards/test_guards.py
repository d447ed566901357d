"""Compiled equals lazy whatever changes between the calls; what is recorded again, and why."""

import pytest

from tests.guards.cases import CASES
from tests.guards.running import run


@pytest.mark.parametrize("name", CASES)
def test_a_change_between_calls(name):
    reason, found = CASES[name].reason, run(name)
    assert found.equal
    assert found.replayed
    if reason is None:
        assert found.recorded == 0, found.reasons
    else:
        assert found.recorded > 0
        assert "".join(found.reasons[:1]).startswith(reason)


def test_there_are_enough():
    assert len(CASES) >= 40

"""What the tests of the switches share: nothing is known of earlier tests' schedules."""

import pytest

from jitgrad.runtime import flush, misses
from jitgrad.runtime.stats import counts


@pytest.fixture(autouse=True)
def _fresh():
    flush.forget()
    misses._forms.clear()
    counts.recompiles.clear()  # else the list may be at its limit, and drop one for each it gains
    yield
    flush.forget()


@pytest.fixture
def said(capsys):
    """`said()`: the lines that jitgrad wrote to stderr since the last call, without the prefix."""

    def lines():
        text = capsys.readouterr().err
        return [line.removeprefix("jitgrad: ") for line in text.splitlines()]

    return lines

"""What the tests of the switches share: nothing is known of earlier tests' schedules."""

import dataclasses

import pytest

from jitgrad.runtime import flush, misses, tiles
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


@pytest.fixture
def wrong(monkeypatch):
    """A code generator that subtracts where it should add."""
    right = tiles.CPU.write

    def write(*args):
        kernel = right(*args)
        kernel.source = kernel.source.replace(" + x", " - x").replace(" + ONE", " - ONE")
        return kernel

    monkeypatch.setattr(tiles, "CPU", dataclasses.replace(tiles.CPU, write=write))

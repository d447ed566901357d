"""Shared by the tests of data: no compiler."""

import pytest


@pytest.fixture(autouse=True)
def interpreted(request, monkeypatch):
    """What is meant, not its machine code: kernels run as Python unless a test is `compiled`."""
    if "compiled" not in request.fixturenames:
        monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.fixture
def compiled():
    """For a test that runs machine code."""

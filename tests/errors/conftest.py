"""Shared by the tests of errors: kernels run interpreted unless a test is `compiled`."""

import pytest


@pytest.fixture(autouse=True)
def interpreted(request, monkeypatch):
    """What is meant, not its machine code."""
    if "compiled" not in request.fixturenames:
        monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.fixture
def compiled():
    """For a test that runs machine code."""

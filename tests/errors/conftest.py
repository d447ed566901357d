"""Shared by the tests of errors: kernels run interpreted unless a test is `compiled`."""

import contextlib
import gc

import pytest

import jitgrad as jg


@pytest.fixture(autouse=True)
def gone():
    """What cannot be computed fails here once more, and not in a later test that flushes all."""
    yield
    gc.collect()
    with contextlib.suppress(IndexError, RuntimeError):
        jg.flush_all()


@pytest.fixture(autouse=True)
def interpreted(request, monkeypatch):
    """What is meant, not its machine code."""
    if "compiled" not in request.fixturenames:
        monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.fixture
def compiled():
    """For a test that runs machine code."""

"""Shared by the CUDA tests: what programs compute on the CPU beside runs interpreted."""

import pytest


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """No CPU kernel is compiled for these tests."""
    monkeypatch.setenv("JITGRAD_JIT", "0")

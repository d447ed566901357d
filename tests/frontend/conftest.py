"""Kernels of these tests run interpreted: they are about meaning, and tiny."""

import pytest


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """JITGRAD_JIT=0 for one test."""
    monkeypatch.setenv("JITGRAD_JIT", "0")

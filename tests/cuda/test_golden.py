"""Emitted CUDA source, pinned: a change of the compiler shows as a change of text."""

import pytest

from tests.cuda.texts import TEXTS


@pytest.mark.parametrize("name", TEXTS)
def test_source(name, golden):
    source, _ = TEXTS[name]()
    golden(f"{name}.py.txt", source)

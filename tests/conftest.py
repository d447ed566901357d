"""Shared by all tests: the compile cache of the checkout, `--update-golden`, the golden check."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Set before jitgrad is imported; kept between runs so that only changed kernels compile again.
os.environ.setdefault("JITGRAD_CACHE_DIR", str(ROOT / ".cache" / "jitgrad"))


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write what was printed over the golden files"
    )


def pytest_ignore_collect(collection_path):
    """Helpers of tests are imported by them, not collected for doctests: they may need a peer."""
    if collection_path.suffix == ".py" and not collection_path.name.startswith("test_"):
        return True
    return None


@pytest.fixture(scope="session")
def root():
    """The top of the repository."""
    return ROOT


@pytest.fixture
def golden(request):
    """`golden(name, text)`: `text` equals the file golden/<name> beside the test."""

    def check(name, text):
        path = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"no {path}; write it with pytest --update-golden"
        assert text == path.read_text(), f"differs from {path}; see pytest --update-golden"

    return check

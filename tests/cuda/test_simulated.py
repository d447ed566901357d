"""The kernels' values in Numba's CUDA simulator, which needs a process of its own."""

import pytest

from tests.cuda.process import start
from tests.cuda.programs import DAILY, FAILING, PROGRAMS

NAMES = [n if n in DAILY else pytest.param(n, marks=pytest.mark.slow) for n in PROGRAMS]


@pytest.fixture(scope="module")
def problems(request):
    """What is wrong with each program that a test of this run asks for, by name."""
    chosen = [item for item in request.session.items if item.path == request.path]
    names = [i.callspec.params["name"] for i in chosen if hasattr(i, "callspec")]
    return {line["program"]: line["problem"] for line in start(names)}


@pytest.mark.parametrize("name", [*NAMES, *FAILING])
def test_program(name, problems):
    assert problems[name] == ""


def test_a_lost_lane_is_found():
    (line,) = start(["sums"], "--lose-lanes")
    assert "differs from the CPU" in line["problem"]

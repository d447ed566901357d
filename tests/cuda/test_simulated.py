"""The kernels' values in Numba's CUDA simulator, which needs a process of its own."""

import pytest

from tests.cuda.failing import FAILING
from tests.cuda.process import start
from tests.cuda.programs import PROGRAMS

FAULTS = {
    "deaf": "differs from the CPU",
    "no barriers": "differs from the CPU",
    "leaving": "wait at a barrier; 1 of 64 have ended",
    "straying": "wait at a barrier, a shuffle",
    "one warp": "differs from the CPU",
    "no stride": "differs from the CPU",
    "no stride over lines": "differs from the CPU",
    "no stride over rows": "differs from the CPU",
    "no tail": "IndexError",
}


@pytest.fixture(scope="module")
def problems(request):
    """What is wrong with each program that a test of this run asks for, by name."""
    chosen = [item for item in request.session.items if item.path == request.path]
    names = [i.callspec.params["name"] for i in chosen if i.function is test_program]
    return {line["program"]: line["problem"] for line in start(names)}


@pytest.mark.parametrize("name", [*PROGRAMS, *FAILING])
def test_program(name, problems):
    assert problems[name] == ""


@pytest.fixture(scope="module")
def found():
    """What is wrong with a program where a fault was planted, by the fault's name."""
    return {line["fault"]: line["problem"] for line in start(FAULTS, "--faults")}


@pytest.mark.parametrize("fault, words", FAULTS.items())
def test_a_fault_is_found(fault, words, found):
    assert words in found[fault]

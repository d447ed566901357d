"""PTX and machine code for sm_80 and sm_90, where the compiler packages are installed."""

import pytest

import jitgrad as torch
from jitgrad.runtime import cuda_compile
from tests.compiler.programs import normal
from tests.cuda.compiled import checked, device_kernels, entries, hold
from tests.cuda.programs import DAILY, PROGRAMS

pytestmark = pytest.mark.skipif(
    bool(cuda_compile.missing()), reason=f"not installed: {cuda_compile.missing()}"
)
NAMES = [n if n in DAILY else pytest.param(n, marks=pytest.mark.slow) for n in PROGRAMS]


@pytest.mark.parametrize("name", NAMES)
def test_program(name):
    torch.manual_seed(0)
    for kernel, count in device_kernels(PROGRAMS[name]()):
        for source, function, params in entries(kernel, count):
            checked(kernel, source, function, params)


# ---- the rules find what they are for


@pytest.fixture
def kernel():
    ((kernel, _),) = device_kernels([normal(20) * normal(20, seed=1) + 1])
    return kernel


def ptx(kernel, source):
    given = (*kernel.params, *kernel.extra)
    return cuda_compile.ptx(cuda_compile.lower(source, kernel.name, given), (9, 0))


def test_an_untyped_literal_is_found(kernel):
    source = kernel.source.replace("mul + s0", "mul * 1.1 + s0")
    assert source != kernel.source
    with pytest.raises(AssertionError, match="float64 arithmetic"):
        hold(kernel, source, kernel.name, ptx(kernel, source))


def test_a_contraction_is_found(kernel, monkeypatch):
    monkeypatch.setitem(cuda_compile.OPTIONS, "fma", 1)
    with pytest.raises(AssertionError, match="nobody asked for|ptxas may contract"):
        hold(kernel, kernel.source, kernel.name, ptx(kernel, kernel.source))


def test_a_missing_wide_access_is_found(kernel):
    source = kernel.source.replace("fetch_f32(", "fetch(").replace("spill_f32(", "spill(")
    one_by_one = (
        "def fetch(into, p, i, left):\n    for k in range(WIDE):\n        into[k] = p[i + k]\n"
        "def spill(p, i, x, left):\n    for k in range(WIDE):\n        p[i + k] = x[k]\n"
    )
    source = source.replace("WIDE = 4\n", f"WIDE = 4\n{one_by_one}")
    with pytest.raises(AssertionError, match="no 128-bit access"):
        hold(kernel, source, kernel.name, ptx(kernel, source))

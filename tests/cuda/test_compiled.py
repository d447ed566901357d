"""PTX and machine code for sm_80 and sm_90, where the compiler packages are installed."""

import pytest

import jitgrad as torch
from jitgrad.runtime import cuda_compile
from tests.compiler.programs import normal
from tests.cuda.compiled import checked, device_kernels, entries, fits, hold
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
    one_by_one = (
        "def fetch_f32(into, p, i, left):\n    for k in range(WIDE):\n        into[k] = p[i + k]\n"
        "def spill_f32(p, i, x, left):\n    for k in range(WIDE):\n        p[i + k] = x[k]\n"
    )
    source = kernel.source.replace("WIDE = 4\n", f"WIDE = 4\n{one_by_one}")
    with pytest.raises(AssertionError, match="128-bit accesses by fetch, 0 in PTX"):
        hold(kernel, source, kernel.name, ptx(kernel, source))


def test_an_array_in_memory_is_found(kernel):
    source = kernel.source.replace("out0_v[k] =", "out0_v[(k + units) & 3] =")
    assert source != kernel.source
    with pytest.raises(AssertionError, match="arrays are not registers"):
        hold(kernel, source, kernel.name, ptx(kernel, source))


def test_a_call_is_found(kernel):
    source = kernel.source.replace("left = ", "print(units)\n        left = ")
    text = ptx(kernel, source)
    assert ".local" in text  # where print puts what it writes
    with pytest.raises(AssertionError, match="a call or a trap"):
        hold(kernel, source, kernel.name, text.replace(".local", ".shared"))


def test_a_loop_that_does_not_stride_over_the_grid_is_found(kernel):
    source = kernel.source.replace("cuda.gridsize(1)", "(1 << 40)")
    assert source != kernel.source
    with pytest.raises(AssertionError, match="no stride over the grid"):
        hold(kernel, source, kernel.name, ptx(kernel, source))


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("ld.global.f32", "ld.f32", "does not know its memory"),
        ("add.s64", "div.s64", "64-bit division"),
        ("mul.rn.f32", "mul.f32", "ptxas may contract"),
    ],
)
def test_an_instruction_is_found(kernel, old, new, words):
    text = ptx(kernel, kernel.source)
    assert old in text
    with pytest.raises(AssertionError, match=words):
        hold(kernel, kernel.source, kernel.name, text.replace(old, new))


def test_registers_that_do_not_suffice_are_found():
    ((kernel, _),) = device_kernels(PROGRAMS["extremes"]())
    text = ptx(kernel, kernel.source)
    fits(text, (9, 0))
    with pytest.raises(AssertionError, match="are not registers"):
        fits(text.replace(")\n{", ")\n.maxnreg 16\n{"), (9, 0))

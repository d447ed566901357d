"""Matrix products in kernels: values, panels, integers, the table of panel heights."""

import numpy as np
import pytest

from jitgrad.kernels import gemm
from jitgrad.runtime import blas, build, threads
from tests.runtime import samples

DTYPES = {"f32": np.float32, "f64": np.float64, "i16": np.int16, "i64": np.int64, "u8": np.uint8}
NAMES = ("transa", "transb", "m", "n", "k", "lda", "ldb", "rows")
BODY = """
first = i * rows
height = min(rows, m - first)
step = lda
if transa:
    step = 1
left = at(a, first * step)
gemm_{kind}(transa, transb, height, n, k, left, lda, b, ldb, beta, at(c, first * n), n)
"""


def _function(kind):
    imports = (
        f"from jitgrad.kernels.gemm import gemm_{kind}\nfrom jitgrad.kernels.intrinsics import at"
    )
    pointers = [(name, kind + "*") for name in "abc"]
    params = [*pointers, *((name, "i64") for name in NAMES), ("beta", kind)]
    return build.get(samples.kernel("product", BODY.format(kind=kind), params, imports))


def _operands(kind, transa, transb, m, n, k):
    rng, dtype = np.random.default_rng(m + n + k), DTYPES[kind]
    shapes = (k, m) if transa else (m, k), (n, k) if transb else (k, n), (m, n)
    if kind[0] == "f":
        return [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    return [rng.integers(0, 200, shape).astype(dtype) for shape in shapes]


def _product(kind, transa, transb, m, n, k, beta=0, rows=None):
    a, b, c = _operands(kind, transa, transb, m, n, k)
    start = c.copy()
    if not beta and kind[0] == "f":
        c[:] = np.nan  # not to be read
    rows = rows or blas.gemm_tile(m, n, k, kind, transb)
    sizes = [transa, transb, m, n, k, a.shape[1], b.shape[1], rows]
    samples.run(_function(kind), [a, b, c, *sizes, beta], -(-m // rows))
    left, right = (a.T if transa else a), (b.T if transb else b)
    return c, left, right, start


@pytest.mark.parametrize("jit", "10")
@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("kind", DTYPES)
def test_products(kind, flags, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    for m, n, k in ((3, 5, 7), (1, 1, 1), (9, 1, 4), (4, 4, 0)):
        for beta in (0, 1):
            c, left, right, start = _product(kind, *flags, m, n, k, beta)
            if kind[0] == "f":
                want = left.astype(np.float64) @ right + beta * start.astype(np.float64)
                np.testing.assert_allclose(c, want, rtol=1e-4, atol=1e-4)
            else:
                np.testing.assert_array_equal(c, left @ right + np.array(beta, c.dtype) * start)


def test_interpreted_products_have_the_same_bits(monkeypatch):
    compiled = _product("f32", 0, 1, 40, 30, 50)[0]
    monkeypatch.setenv("JITGRAD_JIT", "0")
    np.testing.assert_array_equal(_product("f32", 0, 1, 40, 30, 50)[0], compiled)


def test_threads_do_not_change_the_bits():
    before = threads.get_num_threads()
    results = []
    for count in (1, 2, 3):
        threads.set_num_threads(count)
        results.append(_product("f32", 0, 1, 300, 70, 200)[0])
    threads.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("core", ["Haswell", "Zen", "SkylakeX", "anything new"])
def test_panel_heights(core):
    for m in (1, 7, 8, 31, 64, 128, 512, 1000, 1024, 5000):
        for n in (1, 10, 128, 1024):
            for k in (1, 64, 784):
                rows = gemm.gemm_tile(m, n, k, "f32", core)
                assert 1 <= rows <= max(m, 1)
    assert gemm.gemm_tile(0, 4, 4, "f32", core) == 1
    assert gemm.gemm_tile(10, 10, 10, "f32", core) == 10
    assert gemm.gemm_tile(1024, 1024, 1024, "f32", core) == 256
    assert 64 // gemm.gemm_tile(64, 128, 784, "f32", core) >= 2  # two cores have work


def test_the_library_is_our_own_and_single_threaded():
    library = blas.load()
    assert library.scipy_openblas_get_num_threads() == 1
    assert blas.core_name() and blas.core_name().isalnum()


@pytest.mark.parametrize("features, told", [("+avx2,+avx512f", True), ("+avx2", False)])
def test_a_core_type_below_the_cpu_is_told(monkeypatch, features, told):
    monkeypatch.setattr(blas.machine, "cpu", lambda: ("x", features))
    monkeypatch.setattr(blas, "core_name", lambda: "Haswell")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert blas.forced_below_cpu() is None
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert bool(blas.forced_below_cpu()) == told


def test_a_product_of_the_wrong_type_is_refused():
    imports = "from jitgrad.kernels.gemm import gemm_f64"
    body = "gemm_f64(0, 0, 1, 1, 1, a, 1, a, 1, np.float64(0), a, 1)"
    with pytest.raises(build.CompileError, match="expected pointers to float64"):
        build.get(samples.kernel("wrong", body, [("a", "f32*")], imports))

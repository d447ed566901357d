"""Matrix products in kernels: values, tiles, integers, the table of parts."""

import numpy as np
import pytest

from jitgrad.kernels import gemm
from jitgrad.kernels.intrinsics import fma_f32
from jitgrad.kernels.tiles import ROOM, THIN
from jitgrad.runtime import blas, build, threads, tiles
from tests.runtime import samples

DTYPES = {"f32": np.float32, "f64": np.float64, "i16": np.int16, "i64": np.int64, "u8": np.uint8}
NAMES = ("transa", "transb", "m", "n", "k", "lda", "ldb", "parts")
BODY = """
first = part_start(m, 8, i, parts)
height = part_start(m, 8, i + 1, parts) - first
step = lda
if transa:
    step = 1
left, out = at(a, first * step), at(c, first * n)
gemm_{kind}({more}transa, transb, height, n, k, left, lda, b, ldb, out, n{room})
"""


def _function(kind):
    imports = (
        f"from jitgrad.kernels.gemm import gemm_{kind}, part_start\n"
        "from jitgrad.kernels.intrinsics import at, view_f32"
    )
    pointers = [(name, kind + "*") for name in "abc"]
    params = [*pointers, *((name, "i64") for name in NAMES), ("tiles", "i64")]
    single = kind == "f32"
    body = BODY.format(kind=kind, more="tiles, " * single, room=", view_f32(scratch, 0)" * single)
    return build.get(samples.kernel("product", body, params, imports))


def _operands(kind, transa, transb, m, n, k):
    rng, dtype = np.random.default_rng(m + n + k), DTYPES[kind]
    shapes = (k, m) if transa else (m, k), (n, k) if transb else (k, n)
    if kind[0] == "f":
        a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    else:
        a, b = (rng.integers(0, 200, shape).astype(dtype) for shape in shapes)
    return a, b, np.full((m, n), np.nan if kind[0] == "f" else 77, dtype)  # not to be read


def _product(kind, transa, transb, m, n, k, tiled=False, parts=1):
    a, b, c = _operands(kind, transa, transb, m, n, k)
    sizes = [transa, transb, m, n, k, a.shape[1], b.shape[1], parts]
    address = tiles.address() if tiled else 0
    values = [a, b, c, *sizes, address]
    assert samples.run(_function(kind), values, parts, scratch=ROOM) is None
    return c, (a.T if transa else a), (b.T if transb else b)


SHAPES = [(3, 5, 7), (1, 1, 1), (9, 1, 4), (4, 4, 0), (2, 16, 0), (13, 33, 11), (8, 16, 8)]


@pytest.mark.parametrize("jit", "10")
@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("kind", [*DTYPES, "tiled"])
def test_products(kind, flags, jit, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", jit)
    tiled = kind == "tiled"
    for m, n, k in SHAPES:
        c, left, right = _product("f32" if tiled else kind, *flags, m, n, k, tiled)
        if c.dtype.kind == "f":
            want = left.astype(np.float64) @ right
            np.testing.assert_allclose(c, want, rtol=1e-4, atol=1e-4)
        else:
            np.testing.assert_array_equal(c, left @ right)


@pytest.mark.parametrize("tiled", [False, True])
def test_interpreted_products_have_the_same_bits(tiled, monkeypatch):
    compiled = _product("f32", 0, 1, 23, 30, 50, tiled)[0]
    monkeypatch.setenv("JITGRAD_JIT", "0")
    np.testing.assert_array_equal(_product("f32", 0, 1, 23, 30, 50, tiled)[0], compiled)


@pytest.mark.parametrize("tiled", [False, True])
def test_threads_do_not_change_the_bits(tiled):
    before = threads.get_num_threads()
    results = []
    for count in (1, 2, 3):
        threads.set_num_threads(count)
        results.append(_product("f32", 0, 1, 300, 70, 200, tiled, parts=5)[0])
    threads.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_how_a_tiled_product_is_cut_and_stored_changes_no_bit():
    m, n, k = 37, 45, 1003
    a, b, _ = _operands("f32", 0, 0, m, n, k)
    whole = _tiled(0, 0, a, b)
    for transa, transb in ((0, 1), (1, 0), (1, 1)):
        left, right = (a.T.copy() if transa else a), (b.T.copy() if transb else b)
        np.testing.assert_array_equal(_tiled(transa, transb, left, right), whole)
    thin = slice(7, 7 + THIN), slice(16, 45)  # whole panels are read in place
    for rows, columns in ((slice(7, 20), slice(0, 45)), (slice(0, 37), slice(16, 41)), thin):
        part = _tiled(0, 0, a[rows], np.ascontiguousarray(b[:, columns]))
        np.testing.assert_array_equal(part, whole[rows, columns])


@pytest.mark.parametrize("few", [1, 2, 3, 4, 5])
def test_few_rows_or_columns_have_the_bits_of_many(few):
    m, n, k = 75, 141, 1003
    a, b, _ = _operands("f32", 0, 0, m, n, k)
    whole = _tiled(0, 0, a, b)
    rows, columns = slice(9, 9 + few), slice(3, 3 + few)
    for transa, transb in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for some, others in ((rows, slice(n)), (slice(m), columns), (rows, columns)):
            left, right = (x.T.copy() if t else x.copy()
                           for x, t in ((a[some], transa), (b[:, others], transb)))  # fmt: skip
            np.testing.assert_array_equal(_tiled(transa, transb, left, right), whole[some, others])


def _tiled(transa, transb, a, b):
    m, k = a.shape[::-1] if transa else a.shape
    c = np.full((m, b.shape[0] if transb else b.shape[1]), np.nan, np.float32)
    sizes = [transa, transb, *c.shape, k, a.shape[1], b.shape[1], 1]
    values = [a, b, c, *sizes, tiles.address()]
    assert samples.run(_function("f32"), values, 1, scratch=ROOM) is None
    return c


def test_a_tiled_sum_is_one_chain_of_fused_steps():
    a, b, _ = _operands("f32", 0, 0, 3, 5, 40)
    want = np.zeros((3, 5), np.float32)
    for i, j, p in np.ndindex(3, 5, 40):
        want[i, j] = fma_f32(a[i, p], b[p, j], want[i, j])
    np.testing.assert_array_equal(_tiled(0, 0, a, b), want)


def test_the_twin_rounds_once(monkeypatch):
    """1 + 2**-23 and (1 + 2**-23) * (1 - 2**-23) * 2**-24 add up to less than halfway to the next
    float32, in float64 to exactly halfway; and a sum below the normal numbers."""
    one, step, tiny = (np.float32(x) for x in (1, 2.0**-23, 2.0**-75))
    a = np.array([[one + step, (one + step) * 2.0**-12], [tiny, 3 * tiny]], np.float32)
    b = np.array([[one, tiny], [(one - step) * 2.0**-12, tiny]], np.float32)
    compiled = _tiled(0, 0, a, b)
    assert compiled[0, 0] == one + step
    monkeypatch.setenv("JITGRAD_JIT", "0")
    np.testing.assert_array_equal(_tiled(0, 0, a, b), compiled)


@pytest.mark.parametrize("core", ["Haswell", "Zen", "SkylakeX", "anything new"])
@pytest.mark.parametrize("suffix", ["f32", "f64"])
def test_the_table_of_parts(core, suffix):
    for m in (0, 1, 7, 8, 31, 64, 128, 512, 1000, 1024, 5000):
        for n in (0, 1, 10, 128, 1024):
            for k in (0, 1, 64, 784):
                tiled, rows, columns = gemm.gemm_parts(m, n, k, suffix, core)
                assert 1 <= rows <= max(m, 1) and 1 <= columns <= max(n, 1)
                assert tiled <= (suffix == "f32" and core in gemm.TILED_CORES)
    assert gemm.gemm_parts(10, 10, 10, suffix, core)[1:] == (1, 1)
    tiled, rows, columns = gemm.gemm_parts(1024, 1024, 1024, suffix, core)
    assert not tiled and rows * columns == 4
    for shape in ((64, 128, 784), (128, 784, 64), (512, 128, 784), (8, 64, 4096), (10, 128, 4096)):
        # two cores have work
        _, rows, columns = gemm.gemm_parts(*shape, suffix, core)
        assert rows * columns % 2 == 0


def test_parts_cover_what_is_cut():
    for size in (0, 1, 15, 16, 100, 784):
        for parts in (1, 2, 3, 16):
            starts = [gemm.part_start(size, 16, i, parts) for i in range(parts + 1)]
            assert starts[0] == 0 and starts[-1] == size and starts == sorted(starts)
            assert all(start % 16 == 0 for start in starts[:-1] if start < size)


def test_the_library_is_our_own_and_single_threaded():
    library = blas.load()
    assert library.scipy_openblas_get_num_threads() == 1
    assert blas.core_name() and blas.core_name().isalnum()


def test_a_product_of_the_wrong_type_is_refused():
    imports = "from jitgrad.kernels.gemm import gemm_f64"
    body = "gemm_f64(0, 0, 1, 1, 1, a, 1, a, 1, a, 1)"
    with pytest.raises(build.CompileError, match="expected pointers to float64"):
        build.get(samples.kernel("wrong", body, [("a", "f32*")], imports))

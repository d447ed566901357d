"""Matrix products of row-major panels, single-threaded: c = op(a) @ op(b) + beta * c.

`gemm_f32`, `gemm_f64` call OpenBLAS; integers (`gemm_i8` ... `gemm_u8`) are plain loops that wrap
around, beta 0 or 1. `transa`/`transb` are 0 or 1: a is stored (k, m) if 1, b is stored (n, k).
`gemm_tile` says how many rows of c one call should make: a table by BLAS core, so that the bits
depend on shape and core alone. May import: NumPy, `cblas`, `intrinsics`.
"""

from .cblas import dgemm, sgemm
from .intrinsics import at, like, zero_of

# OpenBLAS cores whose small products are not packed, up to this many multiply-adds.
_UNPACKED = 1_000_000
UNPACKED_CORES = ("SkylakeX", "Cooperlake", "SapphireRapids")
_SMALL = 1 << 18  # multiply-adds below which a product is not worth splitting
_LARGE = 1 << 21
_MOST_ROWS = 256


def gemm_f32(transa, transb, m, n, k, a, lda, b, ldb, beta, c, ldc):
    """c = op(a) @ op(b) + beta * c in float32; c is not read where beta is 0."""
    if m > 0 and n > 0:
        sgemm(transa, transb, m, n, k, a, max(lda, 1), b, max(ldb, 1), beta, c, max(ldc, 1))


def gemm_f64(transa, transb, m, n, k, a, lda, b, ldb, beta, c, ldc):
    """c = op(a) @ op(b) + beta * c in float64; c is not read where beta is 0."""
    if m > 0 and n > 0:
        dgemm(transa, transb, m, n, k, a, max(lda, 1), b, max(ldb, 1), beta, c, max(ldc, 1))


def _add_row(n, factor, b, c):
    """c[0:n] += factor * b[0:n]."""
    for j in range(n):
        c[j] = like(c[j] + factor * b[j], c[j])


def _gemm_int(transa, transb, m, n, k, a, lda, b, ldb, beta, c, ldc):
    row_step, column_step = lda, 1
    if transa:
        row_step, column_step = 1, lda
    for i in range(m):
        row = at(c, i * ldc)
        if not beta:
            for j in range(n):
                row[j] = zero_of(c)
        left = at(a, i * row_step)
        if transb:
            for j in range(n):
                right = at(b, j * ldb)
                value = row[j]
                for p in range(k):
                    value = like(value + left[p * column_step] * right[p], value)
                row[j] = value
        else:
            for p in range(k):
                _add_row(n, left[p * column_step], at(b, p * ldb), row)


gemm_i8 = gemm_i16 = gemm_i32 = gemm_i64 = gemm_u8 = _gemm_int


def gemm_tile(m, n, k, suffix, core, transb=0):
    """How many rows of an (m, n) product over k one call should make (not for use in kernels)."""
    work = m * n * k
    if work < _SMALL or m <= 8:
        return max(m, 1)
    if suffix == "f32" and core in UNPACKED_CORES and 8 * n * k <= _UNPACKED:
        rows = _UNPACKED // (n * k) // 8 * 8
        if transb and n > 16:
            rows = 8
        return min(rows, m)
    # Each call packs b anew, so panels are as high as leaves several of them.
    if m <= 32:
        return 16 if work >= _LARGE else m
    if m < 128:
        return 32
    return min(max((m + 127) // 128 * 32, 64), _MOST_ROWS)

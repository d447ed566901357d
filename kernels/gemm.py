"""Matrix products of row-major operands, single-threaded: c = op(a) @ op(b).

`gemm_f32` runs in our register tiles or calls OpenBLAS, `gemm_f64` calls OpenBLAS; integers
(`gemm_i8` ... `gemm_u8`) are plain loops that wrap around. `transa`/`transb` are 0 or 1: a is
stored (k, m) if 1, b is stored (n, k). `gemm_parts` says which of the two is taken and into how
many calls a product is cut: a table by BLAS core, so that the bits depend on shape and core alone.
May import: NumPy, `cblas`, `intrinsics`, `tiled`, `tiles`.
"""

from .cblas import dgemm, sgemm
from .intrinsics import at, like, zero_of
from .tiled import tiled_f32
from .tiles import THIN

# OpenBLAS cores (AVX-512) whose small products are not packed, up to this many multiply-adds.
_UNPACKED = 1_000_000
UNPACKED_CORES = ("SkylakeX", "Cooperlake", "SapphireRapids")
# OpenBLAS cores (AVX2) that pack both operands in every call, which our tiles do not: they are
# 5 to 30 % faster unless all three sizes are large.
TILED_CORES = ("Haswell", "Zen")
_LARGE_SIDE = 384
_SQUARE = 512  # a part of this side runs as fast as a larger product
ROW_STEP, COLUMN_STEP = 8, 16  # parts begin at multiples of these
_TILED_PART, _MOST_PARTS = 1 << 15, 16  # the work of a part: about a microsecond
_FEWEST_TILED_ROWS = 256  # that share a panel of b
_THIN_COLUMNS = 128  # of a part of a thin product
_SMALL = 1 << 18  # multiply-adds below which a product is not worth splitting
_LARGE = 1 << 21
_MOST_ROWS = 256


def gemm_f32(tiles, transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room):
    """c = op(a) @ op(b) in float32: by the machine code of `tiled.tiled_f32` at address `tiles`, in
    `room` as it needs, or where that is 0 by OpenBLAS."""
    if m > 0 and n > 0:
        if tiles:
            tiled_f32(tiles, transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room)
        else:
            sgemm(transa, transb, m, n, k, a, max(lda, 1), b, max(ldb, 1), c, max(ldc, 1))


def gemm_f64(transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
    """c = op(a) @ op(b) in float64."""
    if m > 0 and n > 0:
        dgemm(transa, transb, m, n, k, a, max(lda, 1), b, max(ldb, 1), c, max(ldc, 1))


def _add_row(n, factor, b, c):
    """c[0:n] += factor * b[0:n]."""
    for j in range(n):
        c[j] = like(c[j] + factor * b[j], c[j])


def _gemm_int(transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
    row_step, column_step = lda, 1
    if transa:
        row_step, column_step = 1, lda
    for i in range(m):
        row = at(c, i * ldc)
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


def part_start(size, step, part, parts):
    """Where part number `part` of `parts` begins: at a multiple of `step`, or at the end."""
    steps = (size + step - 1) // step
    return min(steps * part // parts * step, size)


# ---- the table (not for use in kernels)


def gemm_parts(m, n, k, suffix, core):
    """(whether in tiles, parts of the rows, parts of the columns) of an (m, n) product over k."""
    if suffix == "f32" and core in TILED_CORES:
        if min(m, n, k) < _LARGE_SIDE:
            return True, *_tiled_parts(m, n, k)
        return False, max(m // _SQUARE, 2), max(n // _SQUARE, 1)
    rows = -(-m // _panel_rows(m, n, k, suffix, core)) or 1
    thin = rows == 1 and m * n * k >= _SMALL
    return False, rows, _thin_columns(n, _MOST_PARTS) if thin else 1


def _tiled_parts(m, n, k):
    """Columns are cut first: a panel of b is then packed once for all rows."""
    parts = min(m * n * k // _TILED_PART, _MOST_PARTS)
    parts = 1 << max(parts.bit_length() - 1, 0)  # an even share for 2, 4 ... threads
    columns = max(min(parts, -(-n // COLUMN_STEP)), 1)
    if m <= THIN:
        columns = _thin_columns(n, parts)
    rows = max(min(parts // columns, m // _FEWEST_TILED_ROWS), 1)
    if columns == 1 and parts > 1:
        rows = max(rows, min(-(-m // ROW_STEP), 2))
    return rows, columns


def _thin_columns(n, most):
    """How many parts of a few rows: bound by reading b, they take long runs of its rows."""
    return max(min(most, max(n // _THIN_COLUMNS, 2), -(-n // COLUMN_STEP)), 1)


def _panel_rows(m, n, k, suffix, core):
    """How many rows one call of OpenBLAS makes: each call packs b anew, so panels are high."""
    work = m * n * k
    if work < _SMALL or m <= 8:
        return max(m, 1)
    if suffix == "f32" and core in UNPACKED_CORES and 8 * n * k <= _UNPACKED:
        return min(_UNPACKED // (n * k) // 8 * 8, m)
    if m <= 32:
        return 16 if work >= _LARGE else m
    if m < 128:
        return 32
    return min(max((m + 127) // 128 * 32, 64), _MOST_ROWS)

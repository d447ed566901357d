"""A float32 product of any size in register tiles: `tiled_f32`.

Every element of c is one chain of fused multiply-adds over each of the same pieces of the depth,
and the sum of these in order: where rows and columns are cut, and how operands lie, changes no bit.
Built once as machine code of its own; `tiled` calls it. May import: NumPy, `intrinsics`,
`microkernel`.
"""

from .intrinsics import at
from .microkernel import (
    ACROSS,
    BLOCK,
    COLUMNS,
    FEW,
    ROWS,
    WIDE,
    across_f32,
    copy_row_f32,
    pick_row_f32,
    put_row_f32,
    row_f32,
    tile_f32,
    turn_block_f32,
)

THIN = 12  # rows of a product that reads b once or twice: its panels are not copied
_DEPTH = 400  # of a panel at most: 25 kB stay in the first-level cache
ROOM = 4 * COLUMNS * (_DEPTH + ROWS)  # bytes of scratch: a panel and a tile


def tiled_f32(transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room):
    """c = op(a) @ op(b), as `gemm.gemm_f32`; `room` is ROOM bytes as float32."""
    row_step, depth_step, column_step = lda, 1, 1
    if transa:
        row_step, depth_step = 1, lda
    left, right = a, b
    if n <= FEW and (not transa or (n == 1 and ldc == 1)):  # its transpose is a product of few rows
        row_step, depth_step, column_step = 1, ldb, ldc
        if transb:
            row_step, depth_step = ldb, 1
        left, right = b, a
        m, n, transb, ldb, ldc = n, m, 1 - transa, lda, 1
    pieces = max((k + _DEPTH - 1) // _DEPTH, 1)
    for piece in range(pieces):
        low = k * piece // pieces
        depth = k * (piece + 1) // pieces - low
        part = at(left, low * depth_step)
        if transb and m <= FEW:
            _across(m, n, depth, part, row_step, depth_step, at(right, low), ldb, c, ldc,
                    column_step, piece, room)  # fmt: skip
        else:
            _panels(m, n, transb, low, depth, part, row_step, depth_step, right, ldb, c, ldc,
                    piece, room)  # fmt: skip


def _across(m, n, depth, a, row_step, depth_step, b, b_step, c, c_step, column_step, add, room):
    """Few rows times columns that lie as rows: turned in registers, no panel."""
    for j in range(0, n, ACROSS):
        width = min(ACROSS, n - j)
        across_f32(m, width, depth, a, row_step, depth_step, at(b, j * b_step), b_step, room)
        for i in range(m):
            row, out = at(room, i * ACROSS), at(c, i * c_step + j * column_step)
            if add:
                for x in range(width):
                    out[x * column_step] = out[x * column_step] + row[x]
            else:
                for x in range(width):
                    out[x * column_step] = row[x]


def _panels(m, n, transb, low, depth, a, row_step, depth_step, b, ldb, c, ldc, add, room):
    """Panel by panel of b; one row takes wide ones where they are."""
    begin = 0
    if m == 1 and not transb:
        begin = n // WIDE * WIDE
        for j in range(0, begin, WIDE):
            row_f32(depth, a, depth_step, at(b, low * ldb + j), ldb, at(c, j), add)
    for j in range(begin, n, COLUMNS):
        width = min(COLUMNS, n - j)
        panel, panel_step = room, COLUMNS
        if transb:
            _turned(depth, width, at(b, j * ldb + low), ldb, room)
        elif m <= THIN and width == COLUMNS:
            panel, panel_step = at(b, low * ldb + j), ldb
        else:
            _copied(depth, width, at(b, low * ldb + j), ldb, room)
        _rows(m, width, depth, a, row_step, depth_step, panel, panel_step, at(c, j), ldc, add,
              at(room, _DEPTH * COLUMNS))  # fmt: skip


def _copied(depth, width, b, step, panel):
    """Columns of b as a panel."""
    if width == COLUMNS:
        for p in range(depth):
            copy_row_f32(at(b, p * step), at(panel, p * COLUMNS))
    else:
        for p in range(depth):
            pick_row_f32(width, at(b, p * step), 1, at(panel, p * COLUMNS))


def _turned(depth, width, b, step, panel):
    """Rows of b as the columns of a panel; BLOCK rows along all the depth first, since rows some
    power of two apart share few places of the first-level cache."""
    whole = depth // BLOCK * BLOCK
    for j in range(0, COLUMNS, BLOCK):
        first = min(j, width - 1)
        for p in range(0, whole, BLOCK):
            turn_block_f32(width - first, at(b, first * step + p), step, at(panel, p * COLUMNS + j))
    for p in range(whole, depth):
        pick_row_f32(width, at(b, p), step, at(panel, p * COLUMNS))


def _rows(m, width, depth, a, row_step, depth_step, panel, panel_step, c, ldc, add, spare):
    """All rows of c, in tiles of ROWS, then of FEW: together they hold at most one row more."""
    tiles = (m + ROWS - 1) // ROWS
    large = max(tiles - (tiles * ROWS - m) // (ROWS - FEW), 0)
    first = 0
    while first < m:
        rows = min(FEW, m - first)
        if large > 0:
            rows = min(ROWS, m - first)
        large = large - 1
        left, row, out, step, more = at(a, first * row_step), at(c, first * ldc), spare, COLUMNS, 0
        if width == COLUMNS:
            out, step, more = row, ldc, add
        tile_f32(rows, depth, left, row_step, depth_step, panel, panel_step, out, step, more)
        if width < COLUMNS:
            for i in range(rows):
                put_row_f32(width, at(spare, i * COLUMNS), at(row, i * ldc), add)
        first = first + rows

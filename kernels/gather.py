"""Reads and additions at computed positions.

Entry functions: `check_index(index, n, extent)` is the first position whose index lies outside
[-extent, extent), or -1; `wrap_index(i, extent)` counts negative indices from the end;
`gather_rows_<s>(out, x, index, n, width, extent)`; `scatter_add_rows_<s>(out, x, index, n, width,
extent, lo, hi)` adds row k of x to row index[k] of out, in the order of k, but only into rows [lo,
hi), so that threads may split out without changing a bit. May import: `intrinsics`.
"""

from .intrinsics import like


def check_index(index, n, extent):
    """The first k with index[k] out of range, or -1."""
    for k in range(n):
        if index[k] < -extent or index[k] >= extent:
            return k
    return -1


def wrap_index(i, extent):
    """The index counted from the start."""
    return i + extent if i < 0 else i


def _gather_rows(out, x, index, n, width, extent):
    for k in range(n):
        row = wrap_index(index[k], extent) * width
        for j in range(width):
            out[k * width + j] = x[row + j]


def _scatter_add_rows(out, x, index, n, width, extent, lo, hi):
    for k in range(n):
        row = wrap_index(index[k], extent)
        if lo <= row < hi:
            for j in range(width):
                old = out[row * width + j]
                out[row * width + j] = like(old + x[k * width + j], old)


gather_rows_f32 = gather_rows_f64 = gather_rows_i8 = gather_rows_i16 = _gather_rows
gather_rows_i32 = gather_rows_i64 = gather_rows_u8 = gather_rows_b1 = _gather_rows
scatter_add_rows_f32 = scatter_add_rows_f64 = scatter_add_rows_i8 = _scatter_add_rows
scatter_add_rows_i16 = scatter_add_rows_i32 = scatter_add_rows_i64 = _scatter_add_rows
scatter_add_rows_u8 = _scatter_add_rows

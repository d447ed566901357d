"""The innermost steps of a tiled float32 product, as Python twins over pointers.

Entry functions: `tile_f32` (a few rows times one panel), `put_row_f32` (where less than a panel's
width is wanted), `copy_row_f32`, `turn_block_f32` and `pick_row_f32` (how a panel comes about);
without a panel `row_f32` (one row times adjacent columns) and `across_f32` (few rows times columns
that lie as rows). Only the sums over the depth are loops. `microkernel_llvm` defines the same names
for compiled code. A panel is COLUMNS columns of the right operand, row after row. May import:
NumPy, ctypes, `intrinsics`.
"""

import ctypes

import numpy as np

from .intrinsics import at, fma_f32

ROWS = 6  # of the largest tile: 12 sums of 8 floats, 2 of a panel's row and 1 of the left operand
FEW = 4  # of the smaller one: 8 sums are as many as two units with 4 stages each keep going
COLUMNS = 16
WIDE = 64  # columns of a row alone: 8 sums, and whole cache lines of each of the operand's rows
ACROSS = 8  # columns that lie as rows; more, some power of two apart, share too few cache lines
BLOCK = 8  # rows and columns of a panel that are turned at a time

_HALFWAY, _TAIL = 1 << 28, (1 << 29) - 1  # of the bits that float32 drops from float64
_SMALL = 2.0**-126


def _matrix(p, shape, steps):
    """The elements at a flat array, or at a pointer object with an address, as a NumPy view."""
    if 0 in shape:
        return np.empty(shape, np.float32)
    last = sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    p[last]  # raises if it lies outside
    address = getattr(p, "address", None)
    memory = p.ctypes.data if address is None else address
    bytes_ = (ctypes.c_byte * (4 * last + 4)).from_address(memory)
    return np.ndarray(shape, np.float32, bytes_, 0, [4 * step for step in steps])


def _fma(products, left, right, sums):
    """left * right + sums rounded once, from the exact `products`.

    The float64 sum rounds first, which shows in the float32 only where it lies halfway between two.
    """
    exact = products + sums
    out = exact.astype(np.float32)
    bits = exact.view(np.int64)
    unsafe = ((bits & _TAIL) == _HALFWAY) | (np.abs(exact) < _SMALL)
    for i, j in np.argwhere(unsafe):
        out[i, j] = fma_f32(left[i], right[j], sums[i, j])
    return out


def _sums(left, right):
    """left @ right, each element one chain of fused steps."""
    sums = np.zeros((len(left), right.shape[1]), np.float32)
    with np.errstate(all="ignore"):
        for a, b in zip(left.T, right, strict=True):
            sums = _fma(a[:, None].astype(np.float64) * b, a, b, sums)
    return sums


def tile_f32(rows, depth, a, row_step, depth_step, b, b_step, c, c_step, add):
    """rows <= ROWS rows of c, COLUMNS wide = (c if add) + a @ b over `depth`, one fma a step.

    a's elements are `row_step` and `depth_step` apart, rows of b `b_step` (in a panel COLUMNS), of
    c `c_step`.
    """
    left = _matrix(a, (rows, depth), (row_step, depth_step))
    right = _matrix(b, (depth, COLUMNS), (b_step, 1))
    out = _matrix(c, (rows, COLUMNS), (c_step, 1))
    sums = _sums(left, right)
    with np.errstate(all="ignore"):
        out[:] = out + sums if add else sums


def row_f32(depth, a, depth_step, b, b_step, c, add):
    """The same for one row and WIDE columns of b."""
    for j in range(0, WIDE, COLUMNS):
        right, out = at(b, j), at(c, j)
        tile_f32(1, depth, a, 0, depth_step, right, b_step, out, 0, add)


def across_f32(rows, width, depth, a, row_step, depth_step, b, b_step, out):
    """rows <= FEW rows of out, `width` <= ACROSS wide = a @ b over `depth`, one fma a step. b's
    columns lie as rows, `b_step` apart. `out` is FEW rows of ACROSS; the rest is undefined."""
    left = _matrix(a, (rows, depth), (row_step, depth_step))
    right = _matrix(b, (width, depth), (b_step, 1))
    _matrix(out, (rows, width), (ACROSS, 1))[:] = _sums(left, right.T)


def copy_row_f32(b, panel):
    """COLUMNS adjacent elements of b become a row of a panel."""
    _matrix(panel, (COLUMNS,), (1,))[:] = _matrix(b, (COLUMNS,), (1,))


def turn_block_f32(width, b, step, panel):
    """BLOCK elements of each of the first BLOCK of `width` rows of b, `step` apart, become columns
    of as many rows of a panel; where there are fewer, the last one comes again."""
    rows = _matrix(b, (BLOCK, width), (1, step))
    _matrix(panel, (BLOCK, BLOCK), (COLUMNS, 1))[:] = rows[:, _columns(width)[:BLOCK]]


def pick_row_f32(width, b, step, panel):
    """`width` elements of b, `step` apart, become a row of a panel; the last one comes again."""
    _matrix(panel, (COLUMNS,), (1,))[:] = _matrix(b, (width,), (step,))[_columns(width)]


def put_row_f32(width, row, c, add):
    """`width` elements of a tile's row go to c, or are added to it."""
    out, row = _matrix(c, (width,), (1,)), _matrix(row, (width,), (1,))
    with np.errstate(all="ignore"):
        out[:] = out + row if add else row


def _columns(width):
    return np.minimum(np.arange(COLUMNS), width - 1)

"""Sums of the columns of a row-major matrix, by the tree that `jitgrad.compiler.columns` writes.

In each chunk of ROWS rows, lane l of `lanes` adds rows l, l + lanes, ... in order; the lanes are
folded in halves. Long rows have one lane; short ones several, so that vectors are full where rows
lie one behind the other. Chunk sums are merged like the carries of a binary counter, as in
`reduce`. Entry functions: `column_sum_f32`, `column_sum_f64`, `lane_count`. May import:
`intrinsics`.
"""

from .intrinsics import at, zero_of

ROWS = 64
BLOCK = 128  # columns that are summed side by side
LEVELS = 40  # rows of BLOCK numbers in `stack`
LANES = 16  # of a chunk, at most
SIDE = 128  # numbers that they hold, at most, where they are more than one


def lane_count(rows, columns):
    """Lanes of each chunk, a power of two: no more than there are rows."""
    most = max(1, min(rows, LANES, SIDE // max(columns, 1)))
    return 1 << (most.bit_length() - 1)


def column_sum(x, step, rows, columns, lanes, out, stack):
    """out[j] = the sum of column j of x, whose rows are `step` apart."""
    for first in range(0, columns, BLOCK):
        width = min(BLOCK, columns - first)
        _block(at(x, first), step, rows, width, lanes, at(out, first), stack)


def _block(x, step, rows, width, lanes, out, stack):
    count = 0
    for begin in range(0, rows, ROWS):
        for k in range(lanes * width):
            stack[k] = zero_of(x)
        for row in range(begin, min(begin + ROWS, rows)):
            line = at(x, row * step)
            lane = at(stack, (row & (lanes - 1)) * width)
            for k in range(width):
                lane[k] = lane[k] + line[k]
        held = lanes * width
        while held > width:
            held >>= 1
            _merge(held, at(stack, held), stack)
        level = 1
        bits = count
        while bits & 1:
            _merge(width, at(stack, level * BLOCK), stack)
            level += 1
            bits >>= 1
        _copy(width, stack, at(stack, level * BLOCK))
        count += 1
    _join(width, count, stack)
    _copy(width, stack, out)


def _join(width, count, stack):
    """What is left of `count` chunks, from small to large, to the first row of the stack."""
    if count == 0:
        for k in range(width):
            stack[k] = zero_of(stack)
    level = 0
    started = False
    while count > 0:
        level += 1
        if count & 1 and started:
            _merge(width, at(stack, level * BLOCK), stack)
        elif count & 1:
            _copy(width, at(stack, level * BLOCK), stack)
            started = True
        count >>= 1


def _merge(width, older, total):
    for k in range(width):
        total[k] = older[k] + total[k]


def _copy(width, x, out):
    for k in range(width):
        out[k] = x[k]


column_sum_f32 = column_sum_f64 = column_sum

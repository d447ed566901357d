"""Sums of the columns of a row-major matrix, by the tree that `jitgrad.compiler.columns` writes.

The rows of each chunk of ROWS are added in order; chunk sums are merged like the carries of a
binary counter, as in `reduce`. Entry functions: `column_sum_f32`, `column_sum_f64`. May import:
`intrinsics`.
"""

from .intrinsics import at, zero_of

ROWS = 64
BLOCK = 128  # columns that are summed side by side
LEVELS = 40  # rows of BLOCK numbers in `stack`


def column_sum(x, step, rows, columns, out, stack):
    """out[j] = the sum of column j of x, whose rows are `step` apart."""
    for first in range(0, columns, BLOCK):
        _block(at(x, first), step, rows, min(BLOCK, columns - first), at(out, first), stack)


def _block(x, step, rows, width, out, stack):
    count = 0
    for begin in range(0, rows, ROWS):
        for k in range(width):
            stack[k] = zero_of(x)
        for row in range(begin, min(begin + ROWS, rows)):
            line = at(x, row * step)
            for k in range(width):
                stack[k] = stack[k] + line[k]
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

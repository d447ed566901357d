"""Reductions of a contiguous run by the one tree that all modes share.

The bits depend on the run's length alone. The tree: chunks of CHUNK elements; in a chunk, lane l
of 64 takes elements l, l + 64, ... in order, starting from the identity; the lanes are folded in
halves (l with l + 32, then l + 16, ...); chunk values are merged like the carries of a binary
counter, ((c0+c1)+(c2+c3))+..., and what is left joins from small to large.

For each operation: `sum_f32(p, n)` a whole run; `sum_chunk_f32(p, n)` one chunk (n <= CHUNK);
`pairwise_sum_f32(p, n)` merges n chunk values.
Integers wrap, so any order gives the same bits: plain loops; their sum and prod are int64.

Entry functions: the aliases at the end. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import at, highest_of, lanes_of, lowest_of, maximum, minimum, one_of, zero_of

CHUNK = 4096
_LANES = 64
_HALF = 32


def fill_lanes(lanes, value):
    """Set all 64 lanes."""
    for lane in range(_LANES):
        lanes[lane] = value


# ---- sum of floats


def fold_sum(lanes):
    """The sum of 64 lanes, in halves; the lanes are overwritten."""
    width = _HALF
    while width > 0:
        for lane in range(width):
            lanes[lane] = lanes[lane] + lanes[lane + width]
        width >>= 1
    return lanes[0]


def push_sum(stack, count, value):
    """Put chunk value number `count` on the stack, merging equal levels."""
    level = 0
    while count & 1:
        value = stack[level] + value
        count >>= 1
        level += 1
    stack[level] = value


def join_sum(stack, count):
    """The value of `count` (at least 1) pushed chunks."""
    level = 0
    while not count & 1:
        count >>= 1
        level += 1
    value = stack[level]
    count >>= 1
    while count > 0:
        level += 1
        if count & 1:
            value = stack[level] + value
        count >>= 1
    return value


def _sum_chunk(p, n):
    lanes = lanes_of(p)
    fill_lanes(lanes, zero_of(p))
    whole = n & ~63
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = lanes[lane] + p[start + lane]
    for lane in range(n - whole):
        lanes[lane] = lanes[lane] + p[whole + lane]
    return fold_sum(lanes)


def _sum(p, n):
    if n <= CHUNK:
        return _sum_chunk(p, n)
    stack = lanes_of(p)
    chunks = (n + CHUNK - 1) // CHUNK
    for chunk in range(chunks):
        start = chunk * CHUNK
        push_sum(stack, chunk, _sum_chunk(at(p, start), min(n - start, CHUNK)))
    return join_sum(stack, chunks)


def _pairwise_sum(p, n):
    if n == 0:
        return zero_of(p)
    stack = lanes_of(p)
    for i in range(n):
        push_sum(stack, i, p[i])
    return join_sum(stack, n)


# ---- product of floats


def fold_prod(lanes):
    """The product of 64 lanes, in halves; the lanes are overwritten."""
    width = _HALF
    while width > 0:
        for lane in range(width):
            lanes[lane] = lanes[lane] * lanes[lane + width]
        width >>= 1
    return lanes[0]


def push_prod(stack, count, value):
    """Put chunk value number `count` on the stack, merging equal levels."""
    level = 0
    while count & 1:
        value = stack[level] * value
        count >>= 1
        level += 1
    stack[level] = value


def join_prod(stack, count):
    """The value of `count` (at least 1) pushed chunks."""
    level = 0
    while not count & 1:
        count >>= 1
        level += 1
    value = stack[level]
    count >>= 1
    while count > 0:
        level += 1
        if count & 1:
            value = stack[level] * value
        count >>= 1
    return value


def _prod_chunk(p, n):
    lanes = lanes_of(p)
    fill_lanes(lanes, one_of(p))
    whole = n & ~63
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = lanes[lane] * p[start + lane]
    for lane in range(n - whole):
        lanes[lane] = lanes[lane] * p[whole + lane]
    return fold_prod(lanes)


def _prod(p, n):
    if n <= CHUNK:
        return _prod_chunk(p, n)
    stack = lanes_of(p)
    chunks = (n + CHUNK - 1) // CHUNK
    for chunk in range(chunks):
        start = chunk * CHUNK
        push_prod(stack, chunk, _prod_chunk(at(p, start), min(n - start, CHUNK)))
    return join_prod(stack, chunks)


def _pairwise_prod(p, n):
    if n == 0:
        return one_of(p)
    stack = lanes_of(p)
    for i in range(n):
        push_prod(stack, i, p[i])
    return join_prod(stack, n)


# ---- integer sums and products


def _sum_int(p, n):
    total = np.int64(0)
    for i in range(n):
        total = np.int64(total + np.int64(p[i]))
    return total


def _prod_int(p, n):
    total = np.int64(1)
    for i in range(n):
        total = np.int64(total * np.int64(p[i]))
    return total


# ---- max and min: any order gives the same (NaN propagates, +0 > -0), lanes are for speed


def fold_max(lanes):
    """The maximum of 64 lanes; the lanes are overwritten."""
    width = _HALF
    while width > 0:
        for lane in range(width):
            lanes[lane] = maximum(lanes[lane], lanes[lane + width])
        width >>= 1
    return lanes[0]


def fold_min(lanes):
    """The minimum of 64 lanes; the lanes are overwritten."""
    width = _HALF
    while width > 0:
        for lane in range(width):
            lanes[lane] = minimum(lanes[lane], lanes[lane + width])
        width >>= 1
    return lanes[0]


def _max(p, n):
    lanes = lanes_of(p)
    fill_lanes(lanes, lowest_of(p))
    whole = n & ~63
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = maximum(lanes[lane], p[start + lane])
    for lane in range(n - whole):
        lanes[lane] = maximum(lanes[lane], p[whole + lane])
    return fold_max(lanes)


def _min(p, n):
    lanes = lanes_of(p)
    fill_lanes(lanes, highest_of(p))
    whole = n & ~63
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = minimum(lanes[lane], p[start + lane])
    for lane in range(n - whole):
        lanes[lane] = minimum(lanes[lane], p[whole + lane])
    return fold_min(lanes)


# ---- positions: the first of equals; the first NaN if there is one


def _find(p, n, value):
    """The first index whose element equals value (is NaN if value is NaN); -1 if none."""
    if value != value:
        for i in range(n):
            if p[i] != p[i]:
                return i
        return -1
    for i in range(n):
        if p[i] == value:
            return i
    return -1


def _argmax(p, n):
    if n <= CHUNK:
        return _find(p, n, _max(p, n))
    best, start = _max(p, CHUNK), 0
    for chunk in range(CHUNK, n, CHUNK):
        value = _max(at(p, chunk), min(n - chunk, CHUNK))
        if value > best or (value != value and best == best):
            best, start = value, chunk
    return start + _find(at(p, start), min(n - start, CHUNK), best)


def _argmin(p, n):
    if n <= CHUNK:
        return _find(p, n, _min(p, n))
    best, start = _min(p, CHUNK), 0
    for chunk in range(CHUNK, n, CHUNK):
        value = _min(at(p, chunk), min(n - chunk, CHUNK))
        if value < best or (value != value and best == best):
            best, start = value, chunk
    return start + _find(at(p, start), min(n - start, CHUNK), best)


def _pairwise_argmax(values, indices, n):
    """The index that belongs to the largest of n chunk values, the chunks in order."""
    return indices[_argmax(values, n)]


def _pairwise_argmin(values, indices, n):
    """The index that belongs to the smallest of n chunk values, the chunks in order."""
    return indices[_argmin(values, n)]


# ---- truth


def _any(p, n):
    found = np.uint8(0)
    for i in range(n):
        found = np.uint8(found | np.uint8(p[i] != 0))
    return found


def _all(p, n):
    found = np.uint8(1)
    for i in range(n):
        found = np.uint8(found & np.uint8(p[i] != 0))
    return found


sum_f32 = sum_f64 = _sum
sum_chunk_f32 = sum_chunk_f64 = _sum_chunk
pairwise_sum_f32 = pairwise_sum_f64 = _pairwise_sum
prod_f32 = prod_f64 = _prod
prod_chunk_f32 = prod_chunk_f64 = _prod_chunk
pairwise_prod_f32 = pairwise_prod_f64 = _pairwise_prod
sum_i8 = sum_i16 = sum_i32 = sum_i64 = sum_u8 = sum_b1 = _sum_int
sum_chunk_i8 = sum_chunk_i16 = sum_chunk_i32 = sum_chunk_i64 = _sum_int
sum_chunk_u8 = sum_chunk_b1 = pairwise_sum_i64 = _sum_int
prod_i8 = prod_i16 = prod_i32 = prod_i64 = prod_u8 = prod_b1 = _prod_int
prod_chunk_i8 = prod_chunk_i16 = prod_chunk_i32 = prod_chunk_i64 = _prod_int
prod_chunk_u8 = prod_chunk_b1 = pairwise_prod_i64 = _prod_int

max_f32 = max_f64 = max_i8 = max_i16 = max_i32 = max_i64 = max_u8 = max_b1 = _max
max_chunk_f32 = max_chunk_f64 = max_chunk_i8 = max_chunk_i16 = max_chunk_i32 = _max
max_chunk_i64 = max_chunk_u8 = max_chunk_b1 = _max
pairwise_max_f32 = pairwise_max_f64 = pairwise_max_i8 = pairwise_max_i16 = pairwise_max_i32 = _max
pairwise_max_i64 = pairwise_max_u8 = pairwise_max_b1 = _max
min_f32 = min_f64 = min_i8 = min_i16 = min_i32 = min_i64 = min_u8 = min_b1 = _min
min_chunk_f32 = min_chunk_f64 = min_chunk_i8 = min_chunk_i16 = min_chunk_i32 = _min
min_chunk_i64 = min_chunk_u8 = min_chunk_b1 = _min
pairwise_min_f32 = pairwise_min_f64 = pairwise_min_i8 = pairwise_min_i16 = pairwise_min_i32 = _min
pairwise_min_i64 = pairwise_min_u8 = pairwise_min_b1 = _min

argmax_f32 = argmax_f64 = argmax_i8 = argmax_i16 = argmax_i32 = argmax_i64 = argmax_u8 = _argmax
argmin_f32 = argmin_f64 = argmin_i8 = argmin_i16 = argmin_i32 = argmin_i64 = argmin_u8 = _argmin
argmax_chunk_f32 = argmax_chunk_f64 = argmax_chunk_i8 = argmax_chunk_i16 = _argmax
argmax_chunk_i32 = argmax_chunk_i64 = argmax_chunk_u8 = argmax_chunk_b1 = argmax_b1 = _argmax
argmin_chunk_f32 = argmin_chunk_f64 = argmin_chunk_i8 = argmin_chunk_i16 = _argmin
argmin_chunk_i32 = argmin_chunk_i64 = argmin_chunk_u8 = argmin_chunk_b1 = argmin_b1 = _argmin
pairwise_argmax_f32 = pairwise_argmax_f64 = pairwise_argmax_i8 = pairwise_argmax_i16 = (
    _pairwise_argmax
)
pairwise_argmax_i32 = pairwise_argmax_i64 = pairwise_argmax_u8 = pairwise_argmax_b1 = (
    _pairwise_argmax
)
pairwise_argmin_f32 = pairwise_argmin_f64 = pairwise_argmin_i8 = pairwise_argmin_i16 = (
    _pairwise_argmin
)
pairwise_argmin_i32 = pairwise_argmin_i64 = pairwise_argmin_u8 = pairwise_argmin_b1 = (
    _pairwise_argmin
)

any_f32 = any_f64 = any_i8 = any_i16 = any_i32 = any_i64 = any_u8 = any_b1 = _any
all_f32 = all_f64 = all_i8 = all_i16 = all_i32 = all_i64 = all_u8 = all_b1 = _all
any_chunk_b1 = pairwise_any_b1 = _any
all_chunk_b1 = pairwise_all_b1 = _all

"""Reductions over the threads of a CUDA block: by shuffles in a warp, through memory between warps.

A team is a warp, or a whole block of several. `team_<op>_<s>(x, team)` combines one x of each
thread of a team, by lane numbers that differ in one bit after another, then warp after warp; all
threads get the result. `block_<op>_<s>(p, n)` reduces a run in memory by all threads of a block;
`lines_<op>_<s>(x, width)` combines the x of threads whose numbers agree modulo `width`. The bits
depend on team, width and block size, which follow from the shape, never on how many blocks there
are. `team_memory` is a team's own scratch, `report` notes a failed check. May import: NumPy,
`numba.cuda`, `device`, `intrinsics`.
"""

import numpy as np
from numba import cuda

from .device import (
    block_slots,
    claim,
    dynamic_shared,
    index_slots,
    over,
    present,
    shuffle_xor,
    slots_like,
    strides,
)
from .intrinsics import at, highest_of, like, lowest_of, maximum, minimum, one_of, zero_of

_NOWHERE, _NO, _YES = np.int64(-1), np.int32(0), np.int32(1)


def report(error, check, value):
    """Note which check failed on which value: the first failure of a launch stays."""
    if claim(error):
        error[1] = np.int64(check)
        error[3] = value


def team_memory(scratch, per_team, team):
    """The bytes of this thread's team: shared memory where `scratch` is null."""
    slot = over(cuda.threadIdx.x, team)
    if present(scratch):
        block = cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x
        return at(scratch, (block * over(cuda.blockDim.x, team) + slot) * per_team)
    return at(dynamic_shared(), slot * per_team)


# ---- two values become one


def add(a, b):
    """a + b."""
    return a + b


def multiply(a, b):
    """a * b."""
    return a * b


def larger(a, b):
    """The larger one; NaN wins."""
    return maximum(a, b)


def smaller(a, b):
    """The smaller one; NaN wins."""
    return minimum(a, b)


# ---- one value of each thread


def _share(slots, x):
    """Write the x of each warp's first thread to shared memory."""
    if cuda.threadIdx.x % 32 == 0:
        slots[cuda.threadIdx.x // 32] = x
    cuda.syncthreads()


def _team(x, team, merge):
    """All x of a team as one; every thread of it gets the result."""
    for step in range(5):
        x = merge(x, shuffle_xor(x, 16 >> step))
    if team > 32:
        slots = slots_like(x)
        _share(slots, x)
        x = like(slots[0], x)
        for warp in range(1, team // 32):
            x = merge(x, like(slots[warp], x))
        cuda.syncthreads()
    return x


def _lines(x, width, merge):
    """All x of threads whose numbers agree modulo `width`, as one."""
    slots, me = block_slots(x), cuda.threadIdx.x
    slots[me] = x
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step >= width:
        if me < step:
            slots[me] = merge(like(slots[me], x), like(slots[me + step], x))
        cuda.syncthreads()
        step = step // 2
    total = like(slots[me & (width - 1)], x)
    cuda.syncthreads()
    return total


def _team_sum(x, team):
    return _team(x, team, add)


def _team_prod(x, team):
    return _team(x, team, multiply)


def _team_max(x, team):
    return _team(x, team, larger)


def _team_min(x, team):
    return _team(x, team, smaller)


def _team_any(x, team):
    return _team(np.int32(x), team, larger) != _NO


def _team_all(x, team):
    return _team(np.int32(x), team, smaller) != _NO


def _lines_sum(x, width):
    return _lines(x, width, add)


def _lines_prod(x, width):
    return _lines(x, width, multiply)


def _lines_max(x, width):
    return _lines(x, width, larger)


def _lines_min(x, width):
    return _lines(x, width, smaller)


# ---- positions: the first of equals; the first NaN if there is one


def leads_max(value, best):
    """Whether a value that comes later takes the place of the largest so far."""
    return value > best or (value != value and best == best)


def leads_min(value, best):
    """Whether a value that comes later takes the place of the smallest so far."""
    return value < best or (value != value and best == best)


def _goes_first(value, place, best, best_place, leads):
    """Whether (value, place) is to be taken; a negative place holds no value."""
    if place < 0 or best_place < 0:
        return place >= 0
    same = value == best or (value != value and best != best)
    return leads(value, best) or (same and place < best_place)


def _team_position(best, place, team, leads):
    for step in range(5):
        value, other = shuffle_xor(best, 16 >> step), shuffle_xor(place, 16 >> step)
        if _goes_first(value, other, best, place, leads):
            best, place = value, other
    if team > 32:
        values, places = slots_like(best), index_slots()
        _share(values, best)
        _share(places, place)
        place = _NOWHERE
        for warp in range(team // 32):
            value, other = like(values[warp], best), places[warp]
            if _goes_first(value, other, best, place, leads):
                best, place = value, other
        cuda.syncthreads()
    return place


def _team_argmax(best, place, team):
    return _team_position(best, place, team, leads_max)


def _team_argmin(best, place, team):
    return _team_position(best, place, team, leads_min)


# ---- a run in memory, by the whole block


def _block(p, n, x, merge):
    for i in strides(cuda.threadIdx.x, n, cuda.blockDim.x):
        x = merge(x, like(p[i], x))
    return _team(x, cuda.blockDim.x, merge)


def _block_sum(p, n):
    return _block(p, n, zero_of(p), add)


def _block_sum_int(p, n):
    return _block(p, n, np.int64(0), add)


def _block_prod(p, n):
    return _block(p, n, one_of(p), multiply)


def _block_prod_int(p, n):
    return _block(p, n, np.int64(1), multiply)


def _block_max(p, n):
    return _block(p, n, lowest_of(p), larger)


def _block_min(p, n):
    return _block(p, n, highest_of(p), smaller)


def _block_any(p, n):
    x = _NO
    for i in strides(cuda.threadIdx.x, n, cuda.blockDim.x):
        x = np.int32(x | np.int32(p[i] != 0))
    return _team_any(x, cuda.blockDim.x)


def _block_all(p, n):
    x = _YES
    for i in strides(cuda.threadIdx.x, n, cuda.blockDim.x):
        x = np.int32(x & np.int32(p[i] != 0))
    return _team_all(x, cuda.blockDim.x)


team_sum_f32 = team_sum_f64 = team_sum_i64 = _team_sum
team_prod_f32 = team_prod_f64 = team_prod_i64 = _team_prod
team_max_f32 = team_max_f64 = team_max_i8 = team_max_i16 = team_max_i32 = _team_max
team_max_i64 = team_max_u8 = _team_max
team_min_f32 = team_min_f64 = team_min_i8 = team_min_i16 = team_min_i32 = _team_min
team_min_i64 = team_min_u8 = _team_min
team_any_b1 = team_max_b1 = _team_any
team_all_b1 = team_min_b1 = _team_all
team_argmax_f32 = team_argmax_f64 = team_argmax_i8 = team_argmax_i16 = _team_argmax
team_argmax_i32 = team_argmax_i64 = team_argmax_u8 = team_argmax_b1 = _team_argmax
team_argmin_f32 = team_argmin_f64 = team_argmin_i8 = team_argmin_i16 = _team_argmin
team_argmin_i32 = team_argmin_i64 = team_argmin_u8 = team_argmin_b1 = _team_argmin

block_sum_f32 = block_sum_f64 = _block_sum
block_sum_i8 = block_sum_i16 = block_sum_i32 = block_sum_i64 = _block_sum_int
block_sum_u8 = block_sum_b1 = _block_sum_int
block_prod_f32 = block_prod_f64 = _block_prod
block_prod_i8 = block_prod_i16 = block_prod_i32 = block_prod_i64 = _block_prod_int
block_prod_u8 = block_prod_b1 = _block_prod_int
block_max_f32 = block_max_f64 = block_max_i8 = block_max_i16 = block_max_i32 = _block_max
block_max_i64 = block_max_u8 = _block_max
block_min_f32 = block_min_f64 = block_min_i8 = block_min_i16 = block_min_i32 = _block_min
block_min_i64 = block_min_u8 = _block_min
block_any_f32 = block_any_f64 = block_any_i8 = block_any_i16 = block_any_i32 = _block_any
block_any_i64 = block_any_u8 = block_any_b1 = block_max_b1 = _block_any
block_all_f32 = block_all_f64 = block_all_i8 = block_all_i16 = block_all_i32 = _block_all
block_all_i64 = block_all_u8 = block_all_b1 = block_min_b1 = _block_all

lines_sum_f32 = lines_sum_f64 = lines_sum_i64 = _lines_sum
lines_prod_f32 = lines_prod_f64 = lines_prod_i64 = _lines_prod
lines_max_f32 = lines_max_f64 = lines_max_i8 = lines_max_i16 = lines_max_i32 = _lines_max
lines_max_i64 = lines_max_u8 = lines_max_b1 = lines_any_b1 = _lines_max
lines_min_f32 = lines_min_f64 = lines_min_i8 = lines_min_i16 = lines_min_i32 = _lines_min
lines_min_i64 = lines_min_u8 = lines_min_b1 = lines_all_b1 = _lines_min

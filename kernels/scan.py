"""Running sums, products and extrema along one run, one element after the other.

Entry functions: `cumsum_<s>(x, n, sx, out, so)`: n elements of x with stride sx to out with stride
so; integers accumulate in the type of out. `cummax_<s>` and `cummin_<s>` also write the position
of the last largest (smallest) element so far; a NaN stays. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import like, one_of, zero_of


def _cumsum(x, n, sx, out, so):
    total = zero_of(out)
    for i in range(n):
        total = like(total + like(x[i * sx], total), total)
        out[i * so] = total


def _cumprod(x, n, sx, out, so):
    total = one_of(out)
    for i in range(n):
        total = like(total * like(x[i * sx], total), total)
        out[i * so] = total


def _cummax(x, n, sx, out, so, index, si):
    best, where = x[0], 0
    for i in range(n):
        value = x[i * sx]
        if value != value or value >= best:
            best, where = value, i
        out[i * so] = best
        index[i * si] = np.int64(where)


def _cummin(x, n, sx, out, so, index, si):
    best, where = x[0], 0
    for i in range(n):
        value = x[i * sx]
        if value != value or value <= best:
            best, where = value, i
        out[i * so] = best
        index[i * si] = np.int64(where)


cumsum_f32 = cumsum_f64 = cumsum_i8 = cumsum_i16 = cumsum_i32 = cumsum_i64 = _cumsum
cumsum_u8 = cumsum_b1 = _cumsum
cumprod_f32 = cumprod_f64 = cumprod_i8 = cumprod_i16 = cumprod_i32 = cumprod_i64 = _cumprod
cumprod_u8 = cumprod_b1 = _cumprod
cummax_f32 = cummax_f64 = cummax_i8 = cummax_i16 = cummax_i32 = cummax_i64 = _cummax
cummax_u8 = cummax_b1 = _cummax
cummin_f32 = cummin_f64 = cummin_i8 = cummin_i16 = cummin_i32 = cummin_i64 = _cummin
cummin_u8 = cummin_b1 = _cummin

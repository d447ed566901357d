"""Running sums and products along one run, one element after the other.

Entry functions: `cumsum_<s>(x, n, sx, out, so)`: n elements of x with stride sx to out with stride
so; `cumprod_<s>` likewise. Integers accumulate in the type of out. May import: `intrinsics`.
"""

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


cumsum_f32 = cumsum_f64 = cumsum_i8 = cumsum_i16 = cumsum_i32 = cumsum_i64 = _cumsum
cumsum_u8 = cumsum_b1 = _cumsum
cumprod_f32 = cumprod_f64 = cumprod_i8 = cumprod_i16 = cumprod_i32 = cumprod_i64 = _cumprod
cumprod_u8 = cumprod_b1 = _cumprod

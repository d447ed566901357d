"""The machine operations that kernels are written in, as Python twins on NumPy scalars.

Entry functions: all of them; `intrinsics_llvm` defines the same names for compiled code. Functions
without a dtype suffix take any dtype; the suffixed names are aliases for readers and for the
source writer. May import: NumPy and ctypes.
"""

import ctypes
import sys

import numpy as np

LANES = 64
AHEAD = 128  # elements that a prefetch asks for
DTYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "b1": np.uint8,
}

_libm = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
_fmaf, _fma = _libm.fmaf, _libm.fma
_fmaf.restype, _fmaf.argtypes = ctypes.c_float, (ctypes.c_float,) * 3
_fma.restype, _fma.argtypes = ctypes.c_double, (ctypes.c_double,) * 3


# ---- floats


def fma_f32(a, b, c):
    """a * b + c, rounded once."""
    return np.float32(_fmaf(a, b, c))


def fma_f64(a, b, c):
    """a * b + c, rounded once."""
    return np.float64(_fma(a, b, c))


def horner(x, coefficients):
    """The polynomial with these coefficients, the highest first, one fma a step."""
    fma = fma_f32 if isinstance(x, np.float32) else fma_f64
    value = coefficients[0]
    for c in coefficients[1:]:
        value = fma(value, x, c)
    return value


def absolute(x):
    """Clear the sign bit."""
    return type(x)(np.fabs(x))


def copysign(x, sign):
    """The magnitude of x with the sign bit of `sign`."""
    return type(x)(np.copysign(x, sign))


def sqrt(x):
    """Square root, correctly rounded."""
    return type(x)(np.sqrt(x))


def floor(x):
    """The largest integral value <= x."""
    return type(x)(np.floor(x))


def ceil(x):
    """The smallest integral value >= x."""
    return type(x)(np.ceil(x))


def trunc(x):
    """The integral part of x."""
    return type(x)(np.trunc(x))


def rint(x):
    """The nearest integral value, ties to even."""
    return type(x)(np.rint(x))


def fmod(x, y):
    """x minus the integral multiple of y towards zero, exact; the sign of x."""
    return type(x)(np.fmod(x, y))


fmod_f32 = fmod_f64 = fmod
sqrt_f32 = sqrt_f64 = sqrt
floor_f32 = floor_f64 = floor
ceil_f32 = ceil_f64 = ceil
trunc_f32 = trunc_f64 = trunc
rint_f32 = rint_f64 = rint
abs_f32 = abs_f64 = absolute
copysign_f32 = copysign_f64 = copysign


# ---- choice


def maximum(a, b):
    """The larger one; NaN wins; +0 is larger than -0."""
    if a != a or b != b:
        return a if a != a else b
    if a == b:
        return b if np.signbit(a) else a
    return a if a > b else b


def minimum(a, b):
    """The smaller one; NaN wins; -0 is smaller than +0."""
    if a != a or b != b:
        return a if a != a else b
    if a == b:
        return a if np.signbit(a) else b
    return a if a < b else b


def select(condition, a, b):
    """a where the condition holds, else b; both are computed. a and b have one dtype."""
    return a if condition else b


max_f32 = max_f64 = max_i8 = max_i16 = max_i32 = max_i64 = max_u8 = max_b1 = maximum
min_f32 = min_f64 = min_i8 = min_i16 = min_i32 = min_i64 = min_u8 = min_b1 = minimum
select_f32 = select_f64 = select_i8 = select_i16 = select_i32 = select_i64 = select
select_u8 = select_b1 = select


# ---- bit views


def bits_f32(i):
    """The float32 with the bits of this int32."""
    return np.int32(i).view(np.float32)


def int_f32(x):
    """The bits of a float32 as int32."""
    return np.float32(x).view(np.int32)


def bits_f64(i):
    """The float64 with the bits of this int64."""
    return np.int64(i).view(np.float64)


def int_f64(x):
    """The bits of a float64 as int64."""
    return np.float64(x).view(np.int64)


# ---- casts: float to integer truncates; out of range the value is unspecified but nothing traps


def cast_f32(x):
    """x as float32."""
    return np.float32(x)


def cast_f64(x):
    """x as float64."""
    return np.float64(x)


def _narrow(x, dtype):
    """Integers wrap; a float goes through int32 (int64 for int64) as the hardware does."""
    if isinstance(x, np.floating):
        x = np.int64(x) if dtype is np.int64 else np.int32(x)
    return dtype(x)


def cast_i8(x):
    """x as int8."""
    return _narrow(x, np.int8)


def cast_i16(x):
    """x as int16."""
    return _narrow(x, np.int16)


def cast_i32(x):
    """x as int32."""
    return _narrow(x, np.int32)


def cast_i64(x):
    """x as int64."""
    return _narrow(x, np.int64)


def cast_u8(x):
    """x as uint8."""
    return _narrow(x, np.uint8)


def like(x, example):
    """x cast to the dtype of `example`; integers wrap."""
    return type(example)(x)


def cast_b1(x):
    """1 where x is not zero (NaN is not), else 0, as uint8."""
    return np.uint8(x != 0)


# ---- tables


class Table:
    """Numbers of one NumPy dtype, made at module level, that `lookup` reads."""

    def __init__(self, values):
        self.values = tuple(values)


def lookup(table, i):
    """Number i of a Table; i must be in range."""
    return table.values[i]


# ---- pointers: in Python a pointer is a flat array


def at(p, i):
    """The pointer p moved by i elements."""
    return p[i:]


def prefetch(p, i):
    """Ask for the cache lines of the AHEAD elements from i on; they need not exist."""


def prefetch_out(p, i):
    """The same for elements that are going to be written."""


def zero_of(p):
    """0 in the element type of p."""
    return p.dtype.type(0)


def one_of(p):
    """1 in the element type of p."""
    return p.dtype.type(1)


def lowest_of(p):
    """The identity of max in the element type of p: -inf or the smallest integer."""
    return p.dtype.type(-np.inf if p.dtype.kind == "f" else np.iinfo(p.dtype).min)


def highest_of(p):
    """The identity of min in the element type of p: inf or the largest integer."""
    return p.dtype.type(np.inf if p.dtype.kind == "f" else np.iinfo(p.dtype).max)


def lanes_of(p):
    """64 elements of p's type on the stack, 64-byte aligned, not initialised."""
    return np.zeros(LANES, p.dtype)


def lanes_f32():
    """64 float32 on the stack, 64-byte aligned, not initialised."""
    return np.zeros(LANES, np.float32)


def lanes_f64():
    """64 float64 on the stack, 64-byte aligned, not initialised."""
    return np.zeros(LANES, np.float64)


def lanes_i32():
    """64 int32 on the stack, 64-byte aligned, not initialised."""
    return np.zeros(LANES, np.int32)


def _view(scratch, offset, dtype):
    rest = scratch[offset:]
    return rest[: rest.size // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize].view(dtype)


def view_f32(scratch, offset):
    """The bytes of scratch from offset on, as float32."""
    return _view(scratch, offset, np.float32)


def view_f64(scratch, offset):
    """The bytes of scratch from offset on, as float64."""
    return _view(scratch, offset, np.float64)


def view_i8(scratch, offset):
    """The bytes of scratch from offset on, as int8."""
    return _view(scratch, offset, np.int8)


def view_i16(scratch, offset):
    """The bytes of scratch from offset on, as int16."""
    return _view(scratch, offset, np.int16)


def view_i32(scratch, offset):
    """The bytes of scratch from offset on, as int32."""
    return _view(scratch, offset, np.int32)


def view_i64(scratch, offset):
    """The bytes of scratch from offset on, as int64."""
    return _view(scratch, offset, np.int64)


def view_u8(scratch, offset):
    """The bytes of scratch from offset on."""
    return scratch[offset:]


view_b1 = view_u8


def apart_f32(scratch, offset, number):
    """The same as view_f32, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.float32)


def apart_f64(scratch, offset, number):
    """The same as view_f64, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.float64)


def apart_i8(scratch, offset, number):
    """The same as view_i8, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.int8)


def apart_i16(scratch, offset, number):
    """The same as view_i16, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.int16)


def apart_i32(scratch, offset, number):
    """The same as view_i32, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.int32)


def apart_i64(scratch, offset, number):
    """The same as view_i64, of bytes that no view of another literal number touches."""
    return _view(scratch, offset, np.int64)


def apart_u8(scratch, offset, number):
    """The same as view_u8, of bytes that no view of another literal number touches."""
    return scratch[offset:]


apart_b1 = apart_u8

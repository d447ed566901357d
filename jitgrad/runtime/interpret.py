"""JITGRAD_JIT=0: a kernel's source run as the Python it is, over the memory of compiled code.

`execute(kernel)` runs the source text; `call(...)` does what the native driver does for one chunk.
A pointer parameter becomes a `Ptr`: it may be moved below its start, and an index outside its
buffer raises. Imports `pool` to find the buffer behind an address.
"""

import ctypes
import linecache

import numpy as np

ERROR_BYTES = 64  # the error slot, int64[4], right before a thread's scratch
DTYPES: dict[str, np.dtype] = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "u8": np.dtype(np.uint8),
    "b1": np.dtype(np.uint8),
}


class Ptr:
    """A typed pointer into one buffer: `p[i]`, `p[i] = v`, `p[i:]` moves it, also backwards."""

    __slots__ = ("address", "dtype", "high", "low")

    def __init__(self, address, dtype, low, high):
        self.address = address
        self.dtype = dtype
        self.low = low
        self.high = high

    def __getitem__(self, index):
        if isinstance(index, slice):
            if index.stop is not None or index.step is not None:
                raise NotImplementedError("a pointer can be moved (p[i:]), not cut")
            at = self.address + int(index.start) * self.dtype.itemsize
            return Ptr(at, self.dtype, self.low, self.high)
        return self._element(index)[()]

    def __setitem__(self, index, value):
        self._element(index)[()] = value

    def _element(self, index):
        at = self.address + int(index) * self.dtype.itemsize
        if at < self.low or at + self.dtype.itemsize > self.high:
            raise IndexError(f"element {index} of a kernel's pointer lies outside its buffer")
        return np.ndarray((), self.dtype, (ctypes.c_byte * self.dtype.itemsize).from_address(at))


def execute(kernel, module="kernel"):
    """The namespace of `kernel.source`, with its lines known to tracebacks and debuggers."""
    name = f"<{kernel.name}>"
    linecache.cache[name] = len(kernel.source), None, kernel.source.splitlines(True), name
    namespace = {"__name__": module}
    exec(compile(kernel.source, name, "exec"), namespace)
    return namespace


def call(function, block, low, high, scratch, error):
    """Run a Function on the argument block at address `block` for units [low, high): its code."""
    from .pool import extent

    count = 1 + len(function.params)
    words = np.ctypeslib.as_array((ctypes.c_int64 * count).from_address(block))
    values = []
    for at, (_, kind, *_) in enumerate(function.params, 1):
        if kind.endswith("*"):
            address = int(words[at])
            values.append(Ptr(address, DTYPES[kind[:-1]], *extent(address)))
        else:
            values.append(words[at : at + 1].view(DTYPES[kind])[0])
    with np.errstate(all="ignore"):
        return int(function.python(error, *values, low, high, scratch))

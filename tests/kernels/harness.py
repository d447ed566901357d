"""Calls kernels/ functions as generated kernels do: built by the runtime, or as plain Python.

`elementwise(name, suffix)` and `compiled(source, params)` give callables on NumPy arrays.
"""

import ctypes
import dataclasses
import functools
import importlib

import numpy as np

from jitgrad.runtime import build, interpret

DTYPES = interpret.DTYPES
_SCRATCH = 1 << 16
# max_f32 is the run's in `reduce` and the scalar one in `intrinsics`
_MODULES = "math math64 arith reduce random scan sort intrinsics".split()


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What `build.get` asks of a kernel."""

    name: str
    source: str
    params: tuple


def module_of(name):
    """The first module of kernels/ that has `name`."""
    for module in _MODULES:
        if hasattr(importlib.import_module(f"jitgrad.kernels.{module}"), name):
            return module
    raise LookupError(name)


def twin(name):
    """The plain Python function, warnings of NumPy scalars off."""
    function = getattr(importlib.import_module(f"jitgrad.kernels.{module_of(name)}"), name)

    @functools.wraps(function)
    def call(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return call


@functools.cache
def _kernel(body, names, params):
    """`names`: functions to import; `body`: statements; `params`: (name, type) as in the ABI."""
    lines = ["import numpy as np", ""]
    lines += [f"from jitgrad.kernels.{module_of(name)} import {name}" for name in names]
    arguments = "".join(f"{name}, " for name, _ in params)
    lines += ["", "", f"def run(error, {arguments}lo, hi, scratch):"]
    lines += ["    " + line for line in body.splitlines()] + ["    return np.int32(0)", ""]
    return build.get(Kernel("run", "\n".join(lines), params))


def compiled(body, names, params):
    """A callable (*arguments, n): arrays for pointers, numbers for values; units are 0..n."""
    function = _kernel(body, tuple(names), tuple(params))
    entry = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )(function.address)

    def call(*arguments):
        *values, n = arguments
        block = np.zeros(1 + len(values), np.int64)
        for at, (value, (_, kind)) in enumerate(zip(values, params, strict=True), 1):
            if kind.endswith("*"):
                assert value.dtype == DTYPES[kind[:-1]] and value.flags.c_contiguous
                block[at] = value.ctypes.data
            else:
                block[at : at + 1].view(DTYPES[kind])[0] = value
        memory = np.zeros(_SCRATCH, np.uint8)
        scratch = memory.ctypes.data + interpret.ERROR_BYTES + 63 & ~63
        assert entry(block.ctypes.data, 0, n, scratch) == 0

    call.function = function
    return call


def elementwise(name, suffix, inputs=1, out=None):
    """`name` over whole arrays: (x) or (x, y) -> new array of dtype `out` (default: the same)."""
    x = ["x", "y"][:inputs]
    params = [(n, f"{suffix}*") for n in x] + [("o", f"{out or suffix}*")]
    text = f"{name}({', '.join(n + '[i]' for n in x)})"
    loop = f"for i in range(lo, hi):\n    o[i] = {f'np.uint8({text})' if out == 'b1' else text}"
    run = compiled(loop, [name], params)

    def call(*arrays):
        result = np.empty(arrays[0].shape, DTYPES[out or suffix])
        run(*arrays, result, result.size)
        return result

    call.function = run.function
    return call


def same(a, b):
    """Whether two arrays hold the same bits, any NaN equal to any other."""
    a, b = np.asarray(a), np.asarray(b)
    equal = (a == b) & (np.signbit(a) == np.signbit(b)) if a.dtype.kind == "f" else a == b
    return a.dtype == b.dtype and bool(np.all(equal | ((a != a) & (b != b))))

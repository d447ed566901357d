"""Which file of `kernels/` defines a function; how element types and constants are spelt in source.

Entry: `module_of`, `literal`. Imports: kernels, ir.
"""

from __future__ import annotations

import importlib
from functools import cache

from jitgrad.ir.dtype import DType

_MODULES = (
    "intrinsics", "errors", "math", "math64", "arith", "reduce", "scan", "sort",
    "gemm", "columns", "random",
)  # fmt: skip

# Functions for a CUDA device by what their names start with: their modules need Numba to import.
_DEVICE = {
    "private": "device", "pointer": "device", "strides": "device", "over": "device",
    "fetch": "wide", "spill": "wide", "team": "teams", "block": "teams", "lines": "teams",
    "leads": "teams", "report": "teams",
}  # fmt: skip

NUMPY = {
    "f32": "np.float32", "f64": "np.float64", "i8": "np.int8", "i16": "np.int16",
    "i32": "np.int32", "i64": "np.int64", "u8": "np.uint8", "b1": "bool",
}  # fmt: skip


@cache
def module_of(function: str) -> str:
    """The module of `kernels/` that defines `function`."""
    device = _DEVICE.get(function.partition("_")[0])
    if device is not None:
        return device
    for name in _MODULES:
        if hasattr(importlib.import_module(f"jitgrad.kernels.{name}"), function):
            return name
    raise LookupError(f"no kernel function {function!r}")


def literal(value: float, dtype: DType) -> str:
    """A constant as the source has it: typed."""
    if dtype.kind == "b":
        return repr(bool(value))
    if dtype.kind == "f":
        number = float(value)
        text = {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}.get(repr(number), repr(number))
        return f"{NUMPY[dtype.suffix]}({text})"
    return f"{NUMPY[dtype.suffix]}({int(value)})"

"""Element types and PyTorch's promotion rules, decided once, at record time.

Entry: `result_type`. Imports NumPy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class DType:
    """An element type; compared by identity."""

    __slots__ = ("itemsize", "kind", "name", "np", "rank", "suffix")

    def __init__(self, name: str, suffix: str, kind: str, rank: int, np_type: Any) -> None:
        self.name = name
        self.suffix = suffix  # of kernel functions: f32, i64, b1
        self.kind = kind  # "b" bool, "u" unsigned, "i" signed, "f" floating
        self.rank = rank  # order inside its kind
        self.np = np.dtype(np_type)
        self.itemsize = self.np.itemsize

    def __repr__(self) -> str:
        return "jitgrad." + self.name

    def __reduce__(self) -> str:
        return self.name if self.name != "bool" else "bool_"

    @property
    def is_floating_point(self) -> bool:
        """Whether the elements are floating point numbers."""
        return self.kind == "f"

    @property
    def is_signed(self) -> bool:
        """Whether the elements can be negative."""
        return self.kind in "if"

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers (no such type yet)."""
        return False


bool_ = DType("bool", "b1", "b", 0, np.bool_)
uint8 = DType("uint8", "u8", "u", 0, np.uint8)
int8 = DType("int8", "i8", "i", 0, np.int8)
int16 = DType("int16", "i16", "i", 1, np.int16)
int32 = DType("int32", "i32", "i", 2, np.int32)
int64 = DType("int64", "i64", "i", 3, np.int64)
float32 = DType("float32", "f32", "f", 2, np.float32)
float64 = DType("float64", "f64", "f", 3, np.float64)

ALL = (bool_, uint8, int8, int16, int32, int64, float32, float64)
BY_NUMPY = {d.np: d for d in ALL}

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


def category(dtype: DType) -> int:
    """0 bool, 1 integer, 2 floating: a Python number only lifts a tensor to a higher category."""
    return _CATEGORY[dtype.kind]


def promote(a: DType, b: DType) -> DType:
    """The dtype of an operation between two tensors of rank >= 1 (PyTorch's table)."""
    if a is b:
        return a
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    if a.kind == b.kind:
        return a if a.rank > b.rank else b
    signed = a if a.kind == "i" else b  # uint8 with a signed type: the signed type that holds both
    return int16 if signed is int8 else signed


def number_dtype(value: Any, default_float: DType) -> DType:
    """The dtype a bare Python number stands for."""
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    return default_float


def result_type(dims: list[DType], scalars: list[DType], numbers: list[DType]) -> DType:
    """Promotion over tensors with dimensions, 0-d tensors and Python numbers, in that priority.

    A lower-priority operand takes part only if its category (bool < integer < floating) is above
    that of all higher-priority ones. Source: PyTorch, "Tensor Attributes: type promotion".
    """
    out: DType | None = None
    for group in (dims, scalars, numbers):
        if not group:
            continue
        top = group[0]
        for dtype in group[1:]:
            top = promote(top, dtype)
        if out is None or category(top) > category(out):
            out = top
    assert out is not None
    return out

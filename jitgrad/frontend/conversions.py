"""Tensors of another dtype or on another device, and which dtype operands get together.

Entry: `to`, `CONVERTERS`, `result_type`, ... Imports: the recorder, creation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.frontend import creation
from jitgrad.frontend.arguments import check_dtype, check_options
from jitgrad.frontend.meta import no_values
from jitgrad.frontend.record import Base, cast
from jitgrad.frontend.state import local
from jitgrad.frontend.types import device_name
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType


def to(
    self: Any,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Any:
    """This Tensor with another dtype, or on another device.

    By position: a dtype, a device (and a dtype) or a Tensor to be like, non_blocking, copy.
    """
    if memory_format is not None:
        check_options("to", memory_format=memory_format)
    flags = [a for a in args if isinstance(a, bool)]
    kinds = args[: len(args) - len(flags)]
    if len(flags) > 2 or len(kinds) > 2 or any(isinstance(a, bool) for a in kinds):
        raise TypeError(f"to: expected (dtype or device or Tensor, non_blocking, copy), not {args}")
    copy = copy or flags[1:] == [True]
    for a in kinds:
        if isinstance(a, Base):
            dtype, device = a._dtype, a.device
        elif isinstance(a, DType) or a in (float, int, bool):
            dtype = a
        elif a is not None:
            device = a
    dtype = check_dtype("to", dtype)
    if device is not None and device_name(device) != self.device.type:
        self = moved(self, "to")
        copy = False
    if dtype is None or dtype is self._dtype:
        return self.clone() if copy else self
    return cast(self, dtype)


def array_wrap(
    self: Any, array: np.ndarray, context: Any = None, return_scalar: bool = False
) -> Any:
    """What a NumPy function of Tensors comes to."""
    return creation.tensor(array)


def moved(self: Any, why: str) -> Any:
    """This Tensor on the other device: values can go to "meta", where they are lost, but not back.

    Raises:
        NotImplementedError: if values or gradients would have to come from "meta".
    """
    if self.is_meta:
        raise no_values(why, self._storage.node)
    if local.state.grad and self._edge() is not None:
        raise NotImplementedError(
            f"{why}: no gradient comes back from device 'meta'; detach() first"
        )
    return creation.elsewhere(self._shape, self._dtype)


def _converter(name: str, dtype: DType) -> Callable[..., Any]:
    def method(self: Any, memory_format: Any = None) -> Any:
        if memory_format is not None:
            check_options(name, memory_format=memory_format)
        return cast(self, dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"This Tensor as {dtype}."
    return method


_CLASSES = {
    "float": dt.float32, "double": dt.float64, "int": dt.int32, "long": dt.int64,
    "short": dt.int16, "char": dt.int8, "byte": dt.uint8, "bool": dt.bool_,
}  # fmt: skip
CONVERTERS = {name: _converter(name, dtype) for name, dtype in _CLASSES.items()}


def type(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The dtype's name, or this Tensor as `dtype`."""
    if dtype is None:
        return "torch." + _TYPES[self._dtype]
    return cast(self, check_dtype("type", dtype))


_TYPES = {
    dt.float32: "FloatTensor", dt.float64: "DoubleTensor", dt.int32: "IntTensor",
    dt.int64: "LongTensor", dt.int16: "ShortTensor", dt.int8: "CharTensor",
    dt.uint8: "ByteTensor", dt.bool_: "BoolTensor",
}  # fmt: skip


def type_as(self: Any, other: Any) -> Any:
    """This Tensor as the dtype of `other`."""
    return cast(self, other._dtype)


def cpu(self: Any, memory_format: Any = None) -> Any:
    """This Tensor on the CPU."""
    check_options("cpu", memory_format=memory_format)
    return moved(self, "cpu") if self.is_meta else self


def cuda(self: Any, device: Any = None, non_blocking: bool = False) -> Any:
    """RuntimeError: there is no CUDA device."""
    device_name("cuda")


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype that an operation between the two computes in."""
    groups: tuple[list[DType], list[DType], list[DType]] = ([], [], [])
    for x in (tensor1, tensor2):
        if isinstance(x, Base):
            groups[0 if x._shape else 1].append(x._dtype)
        else:
            groups[2].append(dt.number_dtype(x, creation.get_default_dtype()))
    return dt.result_type(*groups)


def promote_types(type1: DType, type2: DType) -> DType:
    """The dtype that holds both."""
    return dt.promote(type1, type2)


def numel(input: Any) -> int:
    """Number of elements."""
    return input.numel()


def is_floating_point(input: Any) -> bool:
    """Whether the elements are floating point numbers."""
    return input.is_floating_point()

"""Small public types: `Size`, `device`, `finfo`, `iinfo`, and the table of dtype names.

Imports: ir.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType

DTYPES = {
    "float32": dt.float32, "float": dt.float32, "float64": dt.float64, "double": dt.float64,
    "int8": dt.int8, "int16": dt.int16, "short": dt.int16, "int32": dt.int32, "int": dt.int32,
    "int64": dt.int64, "long": dt.int64, "uint8": dt.uint8, "bool": dt.bool_,
}  # fmt: skip


class Size(tuple):
    """The shape of a Tensor: a tuple with `numel()`.

    >>> Size((2, 3)), Size((2, 3)).numel()
    (jitgrad.Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"jitgrad.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        out = tuple.__getitem__(self, index)
        return Size(out) if type(index) is slice else out

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))


class device:
    """Where values live: "cpu", or "meta" for shapes without values, which are planned only.

    As a context it is where Tensors are made that do not say.

    >>> device("cpu"), device("cpu").type
    (device(type='cpu'), 'cpu')
    >>> import jitgrad
    >>> with device("meta"):
    ...     jitgrad.ones(2, 3)
    tensor(..., device='meta', size=(2, 3))
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name = str(type)
        kind, _, number = name.partition(":")
        if kind == "cuda":
            from jitgrad.runtime.cuda import unavailable

            raise RuntimeError(f"device: {name!r} cannot be used: {unavailable()}")
        if kind not in ("cpu", "meta"):
            raise RuntimeError(f"device: unknown device {name!r}; there are 'cpu' and 'meta'")
        self.type = sys.intern(kind)  # nodes are told apart by identity
        self.index = int(number) if number else index

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __repr__(self) -> str:
        at = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{at})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __enter__(self) -> device:
        _chosen.names.append(self.type)
        return self

    def __exit__(self, *_: Any) -> None:
        _chosen.names.pop()

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


class _Chosen(threading.local):
    """Devices of the contexts that a thread is in."""

    def __init__(self) -> None:
        self.names = ["cpu"]


_chosen = _Chosen()
CPU, META = device("cpu"), device("meta")


def device_name(value: Any) -> str:
    """ "cpu" or "meta"; without a value what the innermost `with device(...)` says.

    Raises:
        RuntimeError: for a device that cannot be used.
    """
    if value is None:
        return _chosen.names[-1]
    return value.type if type(value) is device else device(value).type


class finfo:
    """Limits of a floating dtype.

    >>> finfo(dt.float32).max
    3.4028234663852886e+38
    """

    def __init__(self, dtype: DType | None = None) -> None:
        from jitgrad.ir.apply import default_float

        dtype = default_float() if dtype is None else dtype
        if dtype.kind != "f":
            raise TypeError(f"finfo: {dtype} is not a floating dtype; use iinfo")
        info = np.finfo(dtype.np)
        self.bits = info.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = float(info.resolution)
        self.dtype = dtype.name


class iinfo:
    """Limits of an integer dtype.

    >>> iinfo(dt.int8).max
    127
    """

    def __init__(self, dtype: DType) -> None:
        if dtype.kind not in "iu":
            raise TypeError(f"iinfo: {dtype} is not an integer dtype; use finfo")
        info = np.iinfo(dtype.np)
        self.bits, self.max, self.min = info.bits, int(info.max), int(info.min)
        self.dtype = dtype.name


class Slot(float):
    """A float of the user on its way through a composed function: it stays a run-time slot."""

    __slots__ = ()


class IntSlot(int):
    """An int of the user on its way through a composed function."""

    __slots__ = ()


def slot(value: Any) -> Any:
    """A number of the user, marked; anything else as it is."""
    kind = type(value)
    if kind is float:
        return Slot(value)
    if kind is int:
        return IntSlot(value)
    if isinstance(value, np.generic) and value.dtype.kind in "fiu":
        return slot(value.item())
    return value


def _keeps_mark(name: str) -> None:
    for cls, base in ((Slot, float), (IntSlot, int)):
        plain = getattr(base, name)

        def method(self: Any, *args: Any, plain: Any = plain) -> Any:
            out = plain(self, *args)
            return out if out is NotImplemented else slot(out)

        setattr(cls, name, method)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _keeps_mark(f"__{_name}__")
    _keeps_mark(f"__r{_name}__")
for _name in ("neg", "abs", "pos"):
    _keeps_mark(f"__{_name}__")

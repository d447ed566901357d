"""Making Tensors from data, fills and counters.

Entry: `tensor`, `from_numpy`, `zeros`, `arange`, ... Imports: ir, ops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend.arguments import factory, shape_of
from jitgrad.frontend.meta import DEVICE as META
from jitgrad.frontend.meta import nowhere
from jitgrad.frontend.operands import forget_dtypes, number
from jitgrad.frontend.record import Base, cast, finished, make, wrap
from jitgrad.frontend.state import local, place, site
from jitgrad.frontend.storage import Storage, owned, snapshot
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.types import device_name
from jitgrad.ir import apply
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import BY_NUMPY, DType
from jitgrad.ir.node import Node


def get_default_dtype() -> DType:
    """The dtype of Python floats."""
    return apply.default_float()


def set_default_dtype(d: DType) -> None:
    """Change the dtype of Python floats: float32 or float64."""
    if d.kind != "f":
        raise TypeError(f"set_default_dtype: only floating dtypes are supported, not {d}")
    apply.set_default_float(d)
    forget_dtypes()


# ---- from data


def _array(data: Any, dtype: DType | None) -> np.ndarray:
    """`data` as a NumPy array of one of our dtypes; Python floats have the default dtype."""
    if isinstance(data, np.generic | np.ndarray):
        values = np.asarray(data)
    else:
        data = _plain(data)
        try:
            values = np.array(data)
        except ValueError as error:
            raise ValueError(f"tensor: {error}") from None
        if dtype is None and values.dtype == np.float64 and not _holds_numpy(data):
            dtype = apply.default_float()
        if values.size == 0 and dtype is None:
            dtype = apply.default_float()
    if values.dtype.kind not in "biuf":
        raise TypeError(f"tensor: can't convert data of type {values.dtype} to a Tensor")
    if dtype is None:
        dtype = BY_NUMPY.get(values.dtype.newbyteorder("="))
        if dtype is None:
            raise TypeError(f"tensor: dtype {values.dtype} is not supported")
    if dtype.kind in "iu" and values.dtype.kind in "iu":
        info = np.iinfo(dtype.np)
        if values.size and not isinstance(data, np.ndarray):
            if values.min() < info.min or values.max() > info.max:
                raise RuntimeError(f"tensor: value cannot be converted to {dtype} without overflow")
    with np.errstate(all="ignore"):
        return values.astype(dtype.np, copy=False)


def _plain(data: Any) -> Any:
    """Nested data with Tensors inside replaced by their values."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, (list, tuple)):
        if any(isinstance(x, (Tensor, list, tuple)) for x in data):
            return [_plain(x) for x in data]
        return list(data)
    if isinstance(data, (str, bytes, dict, set)) or data is None:
        raise TypeError(f"tensor: can't convert {type(data).__name__} to a Tensor")
    return data


def _holds_numpy(data: Any) -> bool:
    while isinstance(data, list) and data:
        data = data[0]
    return isinstance(data, (np.generic, np.ndarray)) and data.dtype == np.float64


@factory("pin_memory")
def tensor(data: Any, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A new leaf with a copy of `data`.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        return data.detach().clone().to(dtype=dtype, device=device).detach()
    values = _array(data, dtype)
    if device_name(device) == META:
        return elsewhere(values.shape, BY_NUMPY[values.dtype])
    return wrap(snapshot(values))


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` as a Tensor; Tensors and NumPy arrays of that dtype are not copied."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    if isinstance(data, np.ndarray) and data.dtype in BY_NUMPY:
        return from_numpy(data).to(dtype=dtype, device=device_name(device))
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor that shares the memory of `ndarray`.

    Writes to it run at once, into that memory; an op recorded on it copies the values then, so that
    later changes of the array do not reach it.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__})")
    dtype = BY_NUMPY.get(ndarray.dtype)
    if dtype is None:
        raise TypeError(f"from_numpy: can't convert np.ndarray of type {ndarray.dtype}")
    if any(s < 0 for s in ndarray.strides):
        raise ValueError("from_numpy: strides are negative; pass array.copy()")
    storage = Storage(None, ndarray)
    return make(Tensor, storage, storage, None, ndarray.shape, dtype)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor that shares the memory of any object with `__dlpack__` on the CPU."""
    return from_numpy(np.from_dlpack(ext_tensor))


def legacy(data: tuple[Any, ...], device: Any) -> Tensor:
    """What `Tensor(...)` makes: sizes give uninitialised float32, one sequence its values."""
    if len(data) == 1 and not isinstance(data[0], int):
        if isinstance(data[0], Tensor):
            return data[0].detach().to(device=device)
        if not isinstance(data[0], tuple) or not isinstance(data[0], type(Tensor.shape)):
            return tensor(data[0], dtype=dt.float32, device=device)
    return empty(*(data or (0,)), dtype=dt.float32, device=device)


# ---- fills


def elsewhere(shape: tuple[int, ...], dtype: DType) -> Tensor:
    """A Tensor on device "meta": of that shape and dtype, without values."""
    return wrap(nowhere(shape, dtype))


def source(node: Node) -> Tensor:
    """A Tensor over a Node that has no Tensors among its operands."""
    state = local.state
    here = None if state.forced else place(state)
    return finished(state, here, node, None, 1)


def _constant(value: int, shape: tuple[int, ...], dtype: DType, device: Any) -> Tensor:
    return source(apply.expand_node(apply.const(value, dtype, device_name(device)), shape))


@factory("out", "layout", "pin_memory")
def zeros(*size: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A Tensor of zeros."""
    return _constant(0, shape_of("zeros", size), dtype or apply.default_float(), device)


@factory("out", "layout", "pin_memory")
def ones(*size: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A Tensor of ones."""
    return _constant(1, shape_of("ones", size), dtype or apply.default_float(), device)


@factory("out", "layout", "pin_memory", "memory_format")
def empty(*size: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A Tensor of zeros: uninitialised memory would make results depend on history. On device
    "meta" it is memory that is there, as an input or a parameter is."""
    dtype = dtype or apply.default_float()
    shape = shape_of("empty", size)
    if device_name(device) == META:
        return elsewhere(shape, dtype)
    return _constant(0, shape, dtype, device)


@factory("out", "layout", "pin_memory")
def full(size: Any, fill_value: Any, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A Tensor filled with one number: broadcast, it takes no memory until it is needed.

    >>> full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if not isinstance(fill_value, (int, float, np.number, np.bool_)):
        raise TypeError(f"full: fill_value must be a number, not {type(fill_value).__name__}")
    dtype = dtype or dt.number_dtype(fill_value, apply.default_float())
    shape = shape_of("full", size if isinstance(size, tuple) else (size,))
    state = local.state
    node = number(fill_value, dtype, state, site(state))
    node.device = device_name(device)
    return source(apply.expand_node(node, shape))


@factory("layout", "pin_memory")
def scalar_tensor(s: Any, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A 0-d Tensor of one number."""
    return full((), s, dtype=dtype or apply.default_float(), device=device)


def like(make: Any) -> Any:
    """The function beside `make` that takes shape, dtype and device of a Tensor."""

    def function(
        input: Tensor, *args: Any, dtype: DType | None = None, device: Any = None, **given: Any
    ) -> Tensor:
        dtype, device = dtype or input._dtype, device or input.device
        return make(input._shape, *args, dtype=dtype, device=device, **given)

    function.__name__ = function.__qualname__ = f"{make.__name__}_like"
    function.__doc__ = f"`{make.__name__}` with the shape and dtype of `input`."
    return factory("layout", "pin_memory", "memory_format")(function)


zeros_like, ones_like, empty_like, full_like = map(like, (zeros, ones, empty, full))


# ---- counters


@factory("out", "layout", "pin_memory")
def arange(
    *bounds: Any,
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Numbers from `start` to before `end`.

    >>> arange(5)
    tensor([0, 1, 2, 3, 4])
    """
    given = [b.item() if isinstance(b, (Base, np.generic)) else b for b in bounds]
    if len(given) == 1 and end is None:
        end = given[0]
    elif given:
        start = given[0]
        end = given[1] if len(given) > 1 else end
        step = given[2] if len(given) > 2 else step
    start = 0 if start is None else start
    if dtype is None:
        real = any(isinstance(v, float) for v in (start, end, step))
        dtype = apply.default_float() if real else dt.int64
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    n = math.ceil((end - start) / step)
    if n < 0:
        raise RuntimeError("arange: upper bound and lower bound inconsistent with step sign")
    if dtype is dt.int64 and start == 0 and step == 1:  # a counter that fuses with its readers
        return wrap(apply.make_source("iota", device_name(device), shape=(n,), axis=0))
    kind = dt.float64 if dtype.kind == "f" else dt.int64
    return _counted(n, dtype, device, lambda: start + step * np.arange(n, dtype=kind.np))


@factory("out", "layout", "pin_memory")
def linspace(
    start: Any, end: Any, steps: int, *, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included."""
    if steps < 0:
        raise RuntimeError("linspace: number of steps must be non-negative")
    bounds = float(start), float(end), int(steps)
    dtype = dtype or apply.default_float()
    return _counted(bounds[2], dtype, device, lambda: np.linspace(*bounds))


@factory("out", "layout", "pin_memory")
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """`base` raised to `steps` exponents from `start` to `end`."""
    if steps < 0:
        raise RuntimeError("logspace: number of steps must be non-negative")
    bounds = float(start), float(end), int(steps)
    dtype = dtype or apply.default_float()
    return _counted(bounds[2], dtype, device, lambda: np.logspace(*bounds, base=base))


def _counted(n: int, dtype: DType, device: Any, values: Callable[[], np.ndarray]) -> Tensor:
    """`n` numbers that NumPy counts, where there are values."""
    if device_name(device) == META:
        return elsewhere((n,), dtype)
    return wrap(owned(values().astype(dtype.np)))


@factory("out", "layout", "pin_memory")
def eye(n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    shape = (n, n if m is None else m)
    on = device_name(device)
    rows, columns = (wrap(apply.make_source("iota", on, shape=shape, axis=i)) for i in (0, 1))
    return cast(ops.eq(rows, columns), dtype or apply.default_float())

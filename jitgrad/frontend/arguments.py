"""PyTorch's arguments of functions that make Tensors, and those with only one meaning here.

An argument that exists for the sake of other devices and layouts is never ignored: what it asks for
is what there is anyway, or an error names it.
Entry: `factory`, `check_options`, `check_dtype`, `shape_of`. Imports: `expecting`, ir.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from jitgrad.frontend.expecting import blame
from jitgrad.frontend.record import Base
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType

strided = "strided"
contiguous_format = "contiguous_format"
preserve_format = "preserve_format"

_POSSIBLE: dict[str, tuple[Any, ...]] = {  # besides None, which leaves the choice to us
    "layout": (strided,),
    "memory_format": (contiguous_format, preserve_format),
    "out": (),
    "pin_memory": (False,),
}


def check_options(name: str, **options: Any) -> None:
    """NotImplementedError for the first of `options` that asks for what does not exist here."""
    for option, value in options.items():
        possible = _POSSIBLE[option]
        if value is None or (isinstance(value, (str, int)) and value in possible):
            continue
        raise NotImplementedError(
            f"{name}: {option} can only be {' or '.join(map(str, possible or (None,)))}"
        )


def check_dtype(name: str, dtype: Any) -> Any:
    """TypeError unless `dtype` is one of ours or None."""
    if dtype is not None and not isinstance(dtype, DType):
        found = {float: dt.float64, int: dt.int64, bool: dt.bool_}.get(dtype)
        if found is None:
            raise TypeError(f"{name}: dtype must be a jitgrad dtype, not {dtype!r}")
        return found
    return dtype


def shape_of(name: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as numbers or as one sequence."""
    if len(sizes) == 1 and not isinstance(sizes[0], (int, np.integer)):
        first = sizes[0].tolist() if isinstance(sizes[0], Base) else sizes[0]
        sizes = tuple(first) if hasattr(first, "__iter__") else (first,)
    try:
        shape = tuple(index(n) for n in sizes)
    except TypeError:
        raise TypeError(f"{name}: sizes must be integers, not {sizes}") from None
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension: {shape}")
    return shape


def factory(*options: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that makes a Tensor, for users: it takes `requires_grad` and these `options` too.

    All are checked here, so that `fn` gets nothing but its own arguments, a dtype or None, and the
    device as it was given.
    """

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        name = fn.__name__

        @functools.wraps(fn)
        def make(*args: Any, dtype: Any = None, requires_grad: bool = False, **given: Any) -> Any:
            if given:
                check_options(name, **{k: given.pop(k) for k in options if k in given})
            try:
                out = fn(*args, dtype=check_dtype(name, dtype), **given)
            except Exception:
                blame(name, fn, args, given)
                raise
            return out.requires_grad_() if requires_grad else out

        flags = {"requires_grad": False, **dict.fromkeys(options)}
        more = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v)
                for k, v in flags.items()]  # fmt: skip
        shown = [*inspect.signature(fn).parameters.values(), *more]
        shown.sort(key=lambda parameter: parameter.kind)  # **rest stays last
        make.__dict__["__signature__"] = inspect.Signature(shown)
        return make

    return wrap

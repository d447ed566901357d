"""In-place variants: compute out of place, then write the result through the view.

Entry: `inplace(name, fn)`, `copy_`, `fill_`, `zero_`. Imports: the recorder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.arguments import check_options
from jitgrad.frontend.operands import number
from jitgrad.frontend.record import Base, assign, cast, check_writable, wrap
from jitgrad.frontend.shaping import expand, reshape
from jitgrad.frontend.state import local, site
from jitgrad.ir import apply
from jitgrad.ir import dtype as dt


def inplace(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The method `name` that writes the result of `fn(self, ...)` into `self`."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_writable(self, name)
        out = fn(self, *args, **kwargs)
        if out._shape != self._shape:
            raise RuntimeError(
                f"{name}: output with shape {list(self._shape)} doesn't match the broadcast shape "
                f"{list(out._shape)}"
            )
        if out._dtype is not self._dtype:
            if dt.category(out._dtype) > dt.category(self._dtype):
                raise RuntimeError(
                    f"{name}: result type {out._dtype} can't be cast to the desired output type "
                    f"{self._dtype}"
                )
            out = cast(out, self._dtype)
        return assign(self, out)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place."
    return method


def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write `src`, broadcast and cast, into `self`."""
    check_writable(self, "copy_")
    if not isinstance(src, Base):
        return fill_(self, src)
    src = cast(src, self._dtype)
    if src._shape != self._shape:
        src = expand(src, self._shape)
    return assign(self, src)


def fill_(self: Any, value: Any) -> Any:
    """Write one number into every element."""
    check_writable(self, "fill_")
    if isinstance(value, Base):
        if value._shape:
            raise RuntimeError(
                f"fill_: only supports 0-dimension value tensor but got {len(value._shape)}D"
            )
        return copy_(self, value)
    state = local.state
    node = number(value, self._dtype, state, site(state))
    node.device = self.device.type
    return assign(self, wrap(apply.expand_node(node, self._shape)))


def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write one number onto the diagonal of a matrix."""
    if wrap:
        raise NotImplementedError("fill_diagonal_: wrap=True")
    self.diagonal().fill_(fill_value)
    return self


def reviewed(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place variant of a view: `self` becomes that view of its storage."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if local.state.grad and self.is_leaf and self.requires_grad:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place operation"
            )
        out = fn(self, *args, **kwargs)
        self._view, self._track, self._shape = out._view, out._track, out._shape
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place."
    return method


def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Another shape with as many elements, in place."""
    check_options("resize_", memory_format=memory_format)
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if math.prod(shape) != self.numel():
        raise NotImplementedError(f"resize_: another number of elements ({self._shape} to {shape})")
    return reviewed("resize_", reshape)(self, shape)


def zero_(self: Any) -> Any:
    """Write zero into every element."""
    check_writable(self, "zero_")
    zero = apply.const(0, self._dtype, self.device.type)
    return assign(self, wrap(apply.expand_node(zero, self._shape)))

"""Tensors in nested tuples, lists and dicts. Entry: `mapped`, `leaves`, `form`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.frontend.argtree import remake
from jitgrad.frontend.record import Base

LEAF = object.__new__(Base)  # in the place of a Tensor


def mapped(value: Any, fn: Callable[[Any], Any]) -> Any:
    """`value` with `fn` applied to the Tensors in it, in order."""
    if isinstance(value, Base):
        return fn(value)
    if isinstance(value, (tuple, list)):
        return remake(type(value), [mapped(v, fn) for v in value])
    if type(value) is dict:
        return {k: mapped(v, fn) for k, v in value.items()}
    return value


def leaves(value: Any) -> list[Any]:
    """The Tensors in `value`, in order."""
    out: list[Any] = []
    mapped(value, out.append)
    return out


def form(value: Any) -> Any:
    """`value` without its Tensors, which `filled` puts others in the place of."""
    return mapped(value, lambda _: LEAF)


def filled(value: Any, tensors: list[Any]) -> Any:
    """What has the form `value`, over other Tensors."""
    given = iter(tensors)
    return mapped(value, lambda _: next(given))

"""A call that failed because an argument is no Tensor: an error that says which, and the remedy.

Nothing is looked at before a call: recording is to stay cheap. What failed has its arguments
looked at then. Which of them are Tensors follows from the names of the parameters.
Entry: `explained`, `blame`. Imports: the recorder's Tensor.
"""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.frontend.record import Base

# Parameters that are Tensors, or None where that is their default; so are an op's of type Value.
# What a public function hands on has no defaults any more: None may stand for these.
_OPTIONAL = frozenset(["weight", "bias"])
_TENSORS = frozenset(
    ["self", "input", "other", "target", "weight", "bias", "mask", "index", "tensor"]
)
_SEVERAL = frozenset(["tensors", "operands"])  # one sequence of Tensors, or one after the other
_SHOWN = {"self": "input", "x": "input", "y": "other", "a": "mat1", "b": "mat2"}  # PyTorch's names


def blame(
    name: str, fn: Callable[..., Any], args: Any, kwargs: Any, elementwise: bool = False
) -> None:
    """While handling the failure of `fn`: raise instead what is wrong with its arguments, if one
    should have been a Tensor; return if not, for the caller to raise the failure again.

    The operands of an `elementwise` function may be numbers, too, but not all of them.
    """
    wrong = _mistaken(name, fn, args, kwargs, elementwise)
    if wrong is not None:
        raise wrong from None


def _mistaken(
    name: str, fn: Callable[..., Any], args: Any, kwargs: Any, elementwise: bool
) -> TypeError | None:
    """What is wrong with the first argument that should have been a Tensor, if there is one."""
    try:
        given = inspect.signature(fn).bind(*args, **kwargs)
    except TypeError:  # too many or too few: Python's own words are best
        return None
    operands = []
    for parameter, value in given.arguments.items():
        facts = given.signature.parameters[parameter]
        shown = _SHOWN.get(parameter, parameter)
        if value is None and (facts.default is None or parameter in _OPTIONAL):
            continue
        if parameter in _SEVERAL:
            if not isinstance(value, (list, tuple)):
                return _wrong(name, shown, "a sequence of Tensors", value)
            for i, x in enumerate(_parts(value)):
                if not isinstance(x, Base):
                    return _wrong(name, f"{shown}[{i}]", "a Tensor", x)
        elif elementwise:
            if facts.annotation == "Value":
                operands.append(value)
                if not isinstance(value, (Base, numbers.Number)):
                    return _wrong(name, shown, "a Tensor or a number", value)
        elif parameter == "index" and isinstance(value, numbers.Integral):
            continue  # that of `select`
        elif parameter in _TENSORS or facts.annotation == "Value":
            if not isinstance(value, Base):
                return _wrong(name, shown, "a Tensor", value)
    if operands and not any(isinstance(x, Base) for x in operands):
        return TypeError(f"{name}: none of its operands is a Tensor; jitgrad.tensor(x) makes one")
    return None


def _parts(value: Any) -> Any:
    """The Tensors of `*tensors`, which may also be given as one sequence."""
    return value[0] if len(value) == 1 and isinstance(value[0], (list, tuple)) else value


def _wrong(name: str, parameter: str, what: str, value: Any) -> TypeError:
    kind = type(value)
    if isinstance(value, (np.ndarray, np.generic)):
        maker = "from_numpy" if isinstance(value, np.ndarray) else "tensor"
        got, hint = f"numpy.{kind.__name__}", f"; jitgrad.{maker}(x) makes one"
    elif isinstance(value, (bool, int, float, list, tuple)):
        base = next(c for c in (bool, int, float, list, tuple) if isinstance(value, c))
        got, hint = base.__name__, "; jitgrad.tensor(x) makes one"
    elif hasattr(value, "__dlpack__"):
        got = f"{kind.__module__}.{kind.__name__}"
        hint = "; jitgrad.from_dlpack(x) makes one of the same memory"
    else:
        got = "None" if value is None else kind.__qualname__
        hint = ""
    return TypeError(f"{name}: {parameter} must be {what}, got {got}{hint}")


def explained(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, whose failures name the argument that is no Tensor."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception:
            blame(fn.__name__.lstrip("_"), fn, args, kwargs)
            raise

    return call

"""What the op table gives automatically: functions by public name, operators, and both on Node.

Entry: `RECORDERS` (op name -> recorder), `FUNCTIONS` (public name -> recorder or composed function)
and `OPERATORS` (Python's operator method -> function of self and other); the front end puts the
last two on Tensor. On Nodes, rules use the same operators; numbers there become Const of the other
operand's promoted dtype. `==` and `!=` stay identity on Nodes, which lists and dictionaries hold:
rules write `eq` and `ne`. Imports: ir, the entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.ir.apply import call
from jitgrad.ir.node import Node
from jitgrad.ir.op import Recorder
from jitgrad.ops import (
    arrange,
    compare,
    composed,
    einstein,
    elementwise,
    library,
    movement,
    products,
    reduction,
    scan,
    source,
    statistics,
    transcendental,
)

Function = Callable[..., Any]
_NO_ATTRS: dict[str, Any] = {}
_ENTRIES = (compare, elementwise, transcendental, reduction, movement, library, scan, source)


def _recorders() -> dict[str, Recorder]:
    table: dict[str, Recorder] = {}
    for module in _ENTRIES:
        for value in vars(module).values():
            if isinstance(value, Recorder):
                table[value.op.name] = value
    return table


def _functions() -> dict[str, Function]:
    table: dict[str, Function] = {
        n: r for n, r in RECORDERS.items() if r.op.kind != "source" and n not in _INTERNAL
    }
    for module in (composed, statistics, arrange, products, einstein):
        for name in module.__all__:
            table[name] = getattr(module, name)
    for public, fn in _RENAMED.items():
        table[public] = table.pop(fn)
    for alias, name in _ALIASES.items():
        table[alias] = table[name]
    return table


# composed functions that stand before a primitive of the same name
_RENAMED = {
    "pow": "power", "div": "divide", "round": "round_to", "any": "any_true", "all": "all_true",
    "cumsum": "running_sum", "cumprod": "running_product",
}  # fmt: skip
# building blocks of the functions that users know
_INTERNAL = frozenset(
    [
        "barrier", "cast", "check_index", "linear_scan", "put_add", "put_rows", "slice", "take",
        "write",
    ]
)  # fmt: skip
_ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp",
    "divide": "div", "fix": "trunc", "greater": "gt", "greater_equal": "ge", "less": "lt",
    "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne", "sgn": "sign",
    "subtract": "sub", "true_divide": "div",
}  # fmt: skip

RECORDERS = _recorders()
FUNCTIONS = _functions()


def _reflected(fn: Function) -> Function:
    def reflected(x: Any, y: Any) -> Any:
        return fn(y, x)

    return reflected


_BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    "matmul": "matmul",
}  # fmt: skip

OPERATORS: dict[str, Function] = {
    **{f"__{name}__": FUNCTIONS[fn] for name, fn in _BINARY.items()},
    **{f"__r{name}__": _reflected(FUNCTIONS[fn]) for name, fn in _BINARY.items()},
    **{f"__{name}__": FUNCTIONS[name] for name in ("lt", "le", "gt", "ge", "eq", "ne", "neg")},
    "__abs__": FUNCTIONS["abs"],
    "__invert__": FUNCTIONS["bitwise_not"],
    "__pos__": FUNCTIONS["positive"],
}


def _method(name: str, fn: Function) -> Function:
    """A plain function: recorders are objects, which do not bind to `self`."""
    if name in OPERATORS and isinstance(fn, Recorder) and len(fn.op.params) == 2:
        op = fn.op

        def operator(self: Any, other: Any) -> Any:  # few calls: rules live on it
            return call(op, (self, other), _NO_ATTRS)

        return operator
    if name in OPERATORS and not isinstance(fn, Recorder):
        return fn

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return fn(self, *args, **kwargs)

    method.__name__ = fn.__name__
    method.__doc__ = fn.__doc__
    return method


def install(cls: type, skip: tuple[str, ...] = ()) -> None:
    """Put every operator and function on `cls` as methods, but for `skip` and what it defines."""
    for name, fn in {**FUNCTIONS, **OPERATORS}.items():
        if name not in skip and name not in vars(cls):
            setattr(cls, name, _method(name, fn))


# some do not take a node first
install(Node, skip=("__eq__", "__ne__", "cat", "einsum", "stack", "where"))

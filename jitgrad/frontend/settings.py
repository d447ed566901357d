"""PyTorch's arguments of `compile`: each asks for what is done anyway, or is refused with a hint.

Entry: `check_settings`, `check_function`. Imports nothing of jitgrad.
"""

from __future__ import annotations

import inspect
from typing import Any

# Of each: the values that are fulfilled, and what to do instead of any other.
_FULFILLED: dict[str, tuple[tuple[Any, ...], str]] = {
    # Kernels hold for all sizes, whichever is asked for; a new size records again.
    "dynamic": ((None, True, False), "it is True, False or None"),
    # A call is one native call without Python: what "reduce-overhead" asks for.
    "mode": (
        (None, "default", "reduce-overhead"),
        "kernels are never chosen by timing them, so that results keep their bits; leave it out",
    ),
    "backend": ((None, "inductor"), "there is one compiler, which is the default; leave it out"),
    "options": ((None, {}), "there are none; leave it out"),
    "disable": ((None, False), "call the function itself, without compile()"),
}


def check_settings(given: dict[str, Any]) -> None:
    """Refuse the first argument of `given` that asks for what does not exist here."""
    for name, value in given.items():
        if name not in _FULFILLED:
            raise TypeError(f"compile() got an unexpected keyword argument {name!r}")
        fulfilled, hint = _FULFILLED[name]
        if not any(value is x or (type(value) is type(x) and value == x) for x in fulfilled):
            raise NotImplementedError(f"compile: {name}={value!r} is not supported: {hint}")


def check_function(fn: Any) -> None:
    """TypeError for what cannot be compiled: no function, or one whose call runs nothing yet."""
    if not callable(fn):
        raise TypeError(f"compile: expected a function or a Module, not {type(fn).__name__}")
    for runs in (fn, type(fn).__call__, getattr(fn, "forward", None)):
        if inspect.iscoroutinefunction(runs) or inspect.isasyncgenfunction(runs):
            name = getattr(runs, "__qualname__", type(fn).__name__)
            raise TypeError(
                f"compile: {name} is an `async def`, which a call only creates and does not run; "
                "compile the plain functions that it calls"
            )

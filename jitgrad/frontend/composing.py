"""Composed functions, called by users: their own numbers become Const, the user's stay slots.

Entry: `composed(fn)`. Imports: the thread's state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.record import Base
from jitgrad.frontend.state import local, place
from jitgrad.frontend.tape import Edge
from jitgrad.frontend.types import slot


def composed(
    fn: Callable[..., Any], label: str = "", *, numbers: bool = True
) -> Callable[..., Any]:
    """`fn` for users; `label` is the name its result's history prints.

    Its number arguments become run-time slots, unless they are places and sizes (`numbers` False).
    """

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        state = local.state
        if state.rule:  # inside a rule or another composed function
            return fn(*args, **kwargs)
        if numbers:
            args = tuple([a if isinstance(a, Base) else slot(a) for a in args])
        if kwargs and numbers:
            kwargs = {k: slot(v) for k, v in kwargs.items()}
        state.rule = True
        state.base, state.step = place(state), 0
        try:
            out = fn(*args, **kwargs)
        finally:
            state.rule = False
            state.base = None
        if label and isinstance(out, Base) and out._view is None:
            edge = out._track.edge
            if type(edge) is Edge:
                edge.label = label
        return out

    return call

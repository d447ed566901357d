"""A function of a Tensor whose gradient is written by hand, on the tape as an op is.

Where the gradient that its ops would have is not the one to compute. `rule` reads as an op's does:
Nodes or Tensors, so that it can be differentiated itself and stand in the Body of a Call.
Entry: `ruled(rule)`. Imports: the recorder, the tape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.rules import UNUSED, VALUE, Rule
from jitgrad.frontend.state import local, site
from jitgrad.frontend.storage import Track
from jitgrad.frontend.tape import Edge, node_of
from jitgrad.frontend.types import slot


def ruled(rule: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates `fn(x, *attrs) -> (y, *values)`, of which `y` alone can be differentiated.

    `rule(g, x, *values, *attrs)` gives the gradient of `x`. The values are constants to it: where
    it is differentiated in turn (`local.state.grad`), it works them out from `x`.
    """

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        name = fn.__name__.lstrip("_")
        read = Rule(lambda g, y, *rest: rule(g, *rest), (UNUSED,), VALUE)

        @functools.wraps(fn)
        def call(x: Any, *attrs: Any) -> Any:
            state = local.state
            edge = x._edge() if state.grad else None
            before, state.grad = state.grad, False
            try:
                y, *values = fn(x, *attrs)
            finally:
                state.grad = before
            if edge is not None:
                nodes = [node_of(t) for t in (x, *values)]
                made = node_of(y)
                inputs = (edge, *[None for _ in values])
                numbers = tuple([slot(a) for a in attrs])
                own = Edge(name, read, inputs, numbers, made.shape, made.dtype, site(state))
                own.save(made, nodes)
                y._track = Track(own)
            return (y, *values)

        return call

    return wrap

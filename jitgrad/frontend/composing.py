"""Composed functions, called by users: each use is one Call, found by its signature.

A signature is everything that what the function records may depend on: shapes, dtypes and whether a
gradient is wanted of Tensors, anything else by value.
Entry: `composed(fn)`, `as_call(label)`. Imports: the recorder, the thread's state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitgrad.frontend import calls
from jitgrad.frontend.record import Base
from jitgrad.frontend.state import State, local, place
from jitgrad.frontend.tape import Edge
from jitgrad.frontend.types import IntSlot, Slot, slot
from jitgrad.ir import apply
from jitgrad.ir.dtype import DType

KNOWN = 256  # signatures of one function
# Classes whose equal values are the same, but for zeros; a tuple may hold them, too.
_VALUES = frozenset([int, float, bool, str, type(None), Slot, IntSlot, DType])


def composed(
    fn: Callable[..., Any], label: str = "", *, numbers: bool = True
) -> Callable[..., Any]:
    """`fn` for users; `label` is the name its result's history prints.

    Its own numbers are Const. Its number arguments become run-time slots, unless they are places
    and sizes (`numbers` False).
    """
    known: dict[Any, Any] = {}

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        state = local.state
        if state.rule:  # inside a rule or another composed function
            return fn(*args, **kwargs)
        if numbers:
            args = tuple([a if isinstance(a, Base) else slot(a) for a in args])
            if kwargs:
                kwargs = {k: slot(v) for k, v in kwargs.items()}
        if not state.tracing:
            done = _use(known, state, fn, args, kwargs, label, True)
            if done is not _PLAIN:
                return done
            state.base, state.step = place(state), 0
        state.rule = True
        try:
            out = fn(*args, **kwargs)
        finally:
            state.rule = False
            state.base = None
        return _labelled(out, label)

    return call


def as_call(label: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `composed`, for functions written the way users write: all their numbers stay slots."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        known: dict[Any, Any] = {}

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            state = local.state
            if state.rule or state.tracing:
                return fn(*args, **kwargs)
            done = _use(known, state, fn, args, kwargs, label, False)
            return _labelled(fn(*args, **kwargs), label) if done is _PLAIN else done

        return call

    return wrap


_PLAIN = object()  # what `_use` answers where a use is to be recorded op by op


def _use(
    known: dict[Any, Any],
    state: State,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    label: str,
    rule: bool,
) -> Any:
    """One use of `fn`, by what is known of its signature."""
    tensors: list[Any] = []
    key = _signature(state, args, kwargs, tensors)
    if key is None:
        return _PLAIN
    recorded = known.get(key, _PLAIN)  # not asked twice: another thread may clear it
    if recorded is _PLAIN:
        if len(known) >= KNOWN:
            known.clear()
        recorded = known[key] = calls.record(fn, args, kwargs, label, rule)
    return _PLAIN if recorded is None else recorded.use(tensors, state)


def _labelled(out: Any, label: str) -> Any:
    if label and isinstance(out, Base) and out._view is None:
        edge = out._track.edge
        if type(edge) is Edge:
            edge.label = label
    return out


def _signature(
    state: State, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Any]
) -> tuple[Any, ...] | None:
    """The signature of a use, None where there is no telling; `tensors` gets its Tensors."""
    grad = state.grad
    key: list[Any] = [apply.default_float(), grad]
    values = (*args, *kwargs.values()) if kwargs else args
    for a in values:
        if isinstance(a, Base):
            node = a._storage.node
            if node is not None and node.device != "cpu":  # "meta" is recorded op by op
                return None
            tensors.append(a)
            key += (a._shape, a._dtype)
            if grad:
                key.append(a._edge() is not None)
            continue
        kind = type(a)
        if kind in _VALUES:
            key += (kind, a or repr(a))  # -0.0 is equal to 0.0
        elif isinstance(a, tuple) and all(type(x) in _VALUES for x in a):
            key.append(repr(a))
        else:
            return None
    if kwargs:
        key += kwargs
    return tuple(key) if tensors else None

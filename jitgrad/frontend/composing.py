"""Composed functions, called by users: each use is one Call, found by its signature.

A signature is everything that what the function records may depend on: shapes, dtypes and whether
a gradient is wanted of Tensors, anything else by value. But floats are slots, like all numbers of
users, if the function does nothing but arithmetic with them: comparisons and the like are noticed
when it is recorded (`bodies.Steered`), and other numbers are let in when a second recording, with
them, has turned out the same.
Entry: `composed(fn)`, `as_call(label)`. Imports: `bodies`, the recorder, the thread's state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from jitgrad.frontend import bodies
from jitgrad.frontend.expecting import blame
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.record import Base
from jitgrad.frontend.state import State, local, place
from jitgrad.frontend.tape import Edge
from jitgrad.frontend.types import IntSlot, Slot, slot
from jitgrad.ir import apply
from jitgrad.ir.dtype import DType

KNOWN = 256  # signatures of one function
# Classes whose equal values are the same; a tuple may hold them and floats.
_VALUES = frozenset([int, bool, str, type(None), IntSlot, DType])


PLAIN = object()  # what a use answers that is to be recorded op by op
_STEERED = object()  # known of a signature under which numbers are told apart by value
_all: WeakSet[Composed] = WeakSet()


class Composed(bodies.Function):
    """A composed function, with what is `known` of it by signature: the recording that its uses
    share, None where a use is no Call, or `_STEERED`."""

    __slots__ = ("__weakref__", "known")

    def __init__(self, fn: Callable[..., Any], label: str, rule: bool) -> None:
        super().__init__(fn, label, rule)
        self.known: dict[Any, Any] = {}
        _all.add(self)

    def use(self, state: State, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results of one use, `PLAIN` if it is to be recorded op by op."""
        tensors: list[Any] = []
        numbers: list[float] = []
        key = _signature(state, args, kwargs, tensors, numbers)
        if key is None:
            return PLAIN
        recorded = self.known.get(key, PLAIN)  # not asked twice: another thread may clear it
        if recorded is _STEERED:
            if HostFloat in map(type, numbers):  # a value that later calls will not have
                return PLAIN
            key, numbers = (*key, *map(repr, numbers)), []
            recorded = self.known.get(key, PLAIN)
        if recorded is PLAIN or (recorded is not None and not recorded.takes(numbers)):
            before = None if recorded is PLAIN else recorded
            recorded = self._record(before, args, kwargs, numbers)
            if len(self.known) >= KNOWN:
                self.known.clear()
            self.known[key] = recorded
            if recorded is _STEERED:
                return self.use(state, args, kwargs)
        return PLAIN if recorded is None else recorded.use(tensors, numbers, state)

    def _record(
        self, before: Any, args: tuple[Any, ...], kwargs: dict[str, Any], numbers: list[float]
    ) -> Any:
        """What is to be known of a signature; `before` was recorded with other numbers."""
        try:
            made = bodies.record(self, args, kwargs, numbers)
        except bodies.Steered:
            return _STEERED
        if before is None:
            return made
        if made is None or not bodies.agree(before, made):
            return _STEERED
        before.admit(numbers)
        return before

    def labelled(self, out: Any) -> Any:
        """`out`, recorded op by op, its history printing under the name of the function."""
        if self.label and isinstance(out, Base) and out._view is None:
            edge = out._track.edge
            if type(edge) is Edge:
                edge.label = self.label
        return out


def forget() -> None:
    """Drop all that was recorded of composed functions."""
    for function in list(_all):
        function.known.clear()


def composed(
    fn: Callable[..., Any], label: str = "", *, numbers: bool = True
) -> Callable[..., Any]:
    """`fn` for users; `label` is the name its result's history prints.

    Its own numbers are Const. Its number arguments become run-time slots, unless they are places
    and sizes (`numbers` False).
    """
    function = Composed(fn, label, rule=True)

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
            done = function.use(state, args, kwargs)
            if done is not PLAIN:
                return done
            state.base, state.step = place(state), 0
        state.rule = True
        try:
            out = fn(*args, **kwargs)
        finally:
            state.rule = False
            state.base = None
        return function.labelled(out)

    return call


def as_call(label: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `composed`, for functions written the way users write: all their numbers stay slots."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        function = Composed(fn, label, rule=False)

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            state = local.state
            if state.rule or state.tracing:
                return fn(*args, **kwargs)
            try:
                done = function.use(state, args, kwargs)
                return function.labelled(fn(*args, **kwargs)) if done is PLAIN else done
            except Exception:
                blame(fn.__name__.lstrip("_"), fn, args, kwargs)
                raise

        return call

    return wrap


def _signature(
    state: State,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tensors: list[Any],
    numbers: list[float],
) -> tuple[Any, ...] | None:
    """The signature of a use, None where there is no telling; `tensors` gets its Tensors, `numbers`
    its floats."""
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
                key.append(a._track.edge is not None)
            continue
        kind = type(a)
        if kind in bodies.FLOATS:
            key.append(float)
            numbers.append(float(a) if kind is Slot else a)
        elif kind in _VALUES:
            key += (kind, a)
        elif isinstance(a, tuple) and all(type(x) in _VALUES or type(x) is float for x in a):
            key.append(repr(a))
        else:
            return None
    if kwargs:
        key += kwargs
    return tuple(key) if tensors else None

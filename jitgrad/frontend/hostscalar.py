"""What Python does besides recording while a function is being compiled, and does again per replay.

`host(fn)`: numbers that are computed anew at every call (a learning rate, a bias correction).
`on_replay(fn)`: an action that every call repeats. `refuse(what)`: a side effect that a replay
would skip. `changes(what)`: one for which every call runs in Python. `watch(optimizer)`: what its
step depends on. Outside `compile` these do the plain thing. Imports: the thread's state.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.state import local


class Told(dict):
    """A dict of settings that are read anew at every call; it tells of its `changes`."""

    __slots__ = ()


class Event:
    """A function that runs once per call, in recorded order; `values` is what it gave last.

    `looked` tells that Python took one of its numbers for more than arithmetic.
    """

    __slots__ = ("fn", "looked", "values")

    def __init__(self, fn: Callable[[], Any]) -> None:
        self.fn = fn
        self.values: Any = fn()
        self.looked = False


class HostFloat(float):
    """A number of an event; `get()` is its value in the present call.

    It is one of the event's values, or what `rule` computes of them (it was made with operators).
    """

    __slots__ = ("at", "event", "rule")
    event: Event
    at: int
    rule: Callable[[Any], float] | None

    def get(self, values: Any = None) -> float:
        """The value in the present call, or that follows from other `values` of the event."""
        if self.rule is not None:
            return self.rule(values)
        return (self.event.values if values is None else values)[self.at]


def _float(value: Any, event: Event, at: int, rule: Any = None) -> HostFloat:
    out = HostFloat(float.__float__(value) if type(value) is HostFloat else value)  # unnoticed
    out.event, out.at, out.rule = event, at, rule
    return out


def host(fn: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The numbers that `fn` returns; when compiled, `fn` runs again at every call.

    >>> host(lambda: (0.5, 2.0))
    (0.5, 2.0)
    """
    capture = local.state.capture
    if capture is None:
        return fn()
    event = Event(fn)
    capture.events.append(event)
    if not all(isinstance(value, (int, float)) for value in event.values):
        capture.fail("a setting of the optimizer is a tensor")
        return event.values
    return numbered(event)


def numbered(event: Event) -> tuple[HostFloat, ...]:
    """The values of an event, each of which knows its place among them."""
    return tuple([_float(v, event, i) for i, v in enumerate(event.values)])


def on_replay(fn: Callable[[], Any]) -> None:
    """Run `fn` now and at every later call of the compiled function."""
    capture = local.state.capture
    if capture is None:
        fn()
    else:
        capture.events.append(Event(fn))


def refuse(what: str) -> None:
    """RuntimeError (or with `fallback=True`, no compiling) if a function is being compiled."""
    capture = local.state.capture
    if capture is not None:
        capture.refuse(what)


def changes(what: str) -> None:
    """A function that is being compiled changes `what`: no later call is replayed."""
    capture = local.state.capture
    if capture is not None:
        capture.fail(f"it changes {what}")


def watch(optimizer: Any) -> None:
    """What a step of `optimizer` depends on is to be the same at later calls."""
    capture = local.state.capture
    if capture is not None:
        capture.optimizer(optimizer)


def _derived(name: str) -> None:
    plain = getattr(float, name)
    fn = getattr(operator, name.replace("__r", "__"))
    swapped = name.startswith("__r")

    def method(self: HostFloat, *args: Any) -> Any:
        out = plain(self, *args)
        if out is NotImplemented or not isinstance(out, float):
            return out

        def get(values: Any) -> float:
            own = [self.get(values)]
            own += [a.get(values) if type(a) is HostFloat else a for a in args]
            return fn(*reversed(own)) if swapped else fn(*own)

        return _float(out, self.event, 0, get)

    setattr(HostFloat, name, method)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _derived(f"__{_name}__")
    _derived(f"__r{_name}__")
for _name in ("neg", "abs", "pos"):
    _derived(f"__{_name}__")


def _telling(name: str) -> None:
    plain = getattr(float, name)

    def method(self: HostFloat, *args: Any) -> Any:
        self.event.looked = True
        for a in args:
            if type(a) is HostFloat:
                a.event.looked = True
        return plain(self, *args)

    setattr(HostFloat, name, method)


for _name in (
    "eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "int", "float", "trunc", "floor", "ceil",
    "round", "divmod", "rdivmod", "mod", "rmod", "floordiv", "rfloordiv", "repr", "format",
):  # fmt: skip
    _telling(f"__{_name}__")
for _name in ("is_integer", "as_integer_ratio", "hex", "conjugate"):
    _telling(_name)

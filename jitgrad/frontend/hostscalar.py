"""What Python does besides recording while a function is being compiled, and does again per replay.

`host(fn)`: numbers that are computed anew at every call (a learning rate, a bias correction).
`on_replay(fn)`: an action that every call repeats. `refuse(what)`: a side effect that a replay
would skip. `watch(optimizer)`: what its step depends on. Outside `compile` these do the plain
thing. Imports: the thread's state.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.state import local


class Event:
    """A function that runs once per call, in recorded order; `values` is what it gave last."""

    __slots__ = ("fn", "values")

    def __init__(self, fn: Callable[[], Any]) -> None:
        self.fn = fn
        self.values: Any = fn()

    def run(self) -> None:
        """Once more."""
        self.values = self.fn()


class HostFloat(float):
    """A number from `host`; `get()` is its value in the present call.

    It is one of an event's values, or what `rule` computes (it was made with operators).
    """

    __slots__ = ("at", "event", "rule")
    event: Event
    at: int
    rule: Callable[[], float] | None

    def get(self) -> float:
        """The value in the present call."""
        return self.event.values[self.at] if self.rule is None else self.rule()


def _float(value: Any, event: Event, at: int, rule: Any = None) -> HostFloat:
    out = HostFloat(value)
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

        def get() -> float:
            values = [self.get(), *[a.get() if type(a) is HostFloat else a for a in args]]
            return fn(*reversed(values)) if swapped else fn(*values)

        return _float(out, self.event, 0, get)

    setattr(HostFloat, name, method)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _derived(f"__{_name}__")
    _derived(f"__r{_name}__")
for _name in ("neg", "abs", "pos"):
    _derived(f"__{_name}__")

"""Float arguments of a compiled function: which of them may have any value.

Calls that differ in floats alone are of one `Form`. A float that has been seen to change is no part
of the pattern of arguments from then on: the function is recorded with a number in its place that
notices when Python does more with it than arithmetic, and recordings with different values must
agree but for what follows from it. Else the form is closed: its floats count by value.
Entry: `Form`. Imports: recordings.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.recording import Recording

PATIENCE = 3  # recordings of one value after another that could not be compared
Floats = dict[int | str, float]


class Form:
    """Calls that differ in floats alone: `slots` are those that have been seen to change, `met` the
    values of the first call, `steady` the last recording by value, as (floats, facts, wiring)."""

    __slots__ = ("closed", "met", "slots", "steady", "waited")

    def __init__(self, floats: Floats) -> None:
        self.met = floats
        self.slots: frozenset[int | str] = frozenset()
        self.closed = False
        self.steady: tuple[Floats, list[Any], list[Any]] | None = None
        self.waited = 0

    def meet(self, floats: Floats) -> frozenset[int | str]:
        """One more call; the floats that may have any value in it."""
        if not self.closed:
            changed = [at for at, x in floats.items() if repr(x) != repr(self.met[at])]
            self.slots = self.slots.union(changed)
        return self.slots

    def close(self) -> None:
        """Its floats count by value."""
        self.closed = True
        self.slots = frozenset()

    def keep(self, recording: Recording) -> None:
        """A recording by value that agreed with another."""
        floats = recording.capture.pattern.floats
        self.steady = floats, recording.facts, recording.wiring

    def shown(self, first: Recording, second: Recording) -> bool:
        """Whether the agreement of two recordings, or with the one by value, was one in spite of
        different floats."""
        now = second.capture.pattern.floats
        if self._apart(first.capture.pattern.floats, now):
            return True
        if self.steady is None or not self._apart(self.steady[0], now):
            return False
        _, facts, wiring = self.steady
        return wiring == second.wiring and all(map(_alike, facts, second.facts))

    def _apart(self, a: Floats, b: Floats) -> bool:
        return all(repr(a[at]) != repr(b[at]) for at in self.slots)


def _alike(by_value: Any, fact: Any) -> bool:
    """Whether two facts are one, or what was a plain number follows from an argument now."""
    return by_value == fact or (by_value[0] == "scalar" and fact == ("host", by_value[1]))

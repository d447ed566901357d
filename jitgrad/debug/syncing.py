"""`sync`: what made recorded operations run, and on which of the user's lines.

Imports: frontend.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jitgrad.frontend import pending
from jitgrad.frontend.state import local


@dataclass(frozen=True)
class Sync:
    """One forced evaluation: what forced it ("item", "optimizer step", ...) and where."""

    what: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.what:<16}  {os.path.basename(self.file)}:{self.line}"


@dataclass
class Syncs:
    """What `sync` saw, in `events`, in order; printing it shows how often each happened."""

    events: list[Sync] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{times:>6}  {event}" for event, times in Counter(self.events).most_common()]
        return "\n".join([f"{len(self.events)} forced evaluations", *lines])


@contextmanager
def sync() -> Iterator[Syncs]:
    """Note every evaluation that this thread forces in a block.

    That are reads (`item`, `numpy`, `print`, a condition on a Tensor, ...), optimizer steps,
    batches asked of a DataLoader and chains that grow from one line until they are cut. In eager
    mode each operation runs by itself, and a compiled call runs what it recorded: neither is
    listed.

    Example:
        >>> import jitgrad as jg
        >>> x = jg.ones(3)
        >>> with sync() as found:
        ...     while x.sum() < 10:
        ...         x = x * 2
        >>> [event.what for event in found.events]
        ['bool', 'bool', 'bool']
        >>> print(found)
        3 forced evaluations
             3  bool              ...:2
    """
    found = Syncs()
    own = local.state

    def observe(what: str, site: Any) -> None:
        if local.state is own:
            found.events.append(Sync(what, site[0], site[1]))

    pending.observers.append(observe)
    try:
        yield found
    finally:
        pending.observers.remove(observe)

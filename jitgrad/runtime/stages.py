"""Where the time before a new schedule could run went: `Stages`, for JITGRAD_DEBUG=1.

The time since the schedule before it, or since `import jitgrad`, is the recording of its nodes and
whatever else the program did. Imports `batch`, `build`.
"""

from __future__ import annotations

import dataclasses
import time

from jitgrad.runtime import batch, build

_ready = time.perf_counter()  # when the last schedule was, or this module was imported


class Stages:
    """Starts now; `scheduled()` ends the first stage, `told()` all of them."""

    def __init__(self) -> None:
        self._start = self._scheduled = time.perf_counter()
        self._spent = dataclasses.replace(batch.spent)
        self._load_s = build.counters.load_s

    def scheduled(self) -> None:
        """The schedule is there, its machine code is not."""
        self._scheduled = time.perf_counter()

    def told(self) -> str:
        """All stages of some length in ms, as one piece of text."""
        global _ready
        end, spent, before = time.perf_counter(), batch.spent, self._spent
        parts = [
            ("scheduling", self._scheduled - self._start),
            ("importing Numba", spent.importing - before.importing),
            ("typing and lowering", spent.lowering - before.lowering),
            ("waiting for LLVM", spent.waiting - before.waiting),
            ("loading", build.counters.load_s - self._load_s),
        ]
        text = [f"{name} {seconds * 1e3:.0f}" for name, seconds in parts if seconds >= 5e-4]
        llvm = spent.llvm - before.llvm
        if llvm:
            text.append(f"LLVM in its thread {llvm * 1e3:.0f}")
        outside, _ready = self._start - _ready, end
        total = f"{(end - self._start) * 1e3:.0f} ms"
        inside = f" ({', '.join(text)})" if text else ""
        return f"{total}{inside}, {outside * 1e3:.0f} ms of recording and other code before"

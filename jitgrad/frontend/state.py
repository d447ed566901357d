"""What recording depends on, per thread; where in the user's program an op is recorded.

Entry: `local.state`, `place(state)`. Imports: ir.
"""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType
from typing import Any

from jitgrad.ir import site as ir_site
from jitgrad.ir.site import Site

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Place:
    """One instruction of the user's program that records an op (reached by one path in jitgrad).

    `count` and `depth` say how often it ran since the last full flush and how deep its first
    result was: what it takes to see a chain that grows, see `pending.grow`.
    """

    __slots__ = ("count", "cutter", "depth", "epoch", "parts", "site")

    def __init__(self, site: Site) -> None:
        self.site = site
        self.count = 0
        self.depth = 0
        self.epoch = -1
        self.cutter = False
        self.parts: list[Place] = []  # of a composed function called here: its ops, in order


class State:
    """The modes of one thread and what it has recorded but not computed."""

    __slots__ = (
        "after_cut",
        "base",
        "capture",
        "codes",
        "eager",
        "epoch",
        "forced",
        "grad",
        "inference",
        "limit",
        "pending",
        "recorded",
        "rule",
        "step",
        "tracing",
    )

    def __init__(self) -> None:
        self.grad = True  # record Edges
        self.inference = False
        self.rule = False  # numbers are written by a rule, not by the user: Const
        self.forced = False  # ops are recorded as coming from the site of a gradient rule
        self.base: Place | None = None  # where the composed function that is running was called
        self.step = 0  # how many ops it has recorded
        self.tracing = False  # what is recorded becomes the body of a Call
        self.capture: Any = None  # the recording of a compiled function that is going on
        self.eager = default_eager[0]
        self.pending: list[Any] = []  # weak references to Storages that may be pending
        self.limit = 1024  # length at which dead references are swept out
        self.recorded = 0  # ops since the last full flush, as far as sweeps counted them
        self.epoch = 0  # number of full flushes
        self.after_cut = False
        self.codes: dict[int, tuple[CodeType, dict[Any, Place] | None]] = {}


# How often a Tensor that existed got another storage, history or hooks; compiled functions look.
rebound = [0]
default_eager = [False]  # the mode that new threads start in


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = State()


local = _Local()


def place(state: State) -> Place:
    """The innermost instruction outside jitgrad; the path inside distinguishes its ops."""
    base = state.base
    if base is not None:
        step = state.step
        state.step = step + 1
        if step == len(base.parts):
            base.parts.append(Place(base.site))
        return base.parts[step]
    codes = state.codes
    frame: Any = sys._getframe(2)
    path = []
    while frame is not None:
        code = frame.f_code
        entry = codes.get(id(code))
        if entry is None:
            entry = _classify(codes, code)
        places = entry[1]
        path.append(frame.f_lasti)
        if places is not None:
            key = tuple(path)
            found = places.get(key)
            if found is None:
                found = places[key] = Place((code.co_filename, frame.f_lineno, ""))
            return found
        frame = frame.f_back
    return _NOWHERE


_NOWHERE = Place(("<unknown>", 0, ""))


def _classify(codes: Any, code: CodeType) -> tuple[CodeType, dict[Any, Place] | None]:
    """Remember whether `code` is jitgrad's; the entry keeps it alive, so that its id stays its."""
    if len(codes) > 20_000:  # programs that generate code
        codes.clear()
    entry = codes[id(code)] = (code, None if code.co_filename.startswith(_ROOT) else {})
    return entry


def site(state: State) -> Site:
    """The user's line, or what a gradient rule is run for."""
    return ir_site.here() if state.forced else place(state).site

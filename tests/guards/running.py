"""A case run lazily and compiled, and what the compiled run did about its change.

Entry: `Case`, `case`, `way`, `CASES`, `run(name)`.
"""

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import jitgrad as jg
from jitgrad.frontend.compiling import Compiled
from jitgrad.runtime.stats import counts as runtime_counts
from tests.frontend.compiled import bits

BEFORE, AFTER = 4, 5  # calls; those that leave gradients behind may record one more time


@dataclass(frozen=True)
class Case:
    """`make(compile)` returns (call, change): `call(i)` returns what it left behind."""

    make: Callable[[Any], tuple[Callable[[int], Any], Callable[[], None]]]
    # How the reason given for the new recording begins ("": there need be none, as the call has
    # been met before); None: the program that is there serves on.
    reason: str | None


@dataclass
class Outcome:
    """What the compiled run did."""

    equal: bool  # to the lazy run, bit for bit, after every call
    replayed: bool  # the calls just before the change and the last one
    recorded: int  # calls after the change that ran in Python
    reasons: list[str]  # given for them


CASES: dict[str, Case] = {}


def case(reason: str | None = None):
    """Register a case under its function's name; `reason` begins what `stats()` says."""

    def add(make):
        CASES[make.__name__.replace("_", " ").strip()] = Case(make, reason)
        return make

    return add


def way(reason: str):
    """Register a case given as a function of a Tensor and a setter of the number that it reads by
    way of what Python has; the number is 1, then 2."""

    def add(make):
        def both(compile):
            read, set_to = make()
            set_to(1.0)
            f = compile(read)
            return (lambda i: f(jg.arange(4.0) + i)), lambda: set_to(2.0)

        return case(reason)(functools.wraps(make)(both))

    return add


class Holder:
    """An object of the user's with one number."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain


def setter(value: Any, name: str = "gain") -> Callable[[float], None]:
    """Sets an attribute."""
    return functools.partial(setattr, value, name)


def run(name: str) -> Outcome:
    """Run a case both ways."""
    chosen = CASES[name]
    plain, _, _ = _calls(chosen, lambda fn: fn)
    seen, recorded, told = _calls(chosen, jg.compile)
    reasons = [f"{t['what']}: {t['was']} -> {t['now']}" for t in told if "function" in t]
    after = recorded[BEFORE:]
    return Outcome(plain == seen, not (recorded[BEFORE - 1] or after[-1]), sum(after), reasons)


def _calls(chosen, compile):
    """After each call: what it left, how often the function ran in Python; reasons after the
    change."""
    ran = []
    record = Compiled._record

    def recording(*args):
        ran.append(args)
        return record(*args)

    jg.manual_seed(3)
    seen, counts = [], []
    recorded = mock.patch.object(Compiled, "_record", recording)
    with recorded, mock.patch.dict(os.environ), mock.patch.dict(vars(math)), _undone():
        call, change = chosen.make(compile)
        for i in range(BEFORE + AFTER):
            if i == BEFORE:
                change()
                runtime_counts.recompiles.clear()  # of which only the last are kept
            ran.clear()
            seen.append(bits(call(i)))
            counts.append(len(ran))
    return seen, counts, jg.stats()["recompiles"]


class _undone:
    """Global modes as they were, at the end."""

    def __enter__(self):
        self.before = jg.is_grad_enabled(), jg.get_default_dtype(), jg.get_num_threads()

    def __exit__(self, *_):
        grad, dtype, threads = self.before
        jg.set_grad_enabled(grad)
        jg.set_default_dtype(dtype)
        jg.set_num_threads(threads)
        jg.set_mode("lazy")

"""A program: steps bound to machine code, walked by one native call. `Program(steps).run()`.

A `Step` is a Function, its segments (argument block, number of units), the chunk size in units and
the scratch it needs. A kernel gives the same bits for every split of its units, so the number of
threads changes nothing. A kernel that returns an error ends the program after its step; `run`
returns the `Failure`. Under JITGRAD_JIT=0 the steps run as Python. Imports `threads`, `interpret`.
"""

import dataclasses
import weakref

import numpy as np

from jitgrad.kernels.driver import ROW, SEGMENT

from . import interpret, pool, threads
from .build import Function


@dataclasses.dataclass(frozen=True)
class Failure:
    """What the kernel of a step reported; which one is the same for every number of threads."""

    step: int
    segment: int
    code: int
    op: int
    element: int
    value: int


@dataclasses.dataclass(eq=False)
class Step:
    """One call of `function` over segments: (argument block from `pack`, number of units)."""

    function: Function
    segments: list
    grain: int = 1
    scratch: int = 0
    serial: bool = False


_live: "weakref.WeakSet[Program]" = weakref.WeakSet()


def known(name):
    """The Function of a kernel that some program runs, or None."""
    for program in list(_live):
        for step in program.steps:
            if step.function.name == name:
                return step.function
    return None


def replace(function):
    """Run `function` wherever a program runs a kernel of its name; hold `execution_lock`."""
    for program in list(_live):
        for row, step in zip(program.table, program.steps, strict=True):
            same_kind = bool(step.function.python) == bool(function.python)
            if step.function.name == function.name and same_kind:
                step.function = function
                row[0] = function.address


class Program:
    """Steps in order. `table` and `segments` may be rewritten in place between runs.

    table: int64 [steps, 8]: address, segments, their number, grain, 1 if serial, scratch bytes;
    segments[step]: int64 [segments, 2]: address of the argument block, units.
    """

    def __init__(self, steps):
        self.steps = list(steps)
        self.table = np.zeros((len(self.steps), ROW), np.int64)
        self.segments = []
        for row, step in zip(self.table, self.steps, strict=True):
            segments = np.zeros((len(step.segments), SEGMENT), np.int64)
            for at, (block, units) in enumerate(step.segments):
                segments[at] = block.ctypes.data, units
            self.segments.append(segments)
            address, count = segments.ctypes.data, len(segments)
            row[:6] = step.function.address, address, count, step.grain, step.serial, step.scratch
        self.scratch_bytes = max((step.scratch for step in self.steps), default=0)
        self._interpreted = any(step.function.python for step in self.steps)
        self._where = threads.word(self.table.ctypes.data), threads.word(len(self.steps))
        _live.add(self)

    def run(self):
        """Run all steps: None, or the Failure that ended the program."""
        with threads.execution_lock:
            return self.walk()

    def walk(self):
        """As `run`, for who holds `execution_lock`."""
        if not self.steps:  # the driver notes in the first row how long it ran
            failed = None
        elif self._interpreted:
            failed = self._interpret()
        else:
            failed = threads.run(*self._where, self.scratch_bytes)
        return Failure(*failed) if failed else None

    def _interpret(self):
        memory = np.zeros(interpret.ERROR_BYTES + self.scratch_bytes, np.uint8)
        error = memory[: interpret.ERROR_BYTES].view(np.int64)
        scratch = memory[interpret.ERROR_BYTES :]
        for number, (step, segments) in enumerate(zip(self.steps, self.segments, strict=True)):
            function, first = step.function, None
            for at, (block, units) in enumerate(segments.tolist()):
                if units <= 0:
                    continue
                code = interpret.call(function, block, 0, units, scratch, error)
                if code and first is None:
                    first = number, at, code, *error[1:4].tolist()
            if first:
                return first
        return None


def pack(params, values):
    """The argument block of a kernel with `params`: Buffers, arrays, addresses and numbers."""
    words = np.zeros(1 + len(params), np.int64)
    for at, ((name, kind, *_), value) in enumerate(zip(params, values, strict=True), 1):
        if not kind.endswith("*"):
            dtype = interpret.DTYPES[kind]
            words[at : at + 1].view(dtype)[0] = value
        elif isinstance(value, pool.Buffer):
            words[at] = value.ptr
        elif isinstance(value, np.ndarray):
            words[at] = value.ctypes.data
        elif isinstance(value, int):
            words[at] = value
        else:
            raise TypeError(f"{name}: expected a Buffer, an array or an address, got {value!r}")
    return words

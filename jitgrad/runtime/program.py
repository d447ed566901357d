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


@dataclasses.dataclass(eq=False)
class Repeat:
    """`steps` that run `times` times; at every turn their argument blocks lie `stride` bytes
    further."""

    steps: list
    times: int = 1
    stride: int = 0

    def lay_out(self, table, segments):
        """Fill in the rows of all turns, and the segments that they refer to."""
        blocks = [segment for step in self.steps for segment in step.segments]
        turns = np.arange(self.times)[:, None]
        segments = segments.reshape(self.times, len(blocks), SEGMENT)
        segments[:, :, 0] = [block.ctypes.data for block, _ in blocks] + turns * self.stride
        segments[:, :, 1] = [units for _, units in blocks]
        table = table.reshape(self.times, len(self.steps), ROW)
        at = segments.ctypes.data
        for k, step in enumerate(self.steps):
            rest = len(step.segments), step.grain, step.serial, step.scratch
            table[:, k, :6] = step.function.address, at, *rest
            at += len(step.segments) * segments.strides[1]
        table[:, :, 1] += turns * segments.strides[0]


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
    """Steps in order, some of them in a `Repeat`. Tables may be rewritten in place between runs.

    steps: one for each row of `table`, which is int64 [steps, 8]: address, segments, their number,
    grain, 1 if serial, scratch bytes.
    """

    def __init__(self, steps):
        parts = list(_runs(steps))
        self.steps = [step for part in parts for step in part.steps * part.times]
        self._ends = np.cumsum([len(step.segments) for step in self.steps], dtype=np.int64)
        self._segments = np.zeros((int(self._ends[-1]) if parts else 0, SEGMENT), np.int64)
        self.table = np.zeros((len(self.steps), ROW), np.int64)
        row = 0
        for part in parts:
            first, row = row, row + len(part.steps) * part.times
            start = int(self._ends[first - 1]) if first else 0
            part.lay_out(self.table[first:row], self._segments[start : int(self._ends[row - 1])])
        self.scratch_bytes = max((step.scratch for step in self.steps), default=0)
        self._interpreted = any(step.function.python for step in self.steps)
        self._where = threads.word(self.table.ctypes.data), threads.word(len(self.steps))
        _live.add(self)

    @property
    def segments(self):
        """Of each row: int64 [segments, 2]: address of the argument block, units."""
        return np.split(self._segments, self._ends[:-1])

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


def _runs(steps):
    """`steps` as Repeats."""
    alone = []
    for step in steps:
        if not isinstance(step, Repeat):
            alone.append(step)
            continue
        if alone:
            yield Repeat(alone)
            alone = []
        yield step
    if alone:
        yield Repeat(alone)


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

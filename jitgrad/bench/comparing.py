"""`compare`: how long a function of yours takes, in each mode and with PyTorch.

Imports the public names and the front end.
"""

import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass

import jitgrad
from jitgrad.bench import clock
from jitgrad.bench.complete import complete, tensors
from jitgrad.bench.ported import Unported, ported
from jitgrad.frontend.compiling import uncompiled

MODES = ("eager", "lazy", "compiled", "torch")
EARLY = 3  # calls before warm ones: compiled functions record twice
TURNS = 5  # that each mode gets; what else the machine does then meets them all
_HEAD = ("mode", "first s", "compile s", "kernels", "median µs", "quartiles µs", "calls")


@dataclass(frozen=True)
class Timing:
    """One mode: its first calls, and the spread of warm ones, all with results complete."""

    mode: str
    first: float  # seconds of the first call, recording and compiling included
    compile: float  # seconds that the calls before warm ones took beyond them
    kernels: int  # compiled by Numba meanwhile; the others came from the disk cache
    warm: clock.Spread
    failed: str = ""  # why this mode has no times


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: `timings` by mode; printing it shows the table."""

    timings: dict[str, Timing]

    def __getitem__(self, mode):
        return self.timings[mode]

    def __str__(self):
        rows = [_HEAD, *(_row(timing) for timing in self.timings.values() if not timing.failed)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        return "\n".join(
            [*lines, *(f"{t.mode}: {t.failed}" for t in self.timings.values() if t.failed)]
        )


def _row(timing):
    warm = timing.warm
    return (
        timing.mode,
        f"{timing.first:.3f}",
        f"{timing.compile:.3f}",
        f"{timing.kernels}",
        f"{warm.median * 1e6:.1f}",
        f"{warm.low * 1e6:.1f}-{warm.high * 1e6:.1f}",
        f"{warm.runs}",
    )


def compare(fn, *args, modes=None, seconds=0.5):
    """Time `fn(*args)` in each of `modes`, until every Tensor that it returns is computed.

    The modes are "eager", "lazy", "compiled" and, by default where it is installed, "torch": the
    same source over PyTorch's modules, with copies of the Tensors that it uses. The first call,
    which records and compiles, is reported by itself; then the modes take turns, with `seconds` for
    each in all. What `fn` changes (parameters, say) stays changed. A function that cannot be
    compiled, or carried over to PyTorch, has the reason in that mode's place. Of what
    `jitgrad.compile` returned, the function that it was given is timed.

    PyTorch runs in this process here, on as many threads as jitgrad, with malloc as it is: the
    command `python -m jitgrad bench` gives it what it is best with.

    >>> import jitgrad as jg
    >>> from jitgrad import bench
    >>> modes = ["eager", "lazy", "compiled"]
    >>> found = bench.compare(lambda x: (x * 2).sum(), jg.ones(1000), modes=modes, seconds=0.01)
    >>> list(found.timings)
    ['eager', 'lazy', 'compiled']
    >>> found["lazy"].first >= found["lazy"].warm.best > 0
    True
    """
    if modes is None:
        installed = importlib.util.find_spec("torch") is not None
        modes = MODES if installed else MODES[:-1]
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise ValueError(f"modes: no mode {unknown[0]!r}; there are {', '.join(MODES)}")
    if not callable(fn):
        raise TypeError(f"compare: expected a function or a Module, not {type(fn).__name__}")
    fn = uncompiled(fn)
    runners = {mode: _Runner(mode, fn, args) for mode in modes}
    for _ in range(TURNS):
        for runner in runners.values():
            runner.turn(seconds / TURNS)
    return Comparison({mode: runner.timing() for mode, runner in runners.items()})


class _Runner:
    """One mode: its first calls are made at once, warm ones in turns."""

    def __init__(self, mode, fn, args):
        self.mode, self.failed = mode, ""
        self.early, self.times = [], []
        before = jitgrad.stats()["kernels_compiled"]
        try:
            with self._here():
                self.step, self.finish = self._prepared(fn, args)
                for _ in range(EARLY):
                    took, result = clock.once(self.step, self.finish)
                    self.early.append(took)
                if mode == "torch" and tensors(result):
                    raise Unported("it imports jitgrad itself")
        except Unported as why:
            self.failed = f"not run: {why}"
        except Exception as error:
            refused = mode == "compiled" and isinstance(error, RuntimeError)
            if mode != "torch" and not refused:
                raise
            self.failed = str(error) if refused else f"{type(error).__name__}: {error}"
        self.kernels = jitgrad.stats()["kernels_compiled"] - before

    def _prepared(self, fn, args):
        """The step, and what completes its result."""
        if self.mode == "torch":
            try:
                fn, args = ported(fn, args)
            except ImportError:
                raise Unported("PyTorch is not installed") from None
            return lambda: fn(*args), lambda value: value
        work = jitgrad.compile(fn) if self.mode == "compiled" else fn
        return lambda: work(*args), complete

    @contextmanager
    def _here(self):
        if self.mode != "torch":
            with jitgrad.mode("eager" if self.mode == "eager" else "lazy"):
                yield
            return
        try:
            import torch
        except ImportError:
            yield  # as `_prepared` will say
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(jitgrad.get_num_threads())
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            clock.settle()  # its threads spin where the next mode is timed

    def turn(self, seconds):
        """Some warm calls."""
        if not self.failed:
            with self._here():
                self.times += clock.repeat(self.step, self.finish, seconds)

    def timing(self):
        """What was found."""
        if self.failed:
            nothing = clock.Spread(0.0, 0.0, 0.0, 0.0, 0)
            return Timing(self.mode, 0.0, 0.0, 0, nothing, self.failed)
        warm = clock.Spread.of(self.times)
        building = sum(max(0.0, took - warm.median) for took in self.early)
        return Timing(self.mode, self.early[0], building, self.kernels, warm)

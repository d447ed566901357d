"""`compare`: how long a function of yours takes, in each mode. Imports the public names."""

from dataclasses import dataclass

import jitgrad
from jitgrad.bench import clock
from jitgrad.bench.complete import complete

MODES = ("eager", "lazy", "compiled")
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


def compare(fn, *args, modes=MODES, seconds=0.5):
    """Time `fn(*args)` in each of `modes`, until every Tensor that it returns is computed.

    The first call, which records and compiles, is reported by itself; then calls are repeated for
    `seconds`. What `fn` changes (parameters, say) stays changed. A function that cannot be compiled
    has the reason in that mode's place.

    >>> import jitgrad as jg
    >>> from jitgrad import bench
    >>> found = bench.compare(lambda x: (x * 2).sum(), jg.ones(1000), seconds=0.01)
    >>> list(found.timings)
    ['eager', 'lazy', 'compiled']
    >>> found["lazy"].first >= found["lazy"].warm.best > 0
    True
    """
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise ValueError(f"modes: no mode {unknown[0]!r}; there are {', '.join(MODES)}")
    return Comparison({mode: _measure(mode, fn, args, seconds) for mode in modes})


def _measure(mode, fn, args, seconds):
    with jitgrad.mode("eager" if mode == "eager" else "lazy"):
        if mode != "compiled":
            return _time(mode, fn, args, seconds)
        try:
            return _time(mode, jitgrad.compile(fn), args, seconds)
        except RuntimeError as error:
            return Timing(mode, 0.0, 0.0, 0, clock.Spread(0.0, 0.0, 0.0, 0.0, 0), str(error))


def _time(mode, fn, args, seconds):
    def step():
        return fn(*args)

    before = jitgrad.stats()["kernels_compiled"]
    early = [clock.once(step, complete)[0] for _ in range(3)]
    warm = clock.Spread.of(clock.repeat(step, complete, seconds))
    building = sum(max(0.0, took - warm.median) for took in early)
    kernels = jitgrad.stats()["kernels_compiled"] - before
    return Timing(mode, early[0], building, kernels, warm)

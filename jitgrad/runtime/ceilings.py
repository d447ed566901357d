"""What this machine reaches at best: bytes a second by copying, operations by matrix products.

Entry: `share(seconds, *work(plan, step))`: how near a step came to the higher of its two floors.
A ceiling is measured when first asked for, once for each number of threads; only who looks asks
(JITGRAD_DEBUG=2, `debug.explain`, `debug.profile`), a normal run never does. Imports: runtime.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jitgrad.runtime import blas, build, interpret, pool, switches, threads
from jitgrad.runtime.bind import GRAIN, SERIAL, Bound
from jitgrad.runtime.program import Program, Step, pack

LOW = 0.6  # a step that reaches less of its ceiling is marked
TINY, LEAST, MOST = 1 << 6, 1 << 16, 1 << 27  # bytes that are copied to find out
SIZES = (512, 1024)  # of the square products, the best of which counts
_PATIENCE = 5e-3  # seconds that one measurement may take
_RUNS = 3  # but so many runs at least

_known: dict[tuple[int, str, int], float] = {}


class _Copy:
    """out = x, in the form of every other kernel."""

    name = "copy"
    params = (("x", "f32*"), ("out", "f32*"))
    source = (
        "import numpy as np\n"
        "def copy(error, x, out, lo, hi, scratch):\n"
        "    for i in range(lo, hi):\n"
        "        out[i] = x[i]\n"
        "    return np.int32(0)\n"
    )


class _Product:
    """c = a @ b, square; a unit is so many rows as one thread gets."""

    name = "product"
    template = (
        "import numpy as np\n"
        "from jitgrad.kernels.cblas import {0}\n"
        "from jitgrad.kernels.intrinsics import at\n"
        "def product(error, a, b, c, n, rows, lo, hi, scratch):\n"
        "    for p in range(lo, hi):\n"
        "        top = p * rows\n"
        "        some = min(rows, n - top)\n"
        "        left, into = at(a, top * n), at(c, top * n)\n"
        "        {0}(0, 0, some, n, n, left, n, b, n, into, n)\n"
        "    return np.int32(0)\n"
    )

    def __init__(self, suffix: str) -> None:
        pointers = tuple((name, f"{suffix}*") for name in "abc")
        self.params = (*pointers, ("n", "i64"), ("rows", "i64"))
        self.source = self.template.format({"f32": "sgemm", "f64": "dgemm"}[suffix])


def copy_seconds(nbytes: int) -> float:
    """How long a copy takes that touches `nbytes` in all, launched as every kernel is."""
    if nbytes < LEAST:  # most of it is the launch
        launch = _copied(TINY)
        return launch + max(0.0, _copied(LEAST) - launch) * nbytes / LEAST
    size = min(1 << (nbytes - 1).bit_length(), MOST)
    return _copied(size) * nbytes / size


def copier(nbytes: int) -> Callable[[], object]:
    """A function that copies one half of so many bytes to the other."""
    count = max(1, nbytes // 8)
    x, out = pool.alloc(4 * count), pool.alloc(4 * count)
    x.array[:] = 0
    block = pack(_Copy.params, [x, out])
    step = Step(build.get(_Copy), [(block, count)], grain=GRAIN, serial=count <= SERIAL)
    program = Program([step])
    kept = block, x, out  # the program has their addresses

    def run() -> object:
        return program.run() or kept

    return run


def _copied(size: int) -> float:
    key = size, "copy", threads.wanted()
    if key not in _known:
        _known[key] = _best(copier(size))
    return _known[key]


def flops_per_second(suffix: str = "f32") -> float:
    """The best rate of OpenBLAS over a few sizes, one single-threaded call on each thread."""
    count = threads.wanted()
    key = 0, suffix, count
    if key not in _known:
        blas.load()
        kernel = _Product(suffix)
        rates = []
        for n in SIZES:
            rows = -(-n // count)
            size = n * n * interpret.DTYPES[suffix].itemsize
            a, b, c = (pool.alloc(size) for _ in range(3))
            for buffer in (a, b):
                buffer.array.view(interpret.DTYPES[suffix])[: n * n] = 1
            block = pack(kernel.params, [a, b, c, n, rows])
            program = Program([Step(build.get(kernel), [(block, -(-n // rows))])])
            rates.append(2 * n**3 / _best(program.run))
        _known[key] = max(rates)
    return _known[key]


def _best(run: Callable[[], object]) -> float:
    """Seconds of the quickest of several runs."""
    run()
    best, spent, runs = float("inf"), 0.0, 0
    while runs < _RUNS or spent < _PATIENCE:
        start = time.perf_counter()
        run()
        took = time.perf_counter() - start
        best, spent, runs = min(best, took), spent + took, runs + 1
    return best


def share(seconds: float, nbytes: int, flops: int = 0, suffix: str = "f32") -> float | None:
    """The part of its ceiling that a step of `seconds` reached; None when kernels are interpreted.

    `flops` are those of a matrix product in `suffix`, 0 if there is none: other arithmetic is held
    against memory, which it should be as fast as.
    """
    if not switches.jit() or seconds <= 0:
        return None
    floor = copy_seconds(nbytes) if nbytes else 0.0
    if flops:
        floor = max(floor, flops / flops_per_second(suffix))
    return floor / seconds if floor else None


def work(plan: Bound, number: int) -> tuple[int, int, str]:
    """What `share` has to know of a step of a bound plan."""
    for kernel in plan.schedule.steps[number].kernels:
        product = kernel.product
        if product is not None and product.dtype.kind == "f":
            return plan.step_bytes[number], plan.step_flops[number], product.dtype.suffix
    return plan.step_bytes[number], 0, "f32"


def told(part: float | None) -> str:
    """A share as the end of a line: `, 93 % of the ceiling`, marked if it is low."""
    if part is None:
        return ""
    return f", {part:.0%} of the ceiling" + (f"  << below {LOW:.0%}" if part < LOW else "")

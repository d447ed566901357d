"""The thread pool that programs run on: `run(table, steps)`, `set_num_threads`, `get_num_threads`.

Workers are Python threads that stay inside one native call (`kernels/driver.py`) for the life of
the pool; they start with the first program that needs them, spin a while between steps and then
sleep. Programs of several Python threads take turns through `execution_lock`; a forked child runs
on one thread. Imports the modules of building, `pool` and `fork`.
"""

import atexit
import ctypes
import functools
import math
import os
import sys
import threading
import time

import numpy as np

from jitgrad.kernels import driver

from . import build, fork, pool, switches
from .interpret import ERROR_BYTES

MAX_THREADS = 256
_IDLE_S = 50e-6  # how long a worker spins before it sleeps
_YIELD_S = 2e-6  # how long thread 0 spins for a worker before it offers its core
# Without argument types, each of which ctypes would convert by a Python call: all are words.
_NATIVE = ctypes.CFUNCTYPE(ctypes.c_int32)
word = ctypes.c_ssize_t
_NONE = word(0)
execution_lock = threading.RLock()
_wanted: int | None = None
_pool: "_Pool | None" = None


class _Driver:
    """The native driver as a kernel, so that it is built and kept as all others are."""

    name = "driver"
    form = "words"
    params = (("state", "i64*"), ("what", "i64"))
    source = (
        "import numpy as np\n"
        "from jitgrad.kernels.driver import drive\n"
        "def driver(error, state, what, lo, hi, scratch):\n"
        "    return np.int32(drive(state, what, lo, hi))\n"
    )


@functools.cache
def default_threads():
    """The cores this process may use: its affinity, and its share by cgroup limits."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(cores or 1, _cgroup_cores(), MAX_THREADS)))


def get_num_threads():
    """The threads that the next program runs on. Users ask by it: a compiled function must not."""
    return wanted()


def wanted():
    """`get_num_threads` for ourselves."""
    if _wanted is None:
        set_num_threads(default_threads())
    return _wanted


def set_num_threads(n):
    """Run programs on `n` threads from now on; results do not change."""
    global _wanted
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_THREADS:
        raise ValueError(f"n={n!r}: expected an integer from 1 to {MAX_THREADS}")
    with execution_lock:
        _wanted = n if sys.platform.startswith("linux") and not fork.in_child() else 1


def run(table, steps, scratch_bytes):
    """Run the program of `steps` rows at address `table`, both of them `word`s: None, or the
    record of a failure: (step, segment, code, op, element, value).

    Call it with `execution_lock` held.
    """
    pool = _pool
    if pool is None or pool.threads != _wanted or scratch_bytes > pool.scratch_bytes:
        pool = _ready(scratch_bytes)
    if pool.drive(pool.block, table, steps, _NONE):
        return pool.failure(steps.value)
    return None


def _ready(scratch_bytes):
    """The pool, with as many threads as are wanted and so much scratch for each."""
    global _pool
    threads = wanted()
    if _pool is None or _pool.capacity < threads:
        if _pool is not None:
            _pool.stop()
        _pool = _Pool(threads)
    _pool.prepare(threads, scratch_bytes)
    return _pool


def kernels():
    """What a pool that is still to be made needs built, so that it is along with what it runs."""
    return [_Driver] if _pool is None and switches.jit() else []


class _Pool:
    """The shared state, the workers and their scratch."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.memory = pool.alloc(8 * (driver.THREADS + capacity * driver.WORDS_PER_THREAD))
        self.state = self.memory.array.view(np.int64)
        self.state[:] = 0
        self.cores = _core_bits(capacity)
        self.state[driver.CORES] = self.cores.ctypes.data
        self.state[driver.CORE_WORDS] = self.cores.shape[1]
        # A program of machine code may run after JITGRAD_JIT was set to 0.
        self.drive = _NATIVE(build.machine_code([_Driver])[0].address)
        # One argument block for each thing that the driver does.
        self.blocks = np.array([[0, self.memory.ptr, what] for what in range(5)], np.int64)
        first = self.blocks.ctypes.data
        self.arguments = [word(first + what * self.blocks.strides[0]) for what in range(5)]
        self.scratch_bytes = -1
        self.scratch: list = []
        self.threads = 0
        self.block = None
        self.workers: list = []

    def stop(self):
        """End the workers, if any."""
        self.drive(self.arguments[driver.STOP], _NONE, _NONE, _NONE)
        for worker in self.workers:
            worker.join(1.0)
        self.workers = []

    def prepare(self, threads, scratch_bytes):
        """From now on run on so many threads; `block` tells the driver so."""
        if scratch_bytes > self.scratch_bytes:
            size = max(scratch_bytes, 1 << 16)
            self.scratch = [pool.alloc(size + ERROR_BYTES) for _ in range(self.capacity)]
            for thread, buffer in enumerate(self.scratch):
                line = driver.THREADS + thread * driver.WORDS_PER_THREAD
                self.state[line + driver.SCRATCH] = buffer.ptr + ERROR_BYTES
            self.scratch_bytes = size
        if threads > 1 and not self.workers:
            turn = self._turn_seconds()
            self.state[driver.SETTINGS + 1] = max(1, int(_IDLE_S / turn))
            self.state[driver.SETTINGS + 2] = max(1, int(_YIELD_S / turn))
            self.workers = [
                threading.Thread(
                    target=self._work,
                    args=(word(thread),),
                    name=f"jitgrad-{thread}",
                    daemon=True,
                )
                for thread in range(1, self.capacity)
            ]
            for worker in self.workers:
                worker.start()
        self.state[driver.SETTINGS] = self.threads = threads
        self.block = self.arguments[driver.WALK if threads > 1 else driver.WALK_ALONE]

    def _work(self, thread):
        # As a method: what the native code reads lives as long as a worker is in it.
        self.drive(self.arguments[driver.WORK], thread, _NONE, _NONE)

    def _turn_seconds(self):
        best = math.inf
        for _ in range(5):
            start = time.perf_counter()
            self.drive(self.arguments[driver.SPIN], word(1000), _NONE, _NONE)
            best = min(best, time.perf_counter() - start)
        return best / 1000

    def failure(self, steps):
        """The record of the failure that the last program of `steps` rows met first."""
        lines = self.state[driver.THREADS :].reshape(-1, driver.WORDS_PER_THREAD)
        first = int(self.state[driver.SERIAL]) - steps
        at = driver.FAILED_AT
        failed = [line for line in lines if line[at] >= first]
        worst = min(failed, key=lambda line: (line[at], line[driver.FAILED_CHUNK]))
        slot = worst[driver.FAILED_SLOT :]
        return (
            int(worst[at]) - first,
            int(worst[driver.FAILED_SEGMENT]),
            int(worst[driver.FAILED_CODE]),
            *(int(word) for word in slot[:3]),
        )


def _core_bits(capacity):
    """A bit for each core that this process may use, and room for such bits of each worker."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    bits = np.zeros((capacity, allowed[-1] // 64 + 1), np.uint64)
    for core in allowed:
        bits[0, core // 64] |= np.uint64(1 << core % 64)
    return bits.view(np.int64)


def _cgroup_cores():
    """How many cores' worth of time the control groups of this process allow."""
    cores = math.inf
    try:
        with open("/proc/self/cgroup") as file:
            lines = file.read().splitlines()
    except OSError:
        return cores
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = "/sys/fs/cgroup" + (f"/{controllers}" if controllers else "")
        parts = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(parts) + 1):
            cores = min(cores, _quota(os.path.join(root, *parts[:depth])))
    return cores


def _quota(folder):
    try:
        with open(os.path.join(folder, "cpu.max")) as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open(os.path.join(folder, "cpu.cfs_quota_us")) as file:
                quota = file.read().strip()
            with open(os.path.join(folder, "cpu.cfs_period_us")) as file:
                period = file.read().strip()
        except OSError:
            return math.inf
    if not quota.isdigit() or int(quota) <= 0:
        return math.inf
    return int(quota) / int(period)


def _forget():
    """In a forked child: the workers did not come along."""
    global _pool, _wanted
    _pool, _wanted = None, 1


def _stop():
    # Code and state must not go while a worker still runs on them.
    if _pool is not None:
        _pool.stop()


fork.guard(execution_lock, _forget)
atexit.register(_stop)

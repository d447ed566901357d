"""What threads need to work together: atomic words, a pause, sleeping and waking, calling a kernel.

Twins for one thread; `atomics_llvm` has the real ones. A word is element i of an int64 pointer.
May import: NumPy and ctypes.
"""

import ctypes
import time

import numpy as np

_KERNEL = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_void_p
)


def load(p, i):
    """The word, read before anything that follows."""
    return p[i]


def store(p, i, value):
    """Write the word after anything that precedes."""
    p[i] = value


def add(p, i, value):
    """Add to the word; what it was before."""
    before = p[i]
    p[i] = before + value
    return before


def swap(p, i, value):
    """Write the word; what it was before. Nothing moves across."""
    before = p[i]
    p[i] = value
    return before


def compare_swap(p, i, expected, value):
    """Write the word if it is as expected; whether it was."""
    same = p[i] == expected
    if same:
        p[i] = value
    return bool(same)


def pause():
    """Tell the core that this thread spins."""


def give_way():
    """Let another thread have the core."""


def core_now():
    """The number of the core that this thread runs on; -1 where the system does not tell."""
    return -1


def stay_on(address, words):
    """Let this thread run only on the cores whose bits are set in these words."""


def nanoseconds():
    """A clock that only goes forward."""
    return time.monotonic_ns()


def sleep_while(p, i, value):
    """Sleep until woken, unless the low 32 bits of the word differ from those of `value`."""


def wake_all(p, i):
    """Wake the threads that sleep on the word."""


def words_at(address):
    """A pointer to the int64 words at an address."""
    return np.ctypeslib.as_array((ctypes.c_int64 * (1 << 40)).from_address(address))


def call_kernel(function, block, low, high, scratch):
    """Call machine code: int32 function(void** block, intp low, intp high, void* scratch)."""
    return np.int32(_KERNEL(function)(block, low, high, scratch))

"""Faults that the simulator's tier must find, each in a program: what its tests rest on.

Entry: `FAULTS`, name -> (program, function that plants the fault in this process).
"""

import threading

from numba.cuda.simulator import kernelapi

from jitgrad.kernels import device, wide
from tests.cuda import block, simulator


def deaf():
    """No thread hears of another one in its warp."""
    simulator.REPLACED[device.shuffle_xor] = lambda x, mask: x


def no_barriers():
    """Nobody waits at a barrier."""
    block.Lane.syncthreads = lambda lane: None


def leaving():
    """The first thread of a block does not wait at barriers."""
    wait = block.Lane.syncthreads
    block.Lane.syncthreads = lambda lane: lane.threadIdx.x and wait(lane)


def straying():
    """The last thread of a block takes no part in shuffles."""

    def shuffle_xor(x, mask):
        last = threading.current_thread().threadIdx.x == 63
        return x if last else block.shuffle_xor(x, mask)

    simulator.REPLACED[device.shuffle_xor] = shuffle_xor


def no_stride():
    """Threads of the grid take their first piece of work alone."""
    kernelapi.FakeCUDAModule.gridsize = lambda module, n: 1 << 40


def one_warp():
    """What other warps of a team have is not joined."""
    simulator.REPLACED[device.slots_like] = lambda x: [x] * block.WARP


def no_tail():
    """Wide accesses ignore where a row ends."""
    for function in (wide._fetch, wide._spill):
        simulator.REPLACED[function] = _unending(function)


def _unending(function):
    return lambda *given: function(*given[:3], 1 << 40)


FAULTS = {
    "deaf": ("sums", deaf),
    "no barriers": ("sums", no_barriers),
    "leaving": ("sums", leaving),
    "straying": ("sums", straying),
    "one warp": ("softmax", one_warp),
    "no stride": ("long vectors", no_stride),
    "no stride over lines": ("long rows", no_stride),
    "no stride over rows": ("softmax of narrow rows", no_stride),
    "no tail": ("elementwise", no_tail),
}

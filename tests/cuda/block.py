"""Blocks of simulated threads that take turns, in the place of Numba's that run at once.

Numba's simulator polls threads that fight for the interpreter: a barrier of 64 takes it 50 ms. Here
one thread runs at a time, up to where it waits for others; who comes next is drawn anew after each
wait, so that what a missing barrier leaves to chance comes out one way and the other. Beyond Numba:

- a barrier that some threads of the block have left behind or never reach is an error, and so is a
  shuffle that not all threads of a warp take part in;
- shuffles are there (`shuffle_xor`), among the threads of a warp alone, as on the device;
- shared memory holds no zeros when a block begins, and nothing of the block before (`spoiled`).

Entry: `install`, before a kernel is launched.
"""

import random
import sys
import threading

import numpy as np
from numba.cuda.simulator import kernel, kernelapi
from numba.cuda.simulator.kernelapi import Dim3

WARP = 32
_BARRIER, _SHUFFLE = "a barrier", "a shuffle"


def install():
    """Put these blocks and their shared memory in the place of Numba's."""
    kernel.BlockManager = Block
    kernelapi.FakeCUDAShared = Shared


def shuffle_xor(x, mask):
    """The x of the thread of the warp whose number differs in the bits of `mask`."""
    return threading.current_thread().exchange(x, mask)


class _Ended(BaseException):
    """Unwinds a thread whose block has failed."""


class Lane(threading.Thread):
    """One thread of a block after the other; `threadIdx`, `blockIdx` and `syncthreads` are what
    Numba's `cuda` asks of the running thread."""

    def __init__(self):
        super().__init__(daemon=True)
        self.turn = _closed()
        self.start()

    def begin(self, body, block, place):
        """Take over the thread `place` of a block; it does not run yet."""
        self.body, self.block = body, block
        self.blockIdx, self.threadIdx = block.place, Dim3(place, 0, 0)
        self.waits, self.done = "", False

    def run(self):
        while True:
            self.turn.acquire()
            try:
                self.body()
            except _Ended:
                pass
            except Exception as error:
                self.block.failure = error
            self.done = True
            self.block.next()

    def wait(self, what):
        """Let others run until what is waited for has come."""
        self.waits = what
        self.block.next()
        self.turn.acquire()
        if self.block.failure is not None:
            raise _Ended

    def syncthreads(self):
        """All threads of the block come here before one goes on."""
        self.wait(_BARRIER)

    def exchange(self, x, mask):
        """See `shuffle_xor`."""
        self.given, self.mask = x, mask
        self.wait(_SHUFFLE)
        return self.taken


def _closed():
    lock = threading.Lock()
    lock.acquire()
    return lock


_lanes = []


class Block:
    """Runs one block of a grid. Numba makes one for each and calls `run`."""

    def __init__(self, function, grid, threads, debug):
        self.function = function
        self.count = threads[0]
        self.failure = None
        self.queue = []
        self.back = _closed()

    def run(self, place, *args):
        """All threads of the block at `place`."""
        kernel._get_kernel_context()._shared.renew()
        self.place = Dim3(*place)
        while len(_lanes) < self.count:
            _lanes.append(Lane())
        lanes = _lanes[: self.count]
        for number, lane in enumerate(lanes):
            lane.begin(lambda: self.function(*args), self, number)
        order = random.Random(repr(place))
        while ready := [lane for lane in lanes if not (lane.done or lane.waits)]:
            order.shuffle(ready)
            self.turns(ready)
            if self.failure is None:
                self.release(lanes)
            if self.failure is not None:
                self.turns([lane for lane in lanes if not lane.done])
                raise self.failure

    def turns(self, lanes):
        """Each of these threads runs, one after the other, until it waits or ends."""
        self.queue = lanes
        self.next()
        self.back.acquire()

    def next(self):
        """The turn goes to the next thread, at last to who gave out the turns."""
        (self.queue.pop().turn if self.queue else self.back).release()

    def release(self, lanes):
        """Let those go on for whom all have come; it is a failure if none can."""
        if all(lane.waits == _BARRIER for lane in lanes):
            for lane in lanes:
                lane.waits = ""
            return
        for first in range(0, len(lanes), WARP):
            warp = lanes[first : first + WARP]
            if all(lane.waits == _SHUFFLE for lane in warp):
                for number, lane in enumerate(warp):
                    lane.taken = warp[number ^ lane.mask].given
                    lane.waits = ""
        if all(lane.done or lane.waits for lane in lanes) and any(lane.waits for lane in lanes):
            waits = ", ".join(sorted({lane.waits for lane in lanes if lane.waits}))
            missing = sum(1 for lane in lanes if lane.done)
            text = f"threads wait at {waits}; {missing} of {len(lanes)} have ended"
            self.failure = RuntimeError(text)


class Shared(kernelapi.FakeCUDAShared):
    """Shared memory; an array is known by the line that asks for it, as Numba's are."""

    def array(self, shape, dtype):
        """The block's array of this line."""
        if shape == 0:
            return super().array(shape, dtype)
        frame = sys._getframe(1)
        place = frame.f_code, frame.f_lineno
        found = self._allocations.get(place)
        if found is None:
            found = self._allocations[place] = spoiled(np.empty(shape, dtype))
        return found

    def renew(self):
        """Forget what an earlier block wrote."""
        for array in (self._dynshared, *self._allocations.values()):
            spoiled(array)


def spoiled(array):
    """All bits set: NaN, or minus one."""
    array.view(np.uint8)[:] = 255
    return array

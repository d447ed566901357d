"""The ceiling of a matrix product: our copy of OpenBLAS called with nothing around it.

Entry: `threaded`, one call on the library's own threads; `per_core`, one call of the
single-threaded library on each core, over a share of the rows. Imports `runtime`.
"""

import ctypes
import threading

import numpy as np

from jitgrad.runtime import blas

_ROW_MAJOR, _AS_IS = 101, 111


def _product(library, a, b, c):
    """A function that computes the rows c = a @ b."""
    (m, k), n = a.shape, b.shape[1]
    call = library.scipy_cblas_sgemm
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    pa, pb, pc = (ctypes.c_void_p(x.ctypes.data) for x in (a, b, c))
    sizes = [ctypes.c_int(size) for size in (m, n, k)]
    kept = a, b, c  # the pointers are to their memory

    def run():
        call(
            _ROW_MAJOR, _AS_IS, _AS_IS, *sizes, one, pa, sizes[2], pb, sizes[1], zero, pc, sizes[1]
        )
        return kept[2]

    return run


def threaded(a, b, threads):
    """A function that computes a @ b in one call on `threads` threads of the library."""
    use(threads)
    return _product(blas.load(), a, b, _result(a, b))


def use(threads):
    """From now on a call of the library runs on so many threads of its own."""
    blas.load().scipy_openblas_set_num_threads(threads)


def per_core(a, b, threads):
    """A function that computes a @ b on `threads` Python threads, each in one call of its own."""
    library = blas.load()
    c = _result(a, b)
    edges = [len(a) * i // threads for i in range(threads + 1)]
    parts = [
        _product(library, a[lo:hi], b, c[lo:hi])
        for lo, hi in zip(edges, edges[1:], strict=False)
        if hi > lo
    ]
    helpers = [_Helper(part) for part in parts[1:]]

    def run():
        for helper in helpers:
            helper.start.release()
        parts[0]()
        for helper in helpers:
            helper.done.acquire()
        return c

    return run


def _result(a, b):
    return np.zeros((len(a), b.shape[1]), np.float32)  # written once, so that its pages exist


class _Helper:
    """A thread that runs `part` each time it is told to."""

    def __init__(self, part):
        self.start, self.done = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._loop, args=(part,), daemon=True).start()

    def _loop(self, part):
        while True:
            self.start.acquire()
            part()
            self.done.release()

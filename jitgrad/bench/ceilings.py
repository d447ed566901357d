"""The ceilings of a case: how long the machine itself takes at best.

Entry: `copy`, memory moved as fast as it goes; `product`, matrix products at the best rate of some.
Imports `runtime`, `sgemm`.
"""

import numpy as np

from jitgrad import set_num_threads
from jitgrad.bench import clock, sgemm
from jitgrad.runtime import ceilings

SIZES = (512, 1024, 2048)  # of the square products, the best of which is the ceiling


def copy(nbytes, threads):
    """A function that copies half of `nbytes` to the other half: as many bytes read and written as
    a case does at least, with as many resident."""
    set_num_threads(threads)
    return ceilings.copier(nbytes)


def product(flops, threads):
    """A function that runs one product, and a timer: how long `flops` take at the best rate of
    OpenBLAS over several sizes, called once on its own threads or on one thread for each core."""
    rng = np.random.default_rng(0)
    matrices = [[rng.standard_normal((n, n), np.float32) for _ in range(2)] for n in SIZES]
    # The library's own threads come last: they spin for 0.1 s after a call.
    makers = (sgemm.per_core, sgemm.threaded) if threads > 1 else (sgemm.threaded,)
    products = [
        (len(a), _alone(make(a, b, threads), make, threads)) for make in makers for a, b in matrices
    ]

    def timer(seconds):
        rates = []
        for n, run in products:
            times = clock.repeat(run, _same, seconds / len(products))
            rates.append(2 * n**3 / clock.Spread.of(times).median)
        return clock.Spread.of([flops / max(rates)])

    return products[0][1], timer


def _alone(run, make, threads):
    """The library is told how many threads it may use before each call: both ways share it."""
    count = threads if make is sgemm.threaded else 1

    def told():
        sgemm.use(count)
        return run()

    return told


def _same(value):
    return value

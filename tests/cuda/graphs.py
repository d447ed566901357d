"""The graph behind pending tensors and its CUDA schedule: `taken`, `scheduled`."""

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.cuda.emit import CUDA
from jitgrad.debug.explaining import waiting
from jitgrad.frontend.pending import kept


def taken(tensors):
    """The snapshot of what is pending."""
    return snapshot.take(kept(waiting(tensors, "explain")))


def scheduled(snap):
    """The CUDA schedule of a snapshot."""
    return schedules.build(snap, True, CUDA)

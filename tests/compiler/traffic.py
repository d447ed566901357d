"""Bytes that emitted source loads and stores outside scratch, counted while it runs interpreted.

Entry: `counted(run)`.
"""

from unittest import mock

from jitgrad.runtime import interpret


def counted(run):
    """Bytes loaded and stored through pointer parameters while `run()` computes."""
    total = 0
    element = interpret.Ptr._element

    def count(self, index):
        nonlocal total
        total += self.dtype.itemsize
        return element(self, index)

    with mock.patch.object(interpret.Ptr, "_element", count):
        run()
    return total

"""After os.fork: threads do not live on in the child, so it runs everything on its one thread.

`in_child()` says whether this process is such a child; `guard(lock, reset)` keeps what a module
locks whole across a fork. Imports nothing of jitgrad.
"""

import os

_child = False


def in_child():
    """Whether this process was forked from one that had jitgrad loaded."""
    return _child


def guard(lock, reset=None):
    """Hold the RLock `lock` during a fork; in the child free it and call `reset`."""

    def in_new_child():
        global _child
        _child = True
        if reset is not None:
            reset()
        lock.release()  # the thread that forked took it, and it is the one that lives on

    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=in_new_child
    )

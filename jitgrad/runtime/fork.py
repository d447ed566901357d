"""After os.fork: threads do not live on in the child, so it runs everything on its one thread.

`in_child()` says whether this process is such a child; `guard(lock, reset)` keeps what a module
locks whole across a fork; `renew(owner)` frees the lock of an object in the child, for locks that a
thread holds while the user's code runs. Imports nothing of jitgrad.
"""

import os
import threading
import weakref

_child = False
_owners = weakref.WeakSet()


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


def renew(owner):
    """Give `owner._lock`, an RLock, to `owner`, and another one in a child.

    A fork cannot wait for a lock under which the user's code runs: that may wait for who forks.
    """
    owner._lock = threading.RLock()
    _owners.add(owner)


def _renew_all():
    for owner in _owners:
        owner._lock = threading.RLock()  # whoever held the old one does not live on


os.register_at_fork(after_in_child=_renew_all)

"""What this process holds and what of it can be given back. Entry: `memory_stats`, `empty_cache`.

Imports: runtime.
"""

from __future__ import annotations

from jitgrad.runtime import flush, misses, pool, threads


def memory_stats() -> dict[str, int]:
    """Bytes of tensor memory, and how many schedules, plans and kernels are kept.

    `held_bytes` are mapped from the system (`peak_held_bytes` at most so far, in `mappings`):
    `live_bytes` are in use, `cached_bytes` wait to be used again. `schedules` and `plans` are
    bounded; `kernels` are machine code, which stays until the process ends.

    >>> import jitgrad as jg
    >>> before = jg.memory_stats()["live_bytes"]
    >>> x = (jg.zeros(1000, 1000) + 1).realize()
    >>> jg.memory_stats()["live_bytes"] - before >= 4_000_000
    True
    """
    schedules, plans = flush.kept()
    counted = {"schedules": schedules, "plans": plans, "kernels": misses.distinct()}
    return {**pool.memory_stats(), **counted}


def empty_cache() -> int:
    """Give unused tensor memory back to the system and drop schedules: the number of bytes.

    What is still in use stays, and so does machine code (about 0.25 MB a kernel): the loader
    cannot unmap it. Programs of compiled functions keep their schedules. Programs seen again are
    scheduled anew, which compiles nothing.

    >>> import jitgrad as jg
    >>> x = (jg.zeros(1000, 1000) + 1).realize()
    >>> del x
    >>> jg.empty_cache() >= 4_000_000
    True
    """
    with threads.execution_lock:
        flush.forget()
        return pool.empty_cache()

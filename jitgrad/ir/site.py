"""Where in the user's program an op was recorded: one (file, line) pair, found from one frame walk.

Entry: `here`. Imports nothing of jitgrad.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

Site = tuple[str, int, str]  # file, line, note ("" or "grad of tanh")

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_internal: dict[CodeType, bool] = {}


class _Local(threading.local):
    site: Site | None = None


_local = _Local()


def here() -> Site:
    """The innermost frame outside jitgrad, or the site forced by `at` (gradients, composed ops)."""
    forced = _local.site
    if forced is not None:
        return forced
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        inside = _internal.get(code)
        if inside is None:
            inside = _internal[code] = code.co_filename.startswith(_ROOT)
        if not inside:
            return (code.co_filename, frame.f_lineno, "")
        frame = frame.f_back
    return ("<unknown>", 0, "")


@contextmanager
def at(site: Site, note: str = "") -> Iterator[None]:
    """Record ops inside the block as coming from `site`."""
    before = _local.site
    _local.site = (site[0], site[1], note or site[2])
    try:
        yield
    finally:
        _local.site = before


def swap(site: Site | None) -> Site | None:
    """Set the forced site and return the one before: `at` without a context manager's cost."""
    before = _local.site
    _local.site = site
    return before

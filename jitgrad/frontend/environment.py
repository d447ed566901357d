"""Variables of the environment that a recorded function reads, each by its name where it has one.

`os.environ` is Python code over a dict: its methods are seen as they run.
Entry: `KINDS`, `note(watch, frame)`. Imports nothing of jitgrad.
"""

from __future__ import annotations

import os
from types import FunctionType
from typing import Any

_NAMED = ("__getitem__", "__setitem__", "__delitem__")  # the others read all variables
KINDS = {
    fn.__code__: name in _NAMED
    for name, fn in vars(type(os.environ)).items()
    if isinstance(fn, FunctionType) and name != "__init__"
}


def note(watch: Any, frame: Any) -> None:
    """Guard what one of those methods, which begins, will read or write."""
    names = frame.f_locals
    environment = names["self"]
    watch.note(os.__dict__, "item", "environ", "os.environ")
    if not KINDS[frame.f_code]:
        watch.note(environment, "attr", "_data", "os.environ", whole=True)
        return
    try:
        key = environment.encodekey(names["key"])
    except TypeError:  # which the user is about to be told
        return
    watch.note(environment._data, "item", key, f"os.environ[{os.fsdecode(key)!r}]")

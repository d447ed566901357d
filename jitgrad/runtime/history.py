"""What processes found in the disk cache: a line of JSON for each, in a file beside the kernels.

Entry: `keep(counters)`, which writes this process's line when it ends; `runs()`, `clear()`. A fault
costs the line and nothing else. Imports `cache`, `sources`.
"""

import atexit
import contextlib
import json
import os
import sys
import time

from . import cache, sources

FILE = "history.jsonl"
MOST = 64 << 10  # bytes; then the older half of the lines goes
_kept = []


def keep(counters):
    """Write down at the end of this process what `counters` say then."""
    if not _kept:
        _kept.append(os.getpid())
        atexit.register(_at_exit, counters)


def _at_exit(counters):
    if _kept == [os.getpid()]:  # a forked child has its parent's counters
        with contextlib.suppress(OSError):
            write(line(counters))


def line(counters):
    """One process as a dict."""
    return {
        "when": round(time.time()),
        "program": os.path.basename(sys.argv[0]) or "python",
        "hits": counters.loaded,
        "misses": counters.misses,
        "compiled": counters.compiled,
        "compile_s": round(counters.compile_s, 3),
        "environment": sources.environment(),
    }


def write(entry):
    """Append a line."""
    path = _path()
    if path is None:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags, 0o600), "ab", buffering=0) as file:
        file.write(json.dumps(entry).encode() + b"\n")  # one call: lines do not mix
        size = file.tell()
    if size > MOST:
        with open(path, "rb") as file:
            lines = file.readlines()
        temporary = f"{path}.{os.getpid()}.part"
        with open(temporary, "wb") as file:
            file.writelines(lines[len(lines) // 2 :])
        os.replace(temporary, path)


def runs():
    """The lines as dicts, oldest first, each with `why`: {reason: kernels} of its misses.

    A kernel that was absent is new, unless the versions, processor or flags that its code depends
    on are others than those of the process before: then what changed is the reason.
    """
    path, found, before = _path(), [], None
    if path is None:
        return found
    try:
        with open(path, "rb") as file:
            lines = file.readlines()
    except OSError:
        return found
    for text in lines:
        try:
            entry = json.loads(text)
            misses, environment = dict(entry["misses"]), entry["environment"]
        except (ValueError, KeyError, TypeError):
            continue
        absent = misses.pop("absent", 0)
        if absent:
            changed = _changed(before, environment)
            misses[changed or "new kernels"] = absent
        found.append(entry | {"why": misses})
        before = environment
    return found


def _changed(before, now):
    """The first part of the environment that is another, as `numba: 0.68.0 -> 0.68.1`."""
    if before is None or before == now:
        return ""
    old, new = _fields(before), _fields(now)
    for name in new:
        if old.get(name) != new[name]:
            was, become = (str(value)[:24] for value in (old.get(name), new[name]))
            return "code generator changed" if name == "codegen" else f"{name}: {was} -> {become}"
    return ""


def _fields(environment):
    return dict(part.partition("=")[::2] for part in environment.split(" "))


def clear():
    """Forget all lines."""
    path = _path()
    if path is not None:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _path():
    directory = cache.usable_directory()
    return None if directory is None else os.path.join(directory, FILE)

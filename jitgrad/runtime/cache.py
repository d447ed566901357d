"""The disk cache of machine code: one self-checking file a kernel; a fault is a miss, no crash.

`fetch(key) -> (Entry | None, reason)` and `store(key, entry)`. The directory is an executable trust
boundary: made with mode 0700, it must be ours, no symlink, writable by nobody else; otherwise
kernels are kept in memory only and one warning says so. Imports `switches` alone.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import time
import warnings

from . import switches

MAX_BYTES = 256 << 20
MAX_FILES = 8192
_MAGIC = b"jitgrad kernel 1\n"
_SUFFIX = ".kernel"
_TOUCH_AFTER = 3600  # seconds after which a hit renews the file's time
_TRIM_EVERY = 64  # stores between two looks at the directory's size
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

_checked: dict[str, bool] = {}
_stores = 0


@dataclasses.dataclass(frozen=True)
class Entry:
    """One kernel's object code, the symbol to call and the symbols it needs from outside."""

    symbol: str
    needs: tuple
    code: bytes


def fetch(key):
    """The entry stored under `key`, or None and why: absent, unreadable, corrupt, no directory."""
    directory = usable_directory()
    if directory is None:
        return None, "no directory"
    path = _path(directory, key)
    try:
        data = _read(path)
    except FileNotFoundError:
        return None, "absent"
    except OSError:
        return None, "unreadable"
    entry = _decode(data, key)
    return entry, "" if entry else "corrupt"


def store(key, entry):
    """Write `entry` under `key`; a fault leaves no entry."""
    global _stores
    directory = usable_directory()
    if directory is None:
        return
    path = _path(directory, key)
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}.part"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(_encode(key, entry))
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        # rm -rf during the run: the next store makes the directory again.
        _checked.pop(directory, None)
        if not isinstance(error, FileNotFoundError):
            _warn(f"cannot write there ({error.strerror})", directory)
            _checked[directory] = False
        return
    if _stores % _TRIM_EVERY == 0:
        trim(directory)
    _stores += 1


def usable_directory():
    """The cache directory, made if need be; None where it cannot be used safely."""
    directory = switches.cache_dir()
    usable = _checked.get(directory)
    if usable is None:
        fault = _fault(directory)
        if fault:
            _warn(fault, directory)
        usable = _checked[directory] = not fault
    return directory if usable else None


def trim(directory, max_bytes=MAX_BYTES, max_files=MAX_FILES):
    """Remove the least recently used entries above the limits, and writers' leftovers."""
    files, total, now = [], 0, time.time()
    with contextlib.suppress(OSError), os.scandir(directory) as listing:
        for item in listing:
            with contextlib.suppress(OSError):
                info = item.stat(follow_symlinks=False)
                if item.name.endswith(_SUFFIX):
                    files.append((info.st_mtime, info.st_size, item.path))
                    total += info.st_size
                elif item.name.endswith(".part") and now - info.st_mtime > 3600:
                    os.unlink(item.path)
    if total <= max_bytes and len(files) <= max_files:
        return
    files.sort()
    count = len(files)
    for _, size, path in files:
        if total <= max_bytes * 0.9 and count <= max_files * 0.9:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
        count -= 1


def summary():
    """(directory or None, number of entries, their bytes) for reports."""
    directory = usable_directory()
    count = size = 0
    if directory is not None:
        with contextlib.suppress(OSError), os.scandir(directory) as listing:
            for item in listing:
                if item.name.endswith(_SUFFIX):
                    count += 1
                    with contextlib.suppress(OSError):
                        size += item.stat(follow_symlinks=False).st_size
    return directory, count, size


def _path(directory, key):
    return os.path.join(directory, key + _SUFFIX)


def _read(path):
    descriptor = os.open(path, _READ)
    with open(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
            raise PermissionError("not a regular file of this user")
        if time.time() - info.st_mtime > _TOUCH_AFTER:
            with contextlib.suppress(OSError):
                os.utime(path)
        return file.read()


def _encode(key, entry):
    header = json.dumps(
        {"key": key, "symbol": entry.symbol, "needs": entry.needs, "bytes": len(entry.code)}
    ).encode()
    body = len(header).to_bytes(4, "little") + header + entry.code
    return _MAGIC + hashlib.sha256(body).digest() + body


def _decode(data, key):
    start = len(_MAGIC) + 32
    body = data[start:]
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != data[start - 32 : start]:
        return None
    # The digest holds: what follows was written by `_encode` of some version of this module.
    end = 4 + int.from_bytes(body[:4], "little")
    try:
        header = json.loads(body[4:end])
        code = body[end:]
        if header["key"] != key or header["bytes"] != len(code):
            return None
        return Entry(header["symbol"], tuple(header["needs"]), code)
    except (ValueError, KeyError, TypeError):
        return None


def _fault(directory):
    """Why `directory` cannot be used; empty if it can. Makes it where it is missing."""
    try:
        os.makedirs(os.path.dirname(directory) or ".", exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        info = os.lstat(directory)
    except OSError as error:
        return f"cannot make it ({error.strerror})"
    if stat.S_ISLNK(info.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(info.st_mode):
        return "it is no directory"
    if info.st_uid != os.geteuid():
        return "it belongs to another user"
    if info.st_mode & 0o022:
        return "other users can write there (chmod 700 mends it)"
    return ""


def _warn(fault, directory):
    warnings.warn(
        f"jitgrad keeps compiled kernels in memory only: {directory}: {fault}. "
        "JITGRAD_CACHE_DIR names another directory.",
        RuntimeWarning,
        stacklevel=2,
    )

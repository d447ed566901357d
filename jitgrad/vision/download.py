"""Fetching a file from its mirrors, checked by md5; entry `fetch`. Imports nothing of jitgrad."""

import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path

SECONDS = 30  # without an answer


def fetch(name, md5, mirrors, folder):
    """Put `folder`/`name` there, complete and with the right md5, or raise saying what failed."""
    path = Path(folder) / name
    if path.is_file() and _digest(path.read_bytes()) == md5:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + name, timeout=SECONDS) as answer:
                data = answer.read()
        except OSError as error:
            failures.append(f"{mirror}{name}: {error}")
            continue
        if _digest(data) != md5:
            failures.append(f"{mirror}{name}: wrong md5 {_digest(data)}, expected {md5}")
            continue
        _write(path, data)
        return path
    raise RuntimeError(
        f"cannot download {name}; without a network, put the file into {folder}:\n  "
        + "\n  ".join(failures)
    )


def _digest(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _write(path, data):
    """Under the final name only once complete."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

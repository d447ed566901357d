"""`python -m jitgrad cache`: size, hits, misses and why; clearing."""

import re
import subprocess
import sys

import pytest

from jitgrad.cli import cache as command
from jitgrad.runtime import cache, history

ENTRY = cache.Entry("jg_0", (), bytes(1000))


@pytest.fixture
def directory(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(path))
    return path


def _run(environment, hits, seconds, **misses):
    history.write(
        {"when": 86400 * hits, "program": f"run{hits}.py", "hits": hits, "misses": misses,
         "compiled": 0, "compile_s": seconds, "environment": environment}
    )  # fmt: skip


def test_what_it_holds_and_what_was_found(directory):
    cache.store("0" * 64, ENTRY)
    _run("numba=1", 2, 1.25, absent=10)
    _run("numba=2", 3, 2.5, absent=4, corrupt=1)
    text = "\n".join(command.lines())
    assert f"{directory}: 1 kernels, 0.0 MB" in text and "268 MB, 8192 kernels" in text
    assert re.search(r"^hits +5 in the last 2 processes$", text, re.MULTILINE)
    assert "15, 3.8 s of compiling: 10 new kernels, 4 numba: 1 -> 2, 1 corrupt" in text
    head, latest, before = text.splitlines()[-3:]
    assert head.split()[:4] == ["when", "program", "hits", "misses"]
    assert latest.split()[2:] == "run3.py 3 5 2.5 4 numba: 1 -> 2, 1 corrupt".split()
    assert before.split()[2:] == "run2.py 2 10 1.2 10 new kernels".split()


def test_only_the_last_processes_are_listed(directory):
    for n in range(1, 20):
        _run("numba=1", n, 0.0)
    text = command.lines()
    assert sum("run" in line for line in text) == command.RECENT
    assert "19 processes" in "\n".join(text)


def test_before_anything_ran(directory):
    assert "none yet" in command.lines()[-1]


def test_clear(directory, root):
    cache.store("0" * 64, ENTRY)
    _run("numba=1", 1, 0.0, absent=1)
    done = subprocess.run(
        [sys.executable, "-m", "jitgrad", "cache", "clear"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"removed 1 kernels from {directory}\n"
    assert list(directory.iterdir()) == []


def test_no_usable_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path / "file"))
    text = "\n".join(command.lines())
    assert "in memory only" in text and "mend: export JITGRAD_CACHE_DIR=" in text
    assert "in memory only" in command.clear()

"""The cache's history: a line a process, reasons for misses, faults that cost only a line."""

import json
import os
import subprocess
import sys

import pytest

from jitgrad.runtime import history
from jitgrad.runtime.build import Counters

RUN = "import jitgrad as jg; (jg.ones(3) * 2).tolist()"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(path))
    return path


def _line(environment="numba=1 cpu=a", **misses):
    return {
        "when": 0, "program": "train.py", "hits": 2, "misses": misses,
        "compiled": 1, "compile_s": 0.5, "environment": environment,
    }  # fmt: skip


def test_processes_write_what_they_found(directory, root):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", RUN], cwd=root, check=True)
    first, second = history.runs()
    assert first["hits"] == 0 and first["compiled"] == first["why"]["new kernels"] > 0
    assert (second["hits"], second["why"], second["compiled"]) == (first["compiled"], {}, 0)
    assert first["compile_s"] > 0 and second["compile_s"] == 0
    assert os.stat(directory / history.FILE).st_mode & 0o777 == 0o600


def test_a_process_that_builds_nothing_or_is_a_fork_writes_nothing(directory, root):
    subprocess.run([sys.executable, "-c", "import jitgrad"], cwd=root, check=True)
    assert history.runs() == []
    fork = f"{RUN}; import os, sys; pid = os.fork(); pid and os.waitpid(pid, 0); sys.exit()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", fork], cwd=root, check=True)
    assert len(history.runs()) == 1


def test_a_changed_environment_is_the_reason(directory):
    for entry in (
        _line(absent=3),
        _line(absent=1, corrupt=2),
        _line("numba=2 cpu=a", absent=4),
        _line("numba=2 cpu=a codegen=x", absent=5),
    ):
        history.write(entry)
    assert [run["why"] for run in history.runs()] == [
        {"new kernels": 3},
        {"new kernels": 1, "corrupt": 2},
        {"numba: 1 -> 2": 4},
        {"code generator changed": 5},
    ]


def test_lines_that_are_none_are_skipped(directory):
    history.write(_line())
    with open(directory / history.FILE, "ab") as file:
        file.write(b'{"half": \n\xff\n[1]\n{"misses": 3, "environment": "x"}\n')
    history.write(_line(absent=1))
    assert len(history.runs()) == 2


def test_the_file_stays_small(directory, monkeypatch):
    monkeypatch.setattr(history, "MOST", 2000)
    for n in range(200):
        history.write(_line(absent=n))
    assert os.stat(directory / history.FILE).st_size <= 2000
    assert history.runs()[-1]["why"] == {"new kernels": 199}
    assert not list(directory.glob("*.part"))


def test_no_directory_is_no_fault(tmp_path, monkeypatch, recwarn):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path / "file"))
    history.write(history.line(Counters(loaded=1)))
    history.clear()
    assert history.runs() == []


def test_a_link_is_not_followed(directory, tmp_path):
    history.write(_line())
    (directory / history.FILE).unlink()
    (tmp_path / "other").write_text("precious")
    (directory / history.FILE).symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        history.write(_line())
    assert (tmp_path / "other").read_text() == "precious"


def test_lines_are_plain_data(directory):
    counters = Counters(compiled=2, loaded=3, misses={"absent": 2})
    entry = history.line(counters)
    assert json.loads(json.dumps(entry)) == entry
    assert (entry["hits"], entry["compiled"]) == (3, 2)

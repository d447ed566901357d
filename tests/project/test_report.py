"""`python -m jitgrad`: the environment report names what is wrong and the command that mends it."""

import subprocess
import sys

import pytest

from jitgrad.cli import report
from jitgrad.runtime import switches


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in (*switches.NAMES, "NUMBA_CPU_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_this_environment_is_within_the_pins():
    lines, faults = report.versions()
    assert not faults
    assert all(name in lines[1] for name in ("numpy", "numba", "llvmlite", "scipy-openblas32"))


def test_missing_and_outside(monkeypatch):
    monkeypatch.setattr(report, "requirements", lambda: [("nowhere", ">=1"), ("numpy", ">=1,<2")])
    _, faults = report.versions()
    assert faults[0] == ("nowhere is not installed", "pip install 'nowhere>=1'")
    assert "outside the tested range >=1,<2" in faults[1][0]
    assert faults[1][1] == "pip install 'numpy>=1,<2'"


def test_lower_pins_are_those_of_the_project(root):
    lowest = dict(report.requirements())
    lines = (root / "tests" / "project" / "lower.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert pins.keys() - {"matplotlib"} <= lowest.keys()  # an extra, which no report lists
    for name in pins.keys() & lowest.keys():
        assert f">={pins[name].removesuffix('.*')}" in lowest[name]


def test_switches(monkeypatch):
    assert report.switches() == (["switches  none set"], [])
    monkeypatch.setenv("JITGRAD_FUSE", "0")
    assert report.switches() == (["switches  JITGRAD_FUSE=0"], [])
    monkeypatch.setenv("JITGRAD_DEBUG", "9")
    monkeypatch.setenv("JITGRAD_FUSED", "0")
    _, faults = report.switches()
    assert [mend for _, mend in faults] == ["unset JITGRAD_DEBUG", "unset JITGRAD_FUSED"]


def test_forced_processor(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    _, faults = report.processor()
    assert faults == [
        ("NUMBA_CPU_NAME=generic: not this processor", "unset NUMBA_CPU_NAME"),
    ]


def _report(root, **env):
    command = [sys.executable, "-m", "jitgrad"]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)


def test_forced_blas_is_named(root, tmp_path):
    done = _report(root, OPENBLAS_CORETYPE="Prescott", JITGRAD_CACHE_DIR=str(tmp_path / "cache"))
    assert "wrong: OPENBLAS_CORETYPE=Prescott: OpenBLAS runs the core" in done.stdout
    assert "mend: unset OPENBLAS_CORETYPE\n" in done.stdout


def test_a_clean_environment_has_nothing_wrong(root, tmp_path):
    done = _report(root, JITGRAD_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.endswith("nothing is wrong\n")
    for title in ("jitgrad", "processor", "blas", "threads", "cache", "switches"):
        assert f"\n{title}" in f"\n{done.stdout}"


def test_no_usable_cache(root, tmp_path):
    (tmp_path / "file").touch()
    done = _report(root, JITGRAD_CACHE_DIR=str(tmp_path / "file"))
    assert "mend: export JITGRAD_CACHE_DIR=" in done.stdout

"""Real processes: a small race of jitgrad against itself, subjects that fail, the command line."""

import json
import platform
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from jitgrad.bench import client, main
from jitgrad.bench.client import Failed, Server, child, environment
from jitgrad.bench.race import race
from jitgrad.bench.subjects import SUBJECTS, Subject
from jitgrad.bench.workloads import cases
from jitgrad.cli import main as command_line

CASE = cases(["gelu:64"])[0]


def test_command(root, tmp_path):
    path = tmp_path / "found.json"
    command = [sys.executable, "-m", "jitgrad", "bench", "--quick", "--workload", "gelu:64"]
    command += ["--subject", "lazy", "--threads", "1", "--json", str(path)]
    command += ["--picture", str(tmp_path / "found.png")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 1 cases within tolerance of a peer; 1 of 1 the same bits" in done.stdout
    assert "loads no Numba" in done.stdout
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    (case,) = json.loads(path.read_text())["cases"]
    assert case["case"] == "gelu:64"
    assert set(case["subjects"]) == {"lazy", "copy"}
    for figures in case["subjects"].values():
        assert figures["median_us"] >= figures["best_us"] > 0
        assert len(figures["rounds_us"]) == 3
    assert case["subjects"]["lazy"]["same_on_threads"] == {"2": True}
    assert case["of_ceiling"]["lazy"] > 0
    assert "without torch, torch.fused, torch.compile, jax, numpy, numexpr" in done.stdout


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--workload=gleu", "no workload 'gleu'"),
        ("--subject=me", "no subject 'me'; there are"),
        ("--json=nowhere/found.json", "no folder to write nowhere/found.json to"),
        ("--size=none", "size 'none': expected a positive number"),
    ],
)
def test_mistakes(root, option, message):
    command = [sys.executable, "-m", "jitgrad", "bench", option]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_installed_is_named(monkeypatch):
    absent = Subject("torch", "peer", "no_such_package", None)
    monkeypatch.setattr(main, "SUBJECTS", {"torch": absent})
    monkeypatch.setattr(main.first_call, "imports", lambda runs: {"seconds": 0.1, "numba": False})
    said = []
    assert main.run(["gelu:64"], quick=True, say=said.append)
    assert "missing: no_such_package (pip install 'jitgrad[bench]')" in said


def test_a_subject_that_fails_leaves_the_others():
    broken = Subject("no such subject", "peer", "jitgrad", None)
    found = race(CASE, [broken, SUBJECTS["lazy"]], threads=1, seconds=0.001, rounds=1)
    assert "KeyError" in found.times[broken.name].failed
    assert found.times["lazy"].median > 0
    assert found.times["lazy"].failed == ""


def test_first_calls_with_an_empty_cache_come_first():
    subject = SUBJECTS["compiled"]
    found = race(CASE, [subject], threads=1, seconds=0.001, rounds=1, cold=True)
    times = found.times["compiled"]
    assert times.failed == "" and len(times.cold["early_s"]) == len(times.ready["early_s"]) == 3
    assert times.cold["first_s"] > times.ready["first_s"]
    assert times.early(cold=True) > 0


def test_peers_without_a_compiler():
    case = cases(["layer_norm:8"])[0]
    found = race(case, [SUBJECTS["lazy"], SUBJECTS["numpy"]], threads=1, seconds=0.001, rounds=1)
    assert found.reference == "numpy" and found.faults() == []
    assert found.times["lazy"].error < case.workload.tolerance


def test_who_runs_what():
    names = {
        label: {name for name, subject in SUBJECTS.items() if subject.runs(cases([label])[0])}
        for label in ("gelu:8", "mlp:8", "matmul:8")
    }
    assert {"copy", "numpy", "numexpr"} <= names["gelu:8"]
    assert "products" in names["mlp:8"] and "torch.fused" in names["mlp:8"]
    assert not {"numpy", "numexpr", "copy"} & names["mlp:8"]
    assert {"sgemm.threaded", "sgemm.per_core", "products"} <= names["matmul:8"]
    assert "torch.fused" not in names["gelu:8"] | names["matmul:8"]


def test_a_subject_that_does_not_answer():
    with pytest.raises(Failed, match="no answer in 0 s"):
        Server(SUBJECTS["lazy"], CASE, 1, patience=0.0)


def test_an_error_while_timing_is_one_line():
    server = Server(SUBJECTS["lazy"], CASE, 1)
    with pytest.raises(Failed, match="ValueError: no request 'dance'"):
        server.ask("dance")
    server.close()


def test_programs():
    assert child("print('[1, 2]')") == [1, 2]
    with pytest.raises(Failed, match="ZeroDivisionError"):
        child("1 / 0")
    with pytest.raises(Failed, match="no answer in 0 s"):
        child("import time; time.sleep(60)", patience=0.1)


def test_environment(monkeypatch):
    for name in client.DROPPED:
        monkeypatch.setenv(name, "1")
    ours, theirs = environment(JITGRAD_CACHE_DIR="here"), environment(peer=True)
    assert not set(client.DROPPED) & {*ours, *theirs}
    assert ours["JITGRAD_CACHE_DIR"] == "here"
    assert set(client.PEERS) <= set(theirs)


_FAULTS = """
import json, resource, threading
faults = []
def work():
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        bytearray(1 << 27)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(json.dumps(max(faults[2:])))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these are glibc's settings")
def test_peers_get_no_fresh_pages_for_large_blocks():
    assert child(_FAULTS, peer=True) < 100  # of 32768


_NOT_REPLAYED = """
import json
import jitgrad
from jitgrad.bench import subjects
seen = []
fn = jitgrad.compile(lambda x: seen.append(x * 2))  # a replay would not append
for _ in range(4):
    fn(jitgrad.ones(4))
print(json.dumps([subjects.lazily([f]) for f in (fn, jitgrad.compile(lambda x: x))]))
"""


def test_why_a_compiled_function_is_not_replayed():
    # In a process of its own: a recording first computes all that is pending, and where an earlier
    # test left what cannot be computed, that fails.
    told, nothing = child(_NOT_REPLAYED)
    assert "compiled runs lazily: it keeps a tensor" in told and nothing == ""


def test_help_names_what_there_is_to_choose_from():
    text = CliRunner().invoke(command_line, ["bench", "--help"]).output.split("Workloads, ")[1]
    named = set(re.findall(r"[\w.:]+", text))
    assert named >= {*(case.label for case in cases()), *SUBJECTS}

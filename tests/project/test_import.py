"""`import jitgrad` is quick and loads no compiler, in a process of its own."""

import json
import subprocess
import sys

PROBE = """
import json, sys, time
start = time.thread_time()
import jitgrad
seconds = time.thread_time() - start
print(json.dumps([seconds, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
SECONDS = 0.35  # of this thread, as by the wall of an idle machine: others may use this one


def _probe(root):
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=root, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_import_loads_no_compiler(root):
    _, loaded = _probe(root)
    assert not {"numba", "torch", "jax", "matplotlib", "safetensors"} & set(loaded)


def test_import_time(root):
    assert min(_probe(root)[0] for _ in range(5)) <= SECONDS

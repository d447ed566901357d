"""Runs `tests.cuda.simulated` in a process of its own: `start(names)`, a dict a program."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT


def start(names, *options):
    """What each program's line says; see `tests.cuda.simulated`.

    Raises:
        RuntimeError: if the process fails; with what it printed.
    """
    command = [sys.executable, "-m", "tests.cuda.simulated", *options, *names]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "JITGRAD_JIT": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the simulator's process failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]

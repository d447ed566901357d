"""examples/tour.py prints what it always printed, but for the timings."""

import os
import re
import subprocess
import sys


def test_tour(root, golden):
    env = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(root / "examples" / "tour.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    golden("tour.txt", re.sub(r"^ *[\d.]+ µs", "        ? µs", done.stdout, flags=re.MULTILINE))

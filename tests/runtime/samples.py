"""Small kernels of the shapes that the compiler writes, for the tests of the runtime."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jitgrad.runtime import build, program

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Kernel:
    """What `build` needs of a kernel."""

    name: str
    source: str
    params: tuple


def kernel(name, body, params, imports=""):
    """A kernel whose loop over i has `body`, one statement a line."""
    names = ", ".join(["error", *(p[0] for p in params), "lo", "hi", "scratch"])
    lines = "\n".join("        " + line for line in body.strip().splitlines())
    source = (
        f"import numpy as np\n{imports}\n\n"
        f"def {name}({names}):\n    for i in range(lo, hi):\n{lines}\n    return np.int32(0)\n"
    )
    return Kernel(name, source, tuple(params))


def square(name="square"):
    """y = x * x."""
    return kernel(name, "y[i] = x[i] * x[i]", [("x", "f32*"), ("y", "f32*")])


def count():
    """x += 1; reports element `bad` with code 3."""
    body = """
x[i] = x[i] + np.int64(1)
if i == bad:
    error[1] = np.int64(7)
    error[2] = np.int64(i)
    error[3] = x[i]
    return np.int32(3)
"""
    return kernel("count", body, [("x", "i64*"), ("bad", "i64")])


def wide(inputs, outputs, scopes=True):
    """Every output a sum of products of all inputs; with one scope for all, LLVM knows nothing."""
    a = [f"a{i}" for i in range(inputs)]
    o = [f"o{i}" for i in range(outputs)]
    body = [f"v{i} = {name}[i]" for i, name in enumerate(a)]
    for j, name in enumerate(o):
        terms = [f"v{i} * v{(i + j) % inputs}" for i in range(inputs)]
        body.append(f"{name}[i] = {' + '.join(terms)}")
    params = [(n, "f32*") if scopes else (n, "f32*", 0) for n in a + o]
    return kernel("wide", "\n".join(body), params)


def run(function, values, units, **options):
    """Run one step of one segment."""
    block = program.pack(function.params, values)
    return program.Program([program.Step(function, [(block, units)], **options)]).run()


def squares(n=1000):
    """Build and run `square`: whether the result is right."""
    x = np.arange(n, dtype=np.float32)
    y = np.empty_like(x)
    run(build.get(square()), [x, y], n, grain=64)
    return bool((y == x * x).all())


def python(code, cache, **env):
    """Run `code` in a fresh process with its own cache directory: what it printed."""
    import os

    base = {**os.environ, "PYTHONPATH": str(ROOT), "JITGRAD_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in {**base, **env}.items() if v is not None},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout

"""`python -m jitgrad demo`: every mode trains alike, and a second process compiles nothing."""

import gzip
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from jitgrad.cli import picture
from jitgrad.cli.training import Run


def _demo(root, folder, *arguments, **env):
    command = [sys.executable, "-m", "jitgrad", "demo", "--picture", str(folder / "demo.png")]
    env = {"JITGRAD_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(root), **env}
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _held_out(text, mode):
    (row,) = re.findall(rf"^ *{mode} .*$", text, re.MULTILINE)
    return float(row.split()[6])


def test_digits_in_three_modes(root, tmp_path):
    text = _demo(root, tmp_path, "--epochs", "12")
    for mode in ("eager", "lazy", "compiled"):
        assert _held_out(text, mode) >= 0.9
    assert text.count("largest difference between modes 0.0\n") == 1
    assert (tmp_path / "demo.png").is_file()
    again = _demo(root, tmp_path, "--epochs", "1")
    assert "kernels: 0 compiled" in again


def _write_idx(folder, count, rng):
    """Ten classes, each a bright bar at a row of its own: learnt in one epoch."""
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    images[np.arange(count), labels * 2 + 4] = 255
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        with gzip.open(folder / f"t10k-{name}-ubyte.gz", "wb") as file:
            file.write(head + array.tobytes())


def test_mnist_without_training_files_is_split(root, tmp_path):
    _write_idx(tmp_path, 10000, np.random.default_rng(0))
    text = _demo(root, tmp_path, "--data", ".", "--epochs", "1", "--modes", "compiled")
    assert "no training files in ., so the test files are split" in text
    assert "network 784-128-10" in text
    assert _held_out(text, "compiled") >= 0.94


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--modes", "fast"), "no mode 'fast'; there are eager, lazy, compiled"),
        (("--data", "."), "--data: Dataset not found: no t10k-images-idx3-ubyte"),
    ],
)
def test_mistakes(root, tmp_path, arguments, message):
    command = [sys.executable, "-m", "jitgrad", "demo", *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_no_picture_without_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'jitgrad[plot]'" in picture.draw([], tmp_path / "demo.png")


def _run(mode, seconds, built):
    return Run(mode, [0.0] * len(seconds), seconds, built, nodes=1, kernels=1, accuracy=1.0)


def test_when_compiling_pays():
    slow = _run("eager", [4.0, 2.0, 2.0, 2.0], [True, False, False, False])
    fast = _run("lazy", [11.5, 1.5, 1.5, 1.5], [True, False, False, False])
    assert (slow.step, slow.compile) == (2.0, 2.0)
    assert (fast.step, fast.compile) == (1.5, 10.0)
    assert fast.pays_after(slow) == 16  # 10 + 16 * 1.5 = 2 + 16 * 2
    assert slow.pays_after(fast) is None
    assert _run("lazy", [2.0, 1.0, 1.0], [True, False, False]).pays_after(slow) == 0

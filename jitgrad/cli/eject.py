"""The kernels of the demo's training step as files, each run alone; entry `run`."""

import subprocess
import sys
from pathlib import Path

import click

import jitgrad
from jitgrad.cli.demo_data import digits
from jitgrad.cli.training import BATCH, SEED, _model, _training_step


def run(folder, hidden=32):
    """Eject one warm step of the digits classifier to `folder`, run it there: the exit code."""
    data = digits()
    jitgrad.manual_seed(SEED)
    step = _training_step(_model(data.train_images.shape[1], hidden))
    images, labels = data.train_images[:BATCH], data.train_labels[:BATCH]
    for _ in range(2):  # the first step also makes the optimizer's state
        step(images, labels).item()
    paths = jitgrad.debug.eject(lambda: step(images, labels).item(), folder)
    head = f"{len(paths)} kernels of one training step in {folder}"
    click.echo(f"{head}; python run.py --python there says:")
    command = [sys.executable, str(Path(folder) / "run.py"), "--python"]
    done = subprocess.run(command, capture_output=True, text=True)
    click.echo(done.stdout + done.stderr, nl=False)
    return done.returncode

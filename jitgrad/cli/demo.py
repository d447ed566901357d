"""`python -m jitgrad demo`: the same network, the same seed, every mode; entry `run`.

Prints a table of the modes, what was fused, and how far their loss curves are apart, and draws the
curves and the step times when matplotlib is there.
"""

import click

import jitgrad
from jitgrad.cli import picture as pictures
from jitgrad.cli.demo_data import digits, mnist
from jitgrad.cli.training import BATCH, train

MODES = ("eager", "lazy", "compiled")
HEAD = (
    "mode",
    "first step s",
    "compile s",
    "step µs",
    "kernels/step",
    "images/s",
    "held out",
    "pays after",
)


def run(folder, epochs, modes, picture):
    """Train on MNIST's files in `folder`, or on the digits in the package, in each of `modes`."""
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise click.UsageError(f"--modes: no mode {unknown[0]!r}; there are {', '.join(MODES)}")
    data, hidden = (digits(), 64) if folder is None else (_mnist(folder), 128)
    epochs = epochs or (30 if folder is None else 10)
    inputs = data.train_images.shape[1]
    click.echo(f"{data.story}\nnetwork {inputs}-{hidden}-10, Adam, {epochs} epochs, batch {BATCH}")
    runs = [train(mode, data, hidden, epochs) for mode in modes]
    for line in (*table(runs), "", fused(runs), built(), curves(runs)):
        click.echo(line)
    click.echo(pictures.draw(runs, picture))


def _mnist(folder):
    try:
        return mnist(folder)
    except RuntimeError as error:
        raise click.UsageError(f"--data: {error}") from None


def table(runs):
    """The lines of the table, one mode each; what compiling costs is counted against eager."""
    eager = next((run for run in runs if run.mode == "eager"), None)
    rows = [HEAD, *(_row(run, eager) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def _row(run, eager):
    return (
        run.mode,
        f"{run.seconds[0]:.3f}",
        f"{run.compile:.3f}",
        f"{run.step * 1e6:.0f}",
        f"{run.kernels}",
        f"{BATCH / run.step:.0f}",
        f"{run.accuracy:.4f}",
        _pays(run, eager),
    )


def _pays(run, eager):
    if eager is None or run is eager:
        return "-"
    steps = run.pays_after(eager)
    return "never" if steps is None else f"{steps} steps" if steps else "at once"


def fused(runs):
    """One line: how many kernels a step takes in each mode, against the ops recorded."""
    recorded = min(run.nodes for run in runs)  # eager's gradient sees more: nothing merges first
    counts = ", ".join(f"{run.kernels} kernels {run.mode}" for run in runs)
    return f"fused: the {recorded} ops recorded for a step run as {counts}"


def built():
    """One line: where the kernels came from. A second process compiles none."""
    stats = jitgrad.stats()
    compiled, loaded = stats["kernels_compiled"], stats["kernels_loaded"]
    return f"kernels: {compiled} compiled, {loaded} loaded from the disk cache"


def curves(runs):
    """One line: the largest difference between the loss curves of any two modes."""
    gap = max(max(losses) - min(losses) for losses in zip(*(r.losses for r in runs), strict=True))
    return f"loss curves: {len(runs[0].losses)} steps, largest difference between modes {gap}"

"""The demo's picture: loss curves and step times; entry `draw`. Uses matplotlib if installed."""

STYLES = {"eager": ("-", 5.0), "lazy": ("-", 2.5), "compiled": (":", 1.5)}


def draw(runs, path):
    """Draw `runs` to `path` and return the line that says so, or why not."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no picture: matplotlib is not installed (pip install 'jitgrad[plot]')"
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for run in runs:
        dash, width = STYLES[run.mode]  # equal curves lie on each other: widths keep all visible
        left.plot(run.losses, dash, linewidth=width, label=run.mode)
        right.plot([s * 1e6 for s in run.seconds], ".", markersize=2, label=run.mode)
    left.set(title="loss", xlabel="step", yscale="log")
    right.set(title="time of a step, µs", xlabel="step", yscale="log")
    for axes in (left, right):
        axes.legend(markerscale=4)
    figure.savefig(path, dpi=120)
    return f"picture: {path}"

"""The benchmark's picture: times by the best peer's, and shares of the ceiling; entry `draw`.

Uses matplotlib if it is installed.
"""

MODES = {"eager": "#c9c9c9", "lazy": "#8fb8de", "compiled": "#1f6fb2"}
_HEIGHT = 0.26  # of a bar, where the step from case to case is 1


def draw(outcomes, path):
    """Draw `outcomes` to `path` and return the line that says so, or why not."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no picture: matplotlib is not installed (pip install 'jitgrad[plot]')"
    height = 1.5 + 0.5 * len(outcomes)
    figure = Figure(figsize=(11, height), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for at, (mode, color) in enumerate(MODES.items()):
        _bars(left, outcomes, at, mode, color, lambda o, mode: o.ratio("peers", mode))
        _bars(right, outcomes, at, mode, color, lambda o, mode: o.share(mode))
    for place, outcome in enumerate(outcomes):
        if outcome.case.bar is not None and outcome.case.bar.against == "peers":
            span = [place - 0.4, place + 0.4]
            left.plot([outcome.case.bar.limit] * 2, span, "--", color="#b03030", linewidth=1.2)
    left.axvline(1, color="black", linewidth=0.8)
    right.axvline(1, color="black", linewidth=0.8)
    left.set(title="time by the best peer's (less is better; dashed: bar)", xscale="log")
    right.set(title="share of the machine's ceiling (more is better)")
    left.set_yticks(range(len(outcomes)), [outcome.case.label for outcome in outcomes])
    left.invert_yaxis()
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(path, dpi=120)
    return f"picture: {path}"


def _bars(axes, outcomes, at, mode, color, value):
    """The bars of one mode, below each other, where there is something to show."""
    found = [(place, value(outcome, mode)) for place, outcome in enumerate(outcomes)]
    shown = [(place + (at - 1) * _HEIGHT, x) for place, x in found if x is not None]
    if shown:
        places, widths = zip(*shown, strict=True)
        axes.barh(places, widths, _HEIGHT, color=color, label=mode)

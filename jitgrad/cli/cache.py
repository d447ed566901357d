"""`python -m jitgrad cache`: what the disk cache holds, hits, misses and why; `lines`, `clear`.

May import jitgrad.runtime; imports no compiler.
"""

import time
from collections import Counter

from jitgrad.cli import report
from jitgrad.runtime import cache, history

RECENT = 8  # processes shown
_HEAD = ("when", "program", "hits", "misses", "compiling s", "why")


def lines():
    """All lines of the command."""
    said, faults = report.cache()
    folder, _, _ = cache.summary()
    if folder is not None:
        said.append(
            report._line(
                "limits",
                f"{cache.MAX_BYTES / 1e6:.0f} MB, {cache.MAX_FILES} kernels; "
                "those not used for longest go first",
            )
        )
        said += _history(history.runs())
    return [*said, *(f"wrong: {what}\n  mend: {mend}" for what, mend in faults)]


def _history(runs):
    if not runs:
        return [report._line("history", "none yet: a process writes its line when it ends")]
    hits, why = sum(run["hits"] for run in runs), Counter()
    for run in runs:
        why.update(run["why"])
    seconds = sum(run["compile_s"] for run in runs)
    reasons = f": {_reasons(why)}" if why else ""
    out = [
        report._line("hits", f"{hits} in the last {len(runs)} processes"),
        report._line("misses", f"{why.total()}, {seconds:.1f} s of compiling{reasons}"),
        "",
    ]
    rows = [_HEAD, *(_row(run) for run in reversed(runs[-RECENT:]))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= at <= 4 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
    return out


def _row(run):
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(run["when"])),
        run["program"],
        f"{run['hits']}",
        f"{sum(run['why'].values())}",
        f"{run['compile_s']:.1f}",
        _reasons(run["why"]),
    )


def _reasons(why):
    """Reasons, the most frequent first.

    >>> _reasons({"corrupt": 1, "new kernels": 12})
    '12 new kernels, 1 corrupt'
    """
    return ", ".join(f"{n} {reason}" for reason, n in sorted(why.items(), key=lambda x: -x[1]))


def clear():
    """Remove all kernels and the history: the line that says so."""
    folder, count, _ = cache.summary()
    if folder is None:
        return "nothing to remove: kernels are kept in memory only"
    cache.trim(folder, max_bytes=0, max_files=0)
    history.clear()
    return f"removed {count} kernels from {folder}"

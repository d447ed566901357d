"""What the benchmark prints; entry `Table` for the cases, lines for what follows them.

Imports the bars of the modules beside it.
"""

import math

from jitgrad.bench import odd
from jitgrad.bench.first_call import BARS

_LABEL = 22
_FIGURE = 10
_BAR = 11
# Heading, and what of an outcome stands below: compiled's time by JAX's and by the best peer's,
# lazy's by the best peer's, and the part of the machine's ceiling that compiled reaches.
_RATIOS = (
    ("/jax", lambda outcome: _ratio(outcome.ratio("jax"))),
    ("/best", lambda outcome: _ratio(outcome.ratio("peers"))),
    ("lazy", lambda outcome: _ratio(outcome.ratio("peers", "lazy"))),
    ("ceiling", lambda outcome: _percent(outcome.share())),
)


class Table:
    """Lines of fixed width, so that a row can be printed when its case is done."""

    def __init__(self, names):
        """`names`: the subjects that have a column."""
        self.names = names
        self._widths = [max(_FIGURE, len(name) + 2) for name in names]

    def head(self):
        """The two lines above the rows."""
        cells = [name.rjust(w) for name, w in zip(self.names, self._widths, strict=True)]
        ratios = "".join(name.rjust(9) for name, _ in _RATIOS)
        line = "median µs".ljust(_LABEL) + "".join(cells) + ratios + "bar".rjust(_BAR) + "  met"
        return [line, "-" * len(line)]

    def row(self, outcome):
        """The line of a case, and one for each thing that must be said about it."""
        cells = [
            _microseconds(outcome.times.get(name)).rjust(w)
            for name, w in zip(self.names, self._widths, strict=True)
        ]
        ratios = "".join(text(outcome).rjust(9) for _, text in _RATIOS)
        bar = str(outcome.case.bar or "-").rjust(_BAR)
        line = f"{outcome.case.label:<{_LABEL}}{''.join(cells)}{ratios}{bar}  {_met(outcome.met)}"
        return [line, *(f"  {text}" for text in self._remarks(outcome))]

    def _remarks(self, outcome):
        for name, times in outcome.times.items():
            if times.failed:
                yield f"{name}: {times.failed}"
            if times.note:
                yield f"{name}: {times.note}"
        others = [
            f"{name} {_microseconds(times)} µs"
            for name, times in outcome.times.items()
            if times.kind == "ceiling" and times.median is not None
        ]
        if others:
            yield ", ".join([*others, *_share(outcome)])
        yield from (f"WRONG: {fault}" for fault in outcome.faults())


def _share(outcome):
    ratio = outcome.ratio("sgemm")
    return [] if ratio is None else [f"compiled reaches {1 / ratio:.0%} of the best"]


def _microseconds(times):
    if times is None or times.median is None:
        return "-"
    return f"{times.median * 1e6:.1f}" if times.median < 1e-3 else f"{times.median * 1e6:.0f}"


def _ratio(value):
    return "-" if value is None else f"{value:.2f}"


def _percent(value):
    return "-" if value is None else f"{value:.0%}"


def _met(value):
    return {True: "yes", False: "NO", None: "-"}[value]


# ---- first calls


def early_lines(outcomes):
    """What first calls cost in each case, and when compiled has won it back."""
    outcomes = [outcome for outcome in outcomes if "compiled" in outcome.times]
    if not outcomes:
        return []
    names = [
        name for name in ("lazy", "compiled", "torch.compile", "jax")
        if any(name in outcome.times for outcome in outcomes)
    ]  # fmt: skip
    lines = [
        "first calls, s beyond warm ones: with an empty disk cache, then with a full one;",
        "pays: steps after which compiled has won them back, with an empty cache and a full one",
        "".ljust(_LABEL)
        + "".join(name.rjust(15) for name in names)
        + "".join(f"pays, {other}".rjust(20) for other in ("lazy", "torch")),
    ]
    for outcome in outcomes:
        cells = [_pair(outcome.times.get(name), _seconds).rjust(15) for name in names]
        for other in ("lazy", "torch"):
            steps = [outcome.pays_after(other, cold) for cold in (True, False)]
            cells.append(_joined(map(_steps, steps)).rjust(20))
        lines.append(f"{outcome.case.label:<{_LABEL}}{''.join(cells)}")
    return lines


def _pair(times, text):
    if times is None:
        return "-"
    return _joined([text(times.early(True)), text(times.early(False))])


def _joined(texts):
    """Two figures; one where there is no cache to be empty or full.

    >>> _joined(["1.20", "0.10"]), _joined(["-", "0.10"]), _joined(["-", "-"])
    ('1.20 / 0.10', '0.10', '-')
    """
    return " / ".join(text for text in texts if text != "-") or "-"


def _seconds(value):
    return "-" if value is None else f"{value:.2f}"


def _steps(value):
    return "-" if value is None else "never" if value == math.inf else f"{value}"


def first_call_lines(found):
    """The lines on first calls, each beside its bar."""
    lines = ["first call of the MLP's step, batch 64, from after the import to the loss, s"]
    for mode, result in found.items():
        if "failed" in result:
            lines.append(f"  {mode:<9} {result['failed']}")
            continue
        for name, answer in result.items():
            kernels = f"{answer['kernels_compiled']} compiled, {answer['kernels_loaded']} loaded"
            lines.append(f"  {mode:<9} {name:<7} {_held(answer['seconds'], name)}  ({kernels})")
    return lines


def import_line(found):
    """The line on `import jitgrad`."""
    numba = "loads Numba" if found["numba"] else "loads no Numba"
    return f"import jitgrad {_held(found['seconds'], 'import')}, {numba}"


def _held(seconds, name):
    return f"{seconds:.3f}  bar {BARS[name]:.2f}  {_met(seconds <= BARS[name])}"


# ---- all cases


def odd_line(pair):
    """What an element of an odd size costs."""
    if pair.ratio is None:
        return f"  {pair.odd.label:<{_LABEL}} {pair.failed or 'not timed'}"
    return (
        f"  {pair.odd.label:<{_LABEL}} {pair.ratio:.2f} of {pair.even.label} per element  "
        f"bar {odd.BAR:.2f}  {_met(pair.met)}"
    )


def summary_lines(outcomes):
    """What all cases together say: results, bars."""
    lines = []
    faulty = [outcome.case.label for outcome in outcomes if outcome.faults()]
    if faulty:
        lines.append(f"results: WRONG in {', '.join(faulty)}")
    ours = [o for o in outcomes if any(t.kind == "jitgrad" for t in o.times.values())]
    if ours and not faulty:
        held, bits = sum(o.held for o in ours), sum(o.bits_checked for o in ours)
        peers = " and ".join(sorted({o.reference for o in ours if o.reference})) or "a peer"
        lines.append(
            f"results: {held} of {len(ours)} cases within tolerance of {peers}; "
            f"{bits} of {len(ours)} the same bits in all modes, on 1 thread and on more"
        )
    judged = [outcome for outcome in outcomes if outcome.met is not None]
    if judged:
        missed = [outcome.case.label for outcome in judged if not outcome.met]
        named = f": missed {', '.join(missed)}" if missed else ""
        lines.append(f"bars: {len(judged) - len(missed)} of {len(judged)} met{named}")
    return lines

"""What the benchmark prints; entry `Table` for the cases, lines for what follows them.

Imports the bars of the modules beside it.
"""

import math

from jitgrad.bench import odd
from jitgrad.bench.first_call import BARS

_LABEL = 22
_FIGURE = 10
_BUSY = 0.1  # cores that others may use before times are called doubtful
# Heading, width, and what of an outcome stands below: compiled's time by JAX's and by the best
# peer's, the part of the machine's ceiling that it reaches, its bar; lazy's time by that of PyTorch
# eager, its optimizer fused, and the bar for that.
_VERDICTS = (
    ("/jax", 8, lambda outcome: _ratio(outcome.ratio("jax"))),
    ("/best", 8, lambda outcome: _ratio(outcome.ratio("peers"))),
    ("ceiling", 9, lambda outcome: _percent(outcome.share())),
    ("bar", 12, lambda outcome: str(outcome.case.bar or "-")),
    ("met", 12, lambda outcome: outcome.verdict(outcome.case.bar) or "-"),
    ("lazy/torch", 12, lambda outcome: _ratio(outcome.ratio("torch", "lazy"))),
    ("bar", 6, lambda outcome: _ratio(outcome.case.lazy_bar and outcome.case.lazy_bar.limit)),
    ("met", 5, lambda outcome: outcome.verdict(outcome.case.lazy_bar) or "-"),
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
        verdicts = "".join(name.rjust(width) for name, width, _ in _VERDICTS)
        line = "median µs".ljust(_LABEL) + "".join(cells) + verdicts
        return [line, "-" * len(line)]

    def row(self, outcome):
        """The line of a case, and one for each thing that must be said about it."""
        cells = [
            _microseconds(outcome.times.get(name)).rjust(w)
            for name, w in zip(self.names, self._widths, strict=True)
        ]
        verdicts = "".join(text(outcome).rjust(width) for _, width, text in _VERDICTS)
        line = f"{outcome.case.label:<{_LABEL}}{''.join(cells)}{verdicts}"
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
        if _busy(outcome):
            yield f"others kept {outcome.others:.1f} of our cores busy: do not trust these times"
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


def recording_lines(found):
    """What recording costs, lazily, beside PyTorch's eager mode."""
    lines = [
        "recording alone, flushes not counted, beside PyTorch eager on as tiny tensors: µs a call",
        "(operations in it), µs per operation",
    ]
    for who, result in found.items():
        if "failed" in result:
            lines.append(f"  {who:<6} {result['failed']}")
            continue
        for label, cost in result.items():
            each = cost["seconds"] / cost["ops"] * 1e6
            call = f"{cost['seconds'] * 1e6:8.1f} ({cost['ops']})"
            lines.append(f"  {who:<6} {label:<14}{call:<16}{each:6.2f}")
    return lines


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
    for mode, bar in (("compiled", "bar"), ("lazy", "lazy_bar")):
        verdicts = {o.case.label: o.verdict(getattr(o.case, bar)) for o in outcomes}
        judged = {label: verdict for label, verdict in verdicts.items() if verdict is not None}
        if judged:
            lines.append(f"bars, {mode}: {_tally(judged)}")
    if busy := sum(map(_busy, outcomes)):
        lines.append(
            f"others kept cores busy in {busy} of {len(outcomes)} cases: measure those again"
        )
    return lines


def _busy(outcome):
    """Whether others used more of the cores than times bear."""
    return outcome.others is not None and outcome.others > _BUSY


def _tally(judged):
    """How many bars are met, and which are not.

    >>> _tally({"a": "yes", "b": "by ceiling", "c": "NO"})
    '2 of 3 met, 1 by the ceiling; missed c'
    """
    missed = [label for label, verdict in judged.items() if verdict == "NO"]
    ceiling = sum(verdict == "by ceiling" for verdict in judged.values())
    text = f"{len(judged) - len(missed)} of {len(judged)} met"
    if ceiling:
        text += f", {ceiling} by the ceiling"
    return text + (f"; missed {', '.join(missed)}" if missed else "")

"""What the benchmark prints; entry `Table` for the cases, lines for what follows them.

Imports `first_call`'s bars.
"""

from jitgrad.bench.first_call import BARS

_LABEL = 19
_FIGURE = 10
_RATIOS = ("/jax", "/best")
_BAR = 11


class Table:
    """Lines of fixed width, so that a row can be printed when its case is done."""

    def __init__(self, names):
        """`names`: the subjects that have a column."""
        self.names = names
        self._widths = [max(_FIGURE, len(name) + 2) for name in names]

    def head(self):
        """The two lines above the rows."""
        cells = [name.rjust(w) for name, w in zip(self.names, self._widths, strict=True)]
        ratios = "".join(name.rjust(7) for name in _RATIOS)
        line = "median µs".ljust(_LABEL) + "".join(cells) + ratios + "bar".rjust(_BAR) + "  met"
        return [line, "-" * len(line)]

    def row(self, outcome):
        """The line of a case, and one for each thing that must be said about it."""
        cells = [
            _microseconds(outcome.times.get(name)).rjust(w)
            for name, w in zip(self.names, self._widths, strict=True)
        ]
        ratios = "".join(_ratio(outcome.ratio(against)).rjust(7) for against in ("jax", "peers"))
        bar = str(outcome.case.bar or "-").rjust(_BAR)
        met = {True: "yes", False: "NO", None: "-"}[outcome.met]
        line = f"{outcome.case.label:<{_LABEL}}{''.join(cells)}{ratios}{bar}  {met}"
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
            if name not in self.names and times.median is not None
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
    return f"{seconds:.3f}  bar {BARS[name]:.2f}  {'yes' if seconds <= BARS[name] else 'NO'}"


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

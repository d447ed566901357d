"""`python -m jitgrad bench`: all cases, all subjects; table, JSON and picture; entry `run`.

Imports the modules beside it.
"""

import importlib.metadata
import json
import math
import os
import platform

from jitgrad.bench import first_call, odd, picture, recording
from jitgrad.bench.client import child
from jitgrad.bench.race import race
from jitgrad.bench.subjects import SUBJECTS
from jitgrad.bench.table import (
    Table,
    early_lines,
    first_call_lines,
    import_line,
    odd_line,
    recording_lines,
    summary_lines,
)
from jitgrad.bench.workloads import cases
from jitgrad.runtime import switches
from jitgrad.runtime import threads as pool

_BLAS = "import json; from jitgrad.runtime import blas; print(json.dumps(blas.core_name()))"
_MODES = ("eager", "lazy", "compiled")
_SLOWING = ("JITGRAD_DEBUG", "JITGRAD_JIT", "JITGRAD_FUSE", "JITGRAD_CHECK")


def run(
    workloads=(),
    subjects=(),
    quick=False,
    threads=None,
    path=None,
    say=print,
    *,
    sizes=(),
    draw=None,
):
    """Run the benchmark, `say` each line; whether all results were right.

    Args:
        workloads: names, "gelu" or "gelu:1e5"; all if empty.
        subjects: names; all if empty. The ceilings always run beside jitgrad's modes.
        quick: a smoke test of everything, with times too short to be trusted and no first calls
            with an empty cache.
        threads: for each subject; the cores that this process may use if None.
        path: a file for everything that was measured, as JSON.
        sizes: in place of those that the workloads have.
        draw: a file for the picture.

    Raises:
        ValueError: there is no such workload or subject, or no folder for a file.
    """
    for file in filter(None, (path, draw)):  # known before everything is measured
        if not os.path.isdir(os.path.dirname(os.path.abspath(file))):
            raise ValueError(f"no folder to write {file} to")
    unknown = [name for name in subjects if name not in SUBJECTS]
    if unknown:
        raise ValueError(f"no subject {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    chosen = cases(workloads, quick, sizes)
    threads = threads or pool.default_threads()
    asked = _asked(subjects)
    present = [subject for subject in asked if subject.installed]
    missing = list(dict.fromkeys(subject.package for subject in asked if not subject.installed))
    seconds, rounds, processes = (0.05, 3, 1) if quick else (0.3, 7, 5)

    about = _machine(threads) | {"seconds": seconds, "rounds": rounds, "missing": missing}
    about["left_out"] = [s.name for s in SUBJECTS.values() if s.kind == "peer" and s not in present]
    for line in _about_lines(about):
        say(line)
    runners = {case: [subject for subject in present if subject.runs(case)] for case in chosen}
    columns = [
        subject.name
        for subject in present
        if subject.kind != "ceiling" and any(subject in some for some in runners.values())
    ]
    table = Table(columns)
    for line in ["", *table.head()]:
        say(line)
    outcomes = []
    for case in chosen:
        outcomes.append(race(case, runners[case], threads, seconds, rounds, cold=not quick))
        for line in table.row(outcomes[-1]):
            say(line)
    for line in summary_lines(outcomes):
        say(line)
    report = {"about": about, "cases": [_as_json(outcome) for outcome in outcomes]}
    report["odd"] = _odd_sizes(chosen, present, threads, seconds, rounds, quick, say)
    for line in ["", *early_lines(outcomes)]:
        say(line)

    if any(case.workload.name == "mlp" for case in chosen):
        report |= _beside_steps({subject.name for subject in present}, processes, seconds, say)
    report["import"] = first_call.imports(processes)
    for line in ["", import_line(report["import"])]:
        say(line)
    if path is not None:
        with open(path, "w") as file:
            json.dump(report, file, indent=1)
    if draw is not None:
        say(picture.draw(outcomes, draw))
    return not any(outcome.faults() for outcome in outcomes)


def _asked(names):
    """The subjects of these names, all if there are none, and the ceilings of jitgrad's modes."""
    asked = [SUBJECTS[name] for name in names or SUBJECTS]
    if any(subject.kind == "jitgrad" for subject in asked):
        asked += [s for s in SUBJECTS.values() if s.kind == "ceiling" and s not in asked]
    return asked


def _beside_steps(names, processes, seconds, say):
    """The lines on what a training step costs besides running; what was found, as JSON."""
    report = {}
    if modes := [mode for mode in first_call.MODES if mode in names]:
        report["first_calls"] = first_call.first_calls(processes, modes)
        for line in ["", *first_call_lines(report["first_calls"])]:
            say(line)
    if "lazy" in names:
        who = [name for name in recording.WHO if name in names]
        report["recording"] = recording.costs(processes, seconds, who)
        for line in ["", *recording_lines(report["recording"])]:
            say(line)
    return report


def _odd_sizes(chosen, present, threads, seconds, rounds, quick, say):
    """The lines on odd sizes, of compiled jitgrad alone; what was found, as JSON."""
    compiled = next((subject for subject in present if subject.name == "compiled"), None)
    pairs = odd.pairs(chosen) if compiled is not None and not quick else []
    if pairs:
        say("")
        say("odd sizes, compiled: the time of an element by that of one in the round size")
    found = []
    for pair in pairs:
        odd.compare_sizes(pair, compiled, threads, seconds, rounds)
        say(odd_line(pair))
        found.append(
            {"case": pair.odd.label, "beside": pair.even.label, "ratio": pair.ratio,
             "bar": odd.BAR, "met": pair.met, "failed": pair.failed}
        )  # fmt: skip
    return found


def _machine(threads):
    """Where and with what this was measured."""
    from llvmlite import binding

    versions = {}
    for name in ("jitgrad", "numpy", "numba", "torch", "jax", "numexpr"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": binding.get_host_cpu_name(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": versions,
        "blas": child(_BLAS),
        "cores": pool.default_threads(),
        "threads": threads,
        "switches": {name: os.environ[name] for name in switches.NAMES if name in os.environ},
    }


def _about_lines(about):
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    yield (
        f"{about['processor']}, OpenBLAS {about['blas']}, {about['cores']} cores, "
        f"{about['threads']} threads each; "
        f"Python {about['python']}, {versions}"
    )
    yield f"medians of {about['rounds']} rounds of {about['seconds']} s each, taking turns"
    if about["missing"]:
        yield f"missing: {', '.join(about['missing'])} (pip install 'jitgrad[bench]')"
    if about["left_out"]:
        yield f"the best peer is that of those that run, without {', '.join(about['left_out'])}"
    slowing = {key: about["switches"][key] for key in _SLOWING if key in about["switches"]}
    if slowing:
        settings = " ".join(f"{key}={value}" for key, value in slowing.items())
        yield f"{settings}: jitgrad is slowed down"


def _as_json(outcome):
    case = outcome.case
    return {
        "case": case.label,
        "workload": case.workload.name,
        "size": case.size,
        "about": case.workload.about,
        "subjects": {name: _times(times) for name, times in outcome.times.items()},
        "compiled_to": {name: outcome.ratio(name) for name in ("jax", "peers", "sgemm")},
        "lazy_to_torch": outcome.ratio("torch", "lazy"),
        "to_best_peer": {mode: outcome.ratio("peers", mode) for mode in _MODES},
        "of_ceiling": {mode: outcome.share(mode) for mode in _MODES},
        "pays_after": {
            when: {other: _steps(outcome.pays_after(other, cold)) for other in ("lazy", "torch")}
            for when, cold in (("cold", True), ("cached", False))
        },
        "bars": [
            {**vars(bar), "met": outcome.verdict(bar)}
            for bar in (case.bar, case.lazy_bar)
            if bar is not None
        ],
        "others_cores": outcome.others,
        "reference": outcome.reference,
        "faults": outcome.faults(),
    }


def _times(times):
    if times.failed and not times.rounds:
        return {"failed": times.failed}
    return {
        "median_us": times.median * 1e6,
        "best_us": times.best * 1e6,
        "rounds_us": [median * 1e6 for median in times.rounds],
        "runs": times.runs,
        **{key: times.ready[key] for key in ("import_s", "build_s", "first_s")},
        "cold_first_s": times.cold.get("first_s"),
        "early_s": times.early(),
        "cold_early_s": times.early(cold=True),
        "same_on_threads": times.same_on,
        "error": times.error,
        "note": times.note,
        "failed": times.failed,
    }


def _steps(value):
    """A number of steps for JSON, which has no infinity."""
    return "never" if value == math.inf else value

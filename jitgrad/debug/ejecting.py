"""`eject`: the kernels of a computation as files that run alone, with what they read and wrote.

Every launch is recorded with the memory it reads and writes; `ejected.py`, copied beside the
kernels as `run.py`, runs them on NumPy arrays without jitgrad. Entry: `eject`.
Imports: frontend, runtime, compiler.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from jitgrad.compiler.header import headed
from jitgrad.compiler.kernel import Spec
from jitgrad.debug.explaining import waiting
from jitgrad.frontend.pending import kept
from jitgrad.frontend.tensor import Tensor
from jitgrad.runtime import flush, trace
from jitgrad.runtime.interpret import DTYPES
from jitgrad.runtime.program import Program

_FROM = re.compile(r"^from jitgrad\.kernels\.(\w+) import", re.MULTILINE)
_SIBLING = re.compile(r"^\s*from \.(\w+) import|^\s*from \. import (\w+)", re.MULTILINE)


def eject(what: Any, folder: str | os.PathLike[str], *args: Any) -> list[Path]:
    """Copy the kernels that compute `what` to `folder`, with one run's inputs and outputs.

    `python folder/run.py` then runs every kernel alone on NumPy arrays, as the Python it is, and
    compares each output bit for bit; it needs NumPy (and scipy-openblas32 for matrix products),
    not jitgrad. A kernel file may be edited and run again.

    Args:
        what: a pending Tensor, a sequence of them, or a function: then all that it computes when
            called with `args`, as a training step or what `jitgrad.compile` returned.
        folder: made if missing; it must be empty or hold an earlier ejection.

    Returns:
        the kernel files, in the order they first ran.

    Raises:
        ValueError: if nothing was computed, or the folder holds something else.

    Example:
        >>> import jitgrad as jg, tempfile
        >>> x = jg.arange(6.0).reshape(2, 3)
        >>> [path.name for path in eject(x.exp().sum(1), tempfile.mkdtemp())]
        ['exp_sum_....py']
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()) and not (target / "cases.json").is_file():
        raise ValueError(f"eject: {target} is not empty; name a new folder")
    recorder = _Recorder()
    with trace.watching(recorder):
        if callable(what) and not isinstance(what, Tensor):
            what(*args)
        else:
            tensors = [what] if isinstance(what, Tensor) else list(what)
            flush.flush(kept(waiting(tensors)))
    if not recorder.cases:
        raise ValueError("eject: nothing was computed; eject tensors before they are read")
    return recorder.write(target)


@dataclasses.dataclass
class _Region:
    """Memory that one launch touches: an address range and the elements seen in it."""

    start: int
    end: int
    name: str
    dtype: np.dtype[Any]
    written: bool
    read: bool
    before: Any = None
    after: Any = None

    def copy(self) -> Any:
        """What it holds now."""
        return np.frombuffer(ctypes.string_at(self.start, self.end - self.start), self.dtype)


class _Recorder:
    """A launcher that keeps what every kernel read and wrote."""

    def __init__(self) -> None:
        self.cases: list[tuple[dict[str, Any], list[_Region]]] = []
        self.kernels: dict[str, tuple[str, Any]] = {}  # name -> source, kernel

    def __call__(self, plan: Any) -> Any:
        for number, step in enumerate(plan.steps):
            planned = plan.schedule.steps[number]
            if planned.name not in self.kernels:
                text = headed(plan.schedule, planned, plan.nodes)
                self.kernels[planned.name] = text, planned.kernels[0]
            found = []
            for kernel, (block, units) in zip(planned.kernels, step.segments, strict=True):
                if units > 0:
                    found.append(_case(plan, kernel, step, block, units))
            failure = Program([step]).run()
            if failure is not None:
                return dataclasses.replace(failure, step=number)
            for _, regions in found:
                for region in regions:
                    region.after = region.copy() if region.written else None
            self.cases += found
        return None

    def write(self, target: Path) -> list[Path]:
        """All files."""
        _clear(target)
        (target / "data").mkdir(parents=True)
        cases = []
        for number, (case, regions) in enumerate(self.cases):
            memory = []
            for region in regions:
                stem = f"data/{number}_{case['kernel']}.{region.name}"
                entry: dict[str, Any] = {"dtype": region.dtype.str, "size": 0}
                for when, array in (("before", region.before), ("after", region.after)):
                    if array is not None:
                        entry[when], entry["size"] = f"{stem}.{when}.npy", len(array)
                        np.save(target / entry[when], array, allow_pickle=False)
                memory.append(entry)
            cases.append({**case, "memory": memory})
        lines = ",\n".join(json.dumps(case) for case in cases)
        (target / "cases.json").write_text(f"[\n{lines}\n]\n")
        paths = []
        for name, (text, _) in self.kernels.items():
            paths.append(target / f"{name}.py")
            paths[-1].write_text(text)
        _copy_library([kernel for _, kernel in self.kernels.values()], target / "kernels")
        runner = files("jitgrad.debug").joinpath("ejected.py")
        (target / "run.py").write_text(runner.read_text())
        return paths


def _clear(target: Path) -> None:
    """Remove an earlier ejection, and nothing else."""
    cases = target / "cases.json"
    if cases.is_file():
        for name in {case["kernel"] for case in json.loads(cases.read_text())}:
            (target / f"{name}.py").unlink(missing_ok=True)
        for folder in ("data", "kernels"):
            shutil.rmtree(target / folder, ignore_errors=True)


def _case(plan: Any, kernel: Any, step: Any, block: Any, units: int) -> Any:
    """One launch of one segment: its description, and its memory as it is before."""
    regions: list[_Region] = []
    arguments: list[dict[str, Any]] = []
    pointers = []
    for at, ((name, kind, *_), spec) in enumerate(zip(kernel.params, kernel.specs, strict=True), 1):
        if kind.endswith("*"):
            dtype = DTYPES[kind[:-1]]
            low, high = _reach(plan, spec)
            address = int(block[at])
            size = dtype.itemsize
            own = spec[0] == "own"
            fresh = own and spec[1].store is None
            region = _Region(
                address + low * size, address + high * size, name, dtype, own, not fresh
            )
            regions.append(region)
            arguments.append({"name": name, "dtype": dtype.str})
            pointers.append((arguments[-1], address))
        else:
            value = block[at : at + 1].view(DTYPES[kind])[0].item()
            arguments.append({"name": name, "dtype": DTYPES[kind].str, "value": value})
    regions = _merged([r for r in regions if r.end > r.start])
    for argument, address in pointers:
        for number, region in enumerate(regions):
            if argument["name"] in region.name.split("+"):
                argument |= {"memory": number, "byte": address - region.start}
    for region in regions:
        region.before = region.copy() if region.read else None
    case = {
        "kernel": kernel.name, "units": units, "scratch": step.scratch, "arguments": arguments
    }  # fmt: skip
    return case, regions


def _reach(plan: Any, spec: Spec) -> tuple[int, int]:
    """The elements around a pointer that its view covers: first, past the last."""
    access = spec[1] if spec[0] == "memory" else spec[1].store
    value = access.value if access is not None else spec[1]
    if access is None or value.half:
        return 0, plan.nbytes(value) // value.dtype.itemsize
    if 0 in plan.shape(value):
        return 0, 0
    shape, strides, _ = plan.view(access)
    # Of a view without elements, a kernel may read those that it repeats no times.
    steps = [(max(n, 1) - 1) * s for n, s in zip(shape, strides, strict=True)]
    return sum(min(0, s) for s in steps), sum(max(0, s) for s in steps) + 1


def _merged(regions: list[_Region]) -> list[_Region]:
    """Regions that share bytes become one, so that a kernel in place stays one."""
    out: list[_Region] = []
    for region in sorted(regions, key=lambda r: (r.start, r.end)):
        if out and region.start < out[-1].end:
            last = out[-1]
            last.end = max(last.end, region.end)
            last.name += f"+{region.name}"
            last.written |= region.written
            last.read = True
            if region.dtype.itemsize != last.dtype.itemsize:
                last.dtype = np.dtype(np.uint8)
        else:
            out.append(region)
    return out


def _copy_library(kernels: list[Any], target: Path) -> None:
    """The modules of `jitgrad.kernels` that some kernels call, and those that these import."""
    library = files("jitgrad.kernels")
    wanted: set[str] = set()
    for kernel in kernels:
        wanted |= set(_FROM.findall(kernel.source))
    target.mkdir()
    done: set[str] = set()
    while wanted - done:
        name = (wanted - done).pop()
        text = library.joinpath(f"{name}.py").read_text()
        (target / f"{name}.py").write_text(text)
        done.add(name)
        wanted |= {a or b for a, b in _SIBLING.findall(text)}

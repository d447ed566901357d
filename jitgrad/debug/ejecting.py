"""`eject`: the kernels and the plan of a computation as a folder that runs by itself.

Every launch is recorded: the memory it starts from, its steps with their arguments, what each step
wrote. `ejected.py`, copied beside the kernels as `run.py`, runs all that without jitgrad.
Entry: `eject`. Imports: frontend, runtime, compiler.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from jitgrad.compiler.header import headed, served
from jitgrad.debug.explaining import waiting
from jitgrad.debug.regions import Region, buffers, regions
from jitgrad.frontend.pending import kept
from jitgrad.frontend.tensor import Tensor
from jitgrad.runtime import flush, trace
from jitgrad.runtime.interpret import DTYPES
from jitgrad.runtime.program import Program

_FROM = re.compile(r"^from jitgrad\.kernels\.(\w+) import", re.MULTILINE)
_SIBLING = re.compile(r"^\s*from \.(\w+) import|^\s*from \. import (\w+)", re.MULTILINE)
_PLAN = "plan.json"


def eject(what: Any, folder: str | os.PathLike[str], *args: Any) -> list[Path]:
    """Copy the kernels that compute `what` to `folder`, with their plan and one run's arrays.

    `python folder/run.py` then runs every step on those arrays and compares what each wrote bit for
    bit. It needs NumPy, and Numba to run them compiled; without it, with NUMBA_DISABLE_JIT=1 or
    `--python` they run as the Python they are. A kernel file may be edited and run again, and put
    to use with `override`.

    Args:
        what: a pending Tensor, a sequence of them, or a function: then all that it computes when
            called with `args`, as a training step or what `jitgrad.compile` returned.
        folder: made if missing; it must be empty or hold an earlier ejection.

    Returns:
        the kernel files, in the order they first ran.

    Raises:
        ValueError: if nothing was computed, or the folder holds something else.
        TypeError: if `what` is something else, or `args` are given with Tensors.

    Example:
        >>> import jitgrad as jg, tempfile
        >>> x = jg.arange(6.0).reshape(2, 3)
        >>> [path.name for path in eject(x.exp().sum(1), tempfile.mkdtemp())]
        ['exp_sum_....py']
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()) and not (target / _PLAN).is_file():
        raise ValueError(f"eject: {target} is not empty; name a new folder")
    recorder = _Recorder()
    with trace.watching(recorder):
        if callable(what) and not isinstance(what, Tensor):
            what(*args)
        else:
            if args:
                raise TypeError("eject: arguments are for a function")
            tensors = what if isinstance(what, (list, tuple)) else [what]
            flush.flush(kept(waiting(tensors, "eject")))
    if not recorder.programs:
        raise ValueError("eject: nothing was computed; eject tensors before they are read")
    return recorder.write(target)


class _Recorder:
    """A launcher that keeps what every program started from, and what each of its steps wrote."""

    def __init__(self) -> None:
        self.programs: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray] = {}  # file -> content
        self.kernels: dict[str, tuple[str, Any]] = {}  # name -> source, kernel

    def __call__(self, plan: Any) -> Any:
        program = f"{len(self.programs)}"
        touched = [
            [regions(plan, kernel, block) for kernel, (block, units) in _segments(plan, k)]
            for k in range(len(plan.steps))
        ]
        everything = [r for step in touched for segment in step for r in segment]
        memory = buffers(everything)
        inputs = []
        for region in {(r.start, r.end, r.dtype): r for r in everything if r.leaf}.values():
            entry = memory.place(region)
            entry["file"] = self._file(f"{program}_input{len(inputs)}_{region.name}", region)
            inputs.append(entry)
        steps: list[dict[str, Any]] = []
        for k, step in enumerate(plan.steps):
            planned = plan.schedule.steps[k]
            kernel = planned.kernels[0]
            self.kernels.setdefault(
                planned.name, (headed(plan.schedule, planned, plan.nodes), kernel)
            )
            failure = Program([step]).run()
            if failure is not None:
                return dataclasses.replace(failure, step=k)
            writes = []
            own = {(r.start, r.end): r for segment in touched[k] for r in segment if r.written}
            for region in own.values():
                entry = memory.place(region)
                name = f"{program}_step{k}_{planned.name}_{len(writes)}_{region.name}"
                writes.append({**entry, "file": self._file(name, region)})
            segments = []
            for (kernel, (block, units)), found in zip(_segments(plan, k), touched[k], strict=True):
                arguments = _arguments(kernel, block, found, memory)
                segments.append({"units": units, "arguments": arguments})
            steps.append(
                {"kernel": planned.name, "lines": served(planned, plan.nodes),
                 "scratch": step.scratch, "segments": segments, "writes": writes}
            )  # fmt: skip
        self.programs.append({"buffers": memory.sizes, "inputs": inputs, "steps": steps})
        return None

    def _file(self, name: str, region: Region) -> str:
        self.arrays[f"data/{name}.npy"] = region.copy()
        return f"data/{name}.npy"

    def write(self, target: Path) -> list[Path]:
        """All files."""
        _clear(target)
        (target / "data").mkdir(parents=True)
        for name, array in self.arrays.items():
            np.save(target / name, array, allow_pickle=False)
        (target / _PLAN).write_text(_text(self.programs))
        paths = []
        for name, (text, _) in self.kernels.items():
            paths.append(target / f"{name}.py")
            paths[-1].write_text(text)
        _copy_library([kernel for _, kernel in self.kernels.values()], target / "kernels")
        runner = files("jitgrad.debug").joinpath("ejected.py")
        (target / "run.py").write_text(runner.read_text())
        return paths


def _segments(plan: Any, k: int) -> list[tuple[Any, Any]]:
    """(kernel, (argument block, units)) of the parts of step `k` that do anything."""
    pairs = zip(plan.schedule.steps[k].kernels, plan.steps[k].segments, strict=True)
    return [pair for pair in pairs if pair[1][1] > 0]


def _arguments(kernel: Any, block: Any, found: list[Region], memory: Any) -> list[dict[str, Any]]:
    """Each argument of a launch: a number, or where in which buffer a pointer points."""
    by_name = {region.name: region for region in found}
    out: list[dict[str, Any]] = []
    for at, ((name, kind, *_), spec) in enumerate(zip(kernel.params, kernel.specs, strict=True), 1):
        dtype = DTYPES[kind.removesuffix("*")]
        entry: dict[str, Any] = {"name": name, "dtype": dtype.str}
        if not kind.endswith("*"):
            value = block[at : at + 1].view(dtype)[0].item()
            entry["value"] = int(bool(value)) if spec[0] == "tiles" else value  # no address
        elif name in by_name:
            region = by_name[name]
            entry |= {"buffer": memory.of(region), "byte": memory.byte(region, int(block[at]))}
        out.append(entry)
    return out


def _text(programs: list[dict[str, Any]]) -> str:
    """JSON with a line for each step."""
    parts = []
    for program in programs:
        rows = [json.dumps(step) for step in program["steps"]]
        head = json.dumps({key: program[key] for key in ("buffers", "inputs")})
        lines = ",\n".join(rows)
        parts.append(f'{head[:-1]}, "steps": [\n{lines}\n]}}')
    return "[" + ",\n".join(parts) + "]\n"


def _clear(target: Path) -> None:
    """Remove an earlier ejection, and nothing else."""
    plan = target / _PLAN
    if plan.is_file():
        for program in json.loads(plan.read_text()):
            for step in program["steps"]:
                (target / f"{step['kernel']}.py").unlink(missing_ok=True)
        for folder in ("data", "kernels"):
            shutil.rmtree(target / folder, ignore_errors=True)


def _copy_library(kernels: list[Any], target: Path) -> None:
    """The modules of `jitgrad.kernels` that some kernels call, those that these import, and what
    stands for them in compiled code."""
    library = files("jitgrad.kernels")
    wanted = {name for kernel in kernels for name in _FROM.findall(kernel.source)}
    target.mkdir()
    done: set[str] = set()
    while wanted - done:
        name = (wanted - done).pop()
        text = library.joinpath(f"{name}.py").read_text()
        (target / f"{name}.py").write_text(text)
        done.add(name)
        wanted |= {a or b for a, b in _SIBLING.findall(text)}
        if library.joinpath(f"{name}_llvm.py").is_file():
            wanted.add(f"{name}_llvm")

"""Run the kernels beside this file alone, on NumPy arrays, and compare with what was recorded.

    python run.py [kernel ...]

Each kernel is plain Python: edit it, set a breakpoint, run it again. `cases.json` lists the
recorded launches, `data/` holds the memory each read and wrote, `kernels/` the hand-written
functions they call. Needs NumPy; matrix products need the scipy-openblas32 wheel, whose bits they
have. Imports nothing of jitgrad.
"""

import argparse
import ctypes
import json
import os
import runpy
import sys
import time
import types
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
GARBAGE = 0xA5  # fills what a kernel must write before it reads it


class Pointer:
    """An element inside a flat array: `p[i]` may also lie before it; `p[i:]` moves it."""

    def __init__(self, array, start):
        self.array = array
        self.start = start
        self.dtype = array.dtype

    @property
    def address(self):
        """Where it points, for BLAS."""
        return self.array.ctypes.data + self.start * self.dtype.itemsize

    def _at(self, index):
        at = self.start + int(index)
        if not 0 <= at < len(self.array):
            raise IndexError(f"element {index} lies outside the recorded memory")
        return at

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Pointer(self.array, self.start + int(index.start))
        return self.array[self._at(index)]

    def __setitem__(self, index, value):
        self.array[self._at(index)] = value


def library():
    """Make the folder kernels/ what `jitgrad.kernels` names, as the kernels import it."""
    folder = HERE / "kernels"
    for name, path in (("jitgrad", []), ("jitgrad.kernels", [str(folder)])):
        sys.modules[name] = module = types.ModuleType(name)
        module.__path__ = path
    if (folder / "cblas.py").is_file():
        from jitgrad.kernels import cblas

        cblas.address_of = blas


def blas(name):
    """The address of a routine of OpenBLAS; single-threaded, as it ran."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import scipy_openblas32
    except ImportError:
        raise SystemExit("matrix products need: pip install scipy-openblas32") from None
    (path,) = sorted(Path(scipy_openblas32.get_lib_dir()).glob("lib*openblas*.[sd]*"))[:1]
    routine = getattr(ctypes.CDLL(str(path)), name.replace("jg_", "scipy_cblas_"))
    return ctypes.cast(routine, ctypes.c_void_p).value


def memory(entry):
    """The array a case starts from: what was recorded, or garbage where the kernel writes all."""
    if "before" in entry:
        return np.load(HERE / entry["before"], allow_pickle=False)
    dtype = np.dtype(entry["dtype"])
    return np.full(entry["size"] * dtype.itemsize, GARBAGE, np.uint8).view(dtype)


def run(function, case):
    """One launch: the names of the memory that differs from the recorded outputs."""
    arrays = [memory(entry) for entry in case["memory"]]
    values = []
    for argument in case["arguments"]:
        dtype = np.dtype(argument["dtype"])
        if "value" in argument:
            values.append(dtype.type(argument["value"]))
        elif "memory" not in argument:
            values.append(np.empty(0, dtype))
        else:
            array = arrays[argument["memory"]].view(dtype)
            start = argument["byte"] // dtype.itemsize
            values.append(Pointer(array, start) if start else array)
    error = np.zeros(4, np.int64)
    scratch = np.full(case["scratch"], GARBAGE, np.uint8)
    with np.errstate(all="ignore"):
        code = function(error, *values, 0, case["units"], scratch)
    if code:
        return [f"error {code}"]
    wrong = []
    for entry, array in zip(case["memory"], arrays, strict=True):
        kept = entry.get("after") or entry["before"]
        if not same(array, np.load(HERE / kept, allow_pickle=False)):
            wrong.append(kept)
    return wrong


def same(got, want):
    """Whether two arrays have the same bits; any NaN is as good as another."""
    if got.dtype.kind == "f":
        got, want = (np.where(np.isnan(a), np.array(np.nan, a.dtype), a) for a in (got, want))
    return got.tobytes() == want.tobytes()


def load(name):
    """The function of a kernel file."""
    return runpy.run_path(str(HERE / f"{name}.py"))[name]


def main():
    """Run the kernels named on the command line, or all: a line each; 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kernels", nargs="*", help="names; all if none is given")
    wanted = parser.parse_args().kernels
    cases = {}
    for case in json.loads((HERE / "cases.json").read_text()):
        cases.setdefault(case["kernel"], []).append(case)
    unknown = set(wanted) - set(cases)
    if unknown:
        parser.error(f"no kernel {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    library()
    failed = 0
    for name, launches in cases.items():
        if wanted and name not in wanted:
            continue
        function, start = load(name), time.perf_counter()
        wrong = [text for case in launches for text in run(function, case)]
        seconds = time.perf_counter() - start
        verdict = f"DIFFERS: {', '.join(wrong)}" if wrong else "equal"
        print(f"{name:<40} {len(launches)} run in {seconds:.3f} s  {verdict}")
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

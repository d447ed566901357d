"""Run the kernels beside this file as they ran when recorded, and compare what they wrote.

    python run.py [--python] [kernel ...]

`plan.json` lists the programs: buffers, what they held at the start, and the steps in order, each
with its kernel, its arguments and what it wrote. `data/` holds the arrays, `kernels/` the
hand-written functions that kernels call. Kernels are compiled by Numba if it is installed; with
`--python` or NUMBA_DISABLE_JIT=1 they run as the Python they are: edit one, set a breakpoint, run
it again. The bits are the recorded ones either way. Products by OpenBLAS need the scipy-openblas32
wheel for that; without it NumPy makes them, and is compared with a tolerance. Imports nothing of
jitgrad.
"""

import argparse
import ctypes
import importlib
import json
import os
import sys
import time
import types
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
GARBAGE = 0xA5  # fills what a kernel must write before it reads it
ALIGN = 64
TOLERANCE = 1e-4  # of the largest value, for products that NumPy made


# ---- memory


class Pointer:
    """An element inside a flat array: `p[i]` may also lie before it; `p[i:]` moves it."""

    def __init__(self, array, start):
        self.array = array
        self.start = start
        self.dtype = array.dtype

    @property
    def address(self):
        """Where it points, for machine code."""
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


def aligned(size):
    """So many bytes of garbage, on a boundary that vectors like."""
    room = np.full(size + ALIGN, GARBAGE, np.uint8)
    start = -room.ctypes.data % ALIGN
    return room[start : start + size]


class Memory:
    """The buffers of one program."""

    def __init__(self, sizes):
        self.buffers = [aligned(size) for size in sizes]

    def pointer(self, argument):
        """Where an argument points; one without elements points nowhere."""
        dtype = np.dtype(argument["dtype"])
        if "buffer" not in argument:
            return Pointer(np.empty(0, dtype), 0)
        array = self.buffers[argument["buffer"]].view(dtype)
        return Pointer(array, argument["byte"] // dtype.itemsize)

    def region(self, entry, count):
        """So many elements from a place on."""
        first = self.pointer(entry)
        return first.array[first.start : first.start + count]

    def put(self, entry):
        """Fill a place with what was recorded there."""
        recorded = stored(entry)
        self.region(entry, len(recorded))[:] = recorded


def stored(entry):
    """A recorded array."""
    return np.load(HERE / entry["file"], allow_pickle=False)


def same(got, want):
    """Whether two arrays have the same bits; any NaN is as good as another."""
    if got.dtype.kind == "f":
        got, want = (np.where(np.isnan(a), np.array(np.nan, a.dtype), a) for a in (got, want))
    return got.tobytes() == want.tobytes()


def near(got, want):
    """Whether floats differ by no more than another order of adding them up explains."""
    if got.dtype.kind != "f":
        return False
    finite = np.abs(want[np.isfinite(want)])
    scale = float(finite.max()) if finite.size else 1.0
    return np.allclose(got, want, TOLERANCE, TOLERANCE * scale, equal_nan=True)


# ---- products of matrices


class Blas:
    """The routines of `kernels/cblas.py`: OpenBLAS, single-threaded as it ran, or NumPy."""

    def __init__(self):
        self.numpy = False  # whether NumPy had to stand in
        self._kept = []

    def address(self, name):
        """Where `jg_sgemm` or `jg_dgemm` lies."""
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            import scipy_openblas32
        except ImportError:
            return self._stand_in(name)
        (path,) = sorted(Path(scipy_openblas32.get_lib_dir()).glob("lib*openblas*.[sd]*"))[:1]
        routine = getattr(ctypes.CDLL(str(path)), name.replace("jg_", "scipy_cblas_"))
        return ctypes.cast(routine, ctypes.c_void_p).value

    def _stand_in(self, name):
        number = ctypes.c_float if name == "jg_sgemm" else ctypes.c_double
        integer, pointer = ctypes.c_int32, ctypes.c_void_p

        def gemm(order, turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
            self.numpy = True
            left = matrix(a, number, m, k, lda, turn_a)
            right = matrix(b, number, k, n, ldb, turn_b)
            matrix(c, number, m, n, ldc, 111)[:] = left @ right

        kind = ctypes.CFUNCTYPE(
            None, *[integer] * 6, number, *[pointer, integer] * 2, number, pointer, integer
        )
        self._kept.append(kind(gemm))
        return ctypes.cast(self._kept[-1], ctypes.c_void_p).value


def matrix(address, number, rows, columns, step, turned):
    """op(a matrix in memory): `turned` is 111 as it lies, 112 transposed."""
    if turned == 112:
        return matrix(address, number, columns, rows, step, 111).T
    cells = (number * ((rows - 1) * step + columns)).from_address(address)
    size = ctypes.sizeof(number)
    return np.ndarray((rows, columns), number, cells, 0, (step * size, size))


# ---- kernels as Python


def library(blas):
    """Make the folder kernels/ what `jitgrad.kernels` names, as the kernels import it."""
    folder = HERE / "kernels"
    for name, path in (("jitgrad", []), ("jitgrad.kernels", [str(folder)])):
        sys.modules[name] = module = types.ModuleType(name)
        module.__path__ = path
    if (folder / "cblas.py").is_file():
        vars(importlib.import_module("jitgrad.kernels.cblas"))["address_of"] = blas.address


def source(name):
    """The namespace of a kernel file."""
    path = HERE / f"{name}.py"
    namespace = {"__name__": "kernel"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace


class Interpreted:
    """Kernels as plain Python over NumPy arrays."""

    name = "plain Python"

    def __init__(self, blas):
        pass

    def kernel(self, name, arguments):
        """The function of a kernel file."""
        function = source(name)[name]

        def call(error, values, units, scratch):
            plain = [v.array if isinstance(v, Pointer) and not v.start else v for v in values]
            with np.errstate(all="ignore"):
                return function(error, *plain, 0, units, scratch)

        return call


# ---- kernels as machine code


class Compiled:
    """Kernels compiled by Numba, with the machine operations of kernels/*_llvm.py."""

    # Called directly: `tiled` would call machine code at an address.
    as_it_is = ("jitgrad.kernels.tiled",)

    def __init__(self, blas):
        import llvmlite.binding as llvm
        import numba

        self.numba = numba
        self.name = f"Numba {numba.__version__}"
        self._known = {}
        if (HERE / "kernels" / "cblas.py").is_file():
            for routine in ("jg_sgemm", "jg_dgemm"):
                llvm.add_symbol(routine, blas.address(routine))

    def kernel(self, name, arguments):
        """The machine code of a kernel file, for arguments of these types."""
        kinds = self.numba.types
        inputs, words = [], []
        for argument in arguments:
            number = kinds.__dict__[np.dtype(argument["dtype"]).name]
            scalar = "value" in argument
            inputs.append(number if scalar else kinds.CPointer(number))
            kind = np.ctypeslib.as_ctypes_type(np.dtype(argument["dtype"]))
            words.append(kind if scalar else ctypes.c_void_p)
        error, scratch = kinds.CPointer(kinds.int64), kinds.CPointer(kinds.uint8)
        signature = kinds.int32(error, *inputs, kinds.intp, kinds.intp, scratch)
        namespace = source(name)
        function = self._rebased(namespace[name], self._replaced(namespace, "kernel"))
        code = self.numba.cfunc(signature, error_model="numpy")(function)
        size, pointer = ctypes.c_ssize_t, ctypes.c_void_p
        routine = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, *words, size, size, pointer)(
            code.address
        )

        def call(error, values, units, scratch):
            assert code.address  # the code lives as long as this
            plain = [v.address if isinstance(v, Pointer) else v.item() for v in values]
            return routine(error.ctypes.data, *plain, 0, units, scratch.ctypes.data)

        return call

    def _functions(self, name):
        """Each Python function of a module of kernels/ -> what compiled code calls."""
        if name not in self._known:
            module = importlib.import_module(name)
            own = {k: v for k, v in vars(module).items() if isinstance(v, types.FunctionType)}
            namespace = self._replaced(dict(vars(module)), name)
            beside = HERE / "kernels" / f"{name.rpartition('.')[2]}_llvm.py"
            if beside.is_file() and name not in self.as_it_is:
                found = vars(importlib.import_module(f"{name}_llvm"))
                namespace |= {k: found[k] for k in found if k in namespace and k[:2] != "__"}
            self._known[name] = {value: namespace[k] for k, value in own.items()}
        return self._known[name]

    def _replaced(self, namespace, owner):
        """The namespace with compiled functions in place of those of kernels/."""
        made = {}
        for key, value in list(namespace.items()):
            if isinstance(value, types.ModuleType) and value.__name__.startswith("jitgrad."):
                functions = self._functions(value.__name__)
                namespace[key] = stand_in = types.ModuleType(value.__name__)
                for k, v in vars(value).items():
                    known = isinstance(v, types.FunctionType) and v in functions
                    setattr(stand_in, k, functions[v] if known else v)
            elif isinstance(value, types.FunctionType) and value.__module__ != owner:
                if value.__module__.startswith("jitgrad.kernels."):
                    namespace[key] = self._functions(value.__module__)[value]
            elif isinstance(value, types.FunctionType):
                if value not in made:
                    compiled = self.numba.njit(error_model="numpy")
                    made[value] = compiled(self._rebased(value, namespace))
                namespace[key] = made[value]
        return namespace

    @staticmethod
    def _rebased(function, namespace):
        name, defaults, closure = function.__name__, function.__defaults__, function.__closure__
        return types.FunctionType(function.__code__, namespace, name, defaults, closure)


def executor(python, blas):
    """Compiled if Numba is there and wanted."""
    if not python and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0"):
        try:
            return Compiled(blas)
        except ImportError:
            pass
    return Interpreted(blas)


# ---- programs


class Runner:
    """All programs, a step after the other."""

    def __init__(self, python):
        self.blas = Blas()
        library(self.blas)
        self.executor = executor(python, self.blas)
        self.kernels = {}
        self.runs = {}  # kernel -> [steps, seconds, what differs]
        self.seconds = 0.0  # building kernels

    def program(self, program, wanted):
        """Run the steps whose kernel is wanted; of the others take what was recorded."""
        memory = Memory(program["buffers"])
        for entry in program["inputs"]:
            memory.put(entry)
        for step in program["steps"]:
            if wanted and step["kernel"] not in wanted:
                for entry in step["writes"]:
                    memory.put(entry)
                continue
            found = self.runs.setdefault(step["kernel"], [0, 0.0, []])
            function = self._kernel(step)
            start = time.perf_counter()
            code = self._step(function, step, memory)
            found[0] += 1
            found[1] += time.perf_counter() - start
            found[2] += [f"error {code}"] if code else self._differing(step, memory)

    def _kernel(self, step):
        name = step["kernel"]
        if name not in self.kernels and step["segments"]:
            start = time.perf_counter()
            self.kernels[name] = self.executor.kernel(name, step["segments"][0]["arguments"])
            self.seconds += time.perf_counter() - start
        return self.kernels.get(name)

    def _step(self, function, step, memory):
        error, scratch = np.zeros(4, np.int64), aligned(step["scratch"])
        for segment in step["segments"]:
            values = []
            for argument in segment["arguments"]:
                number = np.dtype(argument["dtype"]).type
                plain = "value" in argument
                values.append(number(argument["value"]) if plain else memory.pointer(argument))
            code = function(error, values, segment["units"], scratch)
            if code:
                return int(code)
        return 0

    def _differing(self, step, memory):
        """The files that differ from what was written; what follows goes on from the files."""
        wrong = []
        for entry in step["writes"]:
            want = stored(entry)
            got = memory.region(entry, len(want))
            if not same(got, want) and not (self.blas.numpy and near(got, want)):
                wrong.append(entry["file"])
            got[:] = want
        return wrong


def main():
    """Run the kernels named on the command line, or all: a line each; 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="store_true", help="do not compile")
    parser.add_argument("kernels", nargs="*", help="names; all if none is given")
    options = parser.parse_args()
    programs = json.loads((HERE / "plan.json").read_text())
    names = dict.fromkeys(step["kernel"] for program in programs for step in program["steps"])
    unknown = set(options.kernels) - set(names)
    if unknown:
        parser.error(f"no kernel {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    runner = Runner(options.python)
    for program in programs:
        runner.program(program, options.kernels)
    for name, (steps, seconds, wrong) in runner.runs.items():
        verdict = f"DIFFERS: {', '.join(wrong)}" if wrong else "equal"
        print(f"{name:<40} {steps} run in {seconds:.3f} s  {verdict}")
    steps = sum(run[0] for run in runner.runs.values())
    failed = sum(bool(run[2]) for run in runner.runs.values())
    how = ", products by NumPy within a tolerance" if runner.blas.numpy else ""
    verdict = f"{failed} kernels DIFFER" if failed else "equal"
    built = f", built in {runner.seconds:.1f} s" if isinstance(runner.executor, Compiled) else ""
    print(f"{steps} steps by {runner.executor.name}{built}{how}  {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

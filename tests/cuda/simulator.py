"""The kernels of a computation run by Numba's CUDA simulator, on the memory of the CPU's plan.

Needs NUMBA_ENABLE_CUDASIM=1 before Numba is imported, so it has a process of its own
(`tests.cuda.simulated`). Entry: `simulated(tensors, device)`.
"""

import ctypes
import warnings
from unittest import mock

import numpy as np
from numba import cuda
from numba.cuda.simulator.kernel import _get_kernel_context as kernel_context

from jitgrad.compiler.cuda.launch import configure, places
from jitgrad.compiler.cuda.text import segments
from jitgrad.kernels import device as twins
from jitgrad.kernels import intrinsics
from jitgrad.runtime import pool
from jitgrad.runtime.bind import Bound
from jitgrad.runtime.cuda_library import Library
from jitgrad.runtime.errors import raise_failure
from jitgrad.runtime.interpret import DTYPES, Ptr
from jitgrad.runtime.program import Failure
from tests.cuda.block import install, shuffle_xor, spoiled
from tests.cuda.graphs import scheduled, taken

REPLACED = {twins.shuffle_xor: shuffle_xor}  # what stands for functions of kernels/
install()


class Function:
    """Stands for machine code in a plan that is never run natively."""

    address = 0
    python = None


def simulated(tensors, device):
    """(arrays of the tensors' values, launches) by simulated kernels; the tensors stay pending.

    Raises:
        IndexError: as the CPU does, for an index out of range.
    """
    warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy, in threads where errstate is unset
    snap = taken(tensors)
    schedule = scheduled(snap)
    plan = Bound(schedule, [Function] * len(schedule.steps), snap.nodes)
    run = _Run(device)
    with mock.patch.object(pool, "alloc", _alloc):
        buffers, failure = plan.run(snap.nodes, run)
    if failure is not None:
        raise_failure(failure, schedule, snap.nodes)
    arrays = []
    for i, buffer in zip(snap.outputs, buffers, strict=True):
        node = snap.nodes[i]
        count = int(np.prod(node.shape, dtype=np.int64))
        flat = np.asarray(buffer).view(node.dtype.np)[:count]
        arrays.append(flat.reshape(node.shape).copy())
    return arrays, run.launches


def _alloc(nbytes, alloc=pool.alloc):
    """Memory in which nothing stands that an earlier run wrote."""
    buffer = alloc(nbytes)
    spoiled(buffer.array)
    return buffer


def _private(dtype):
    """Registers, which are not cleared either."""
    return lambda n: spoiled(np.empty(n, dtype))


class _Run:
    """Launches the steps of a plan one after the other."""

    def __init__(self, device):
        self.device = device
        self.launches = []  # names of the kernels that ran
        self.library = Library(_wrap, compiled=False)
        self.library.replaced.update(REPLACED)
        for name, dtype in DTYPES.items():
            self.library.replaced[getattr(intrinsics, f"view_{name}")] = _viewer(dtype)
            self.library.replaced[getattr(twins, f"pointer_{name}")] = _at(dtype)
            self.library.replaced[getattr(twins, f"private_{name}")] = _private(dtype)

    def __call__(self, plan):
        for number, (planned, step) in enumerate(zip(plan.schedule.steps, plan.steps, strict=True)):
            error = pool.alloc(32)
            np.asarray(error).view(np.int64)[:] = 0
            blocks = [block for block, _ in step.segments]
            if planned.kernels[0].launch == "library":
                for kernel, block in zip(planned.kernels, blocks, strict=True):
                    _product(plan, kernel, block)
            else:
                self.step(plan, planned.kernels, blocks, error)
            code, op, element, value = np.asarray(error).view(np.int64)[:4].tolist()
            if code:
                return Failure(number, 0, code, op, element, value)
        return None

    def step(self, plan, kernels, blocks, error):
        """One launch of one segment, or of many by a table of their arguments."""
        first = kernels[0]
        given = (*first.params, *first.extra)
        work, lent = [], []
        for kernel, block in zip(kernels, blocks, strict=True):
            launch = configure(kernel, plan.number, self.device)
            if launch.blocks:
                extra, memory = _extra(plan, kernel, launch, block)
                work.append((launch, [*block[1:].tolist(), *extra]))
                lent.append(memory)
                self.launches.append(kernel.name)
        if len(work) > 1 and not first.finish:
            table = np.array([row for _, row in work], np.int64)
            grid = max(launch.blocks for launch, _ in work), len(work)
            name = f"{first.name}_segments"
            self.launch(segments(first), name, grid, work[0][0], [_pointer(table)], error)
            return
        for launch, row in work:
            values = [_value(kind, word) for (_, kind), word in zip(given, row, strict=True)]
            self.launch(first.source, first.name, launch.blocks, launch, values, error)
            if launch.finish:
                self.launch(first.source, first.finish, launch.finish, launch, values, error)

    def launch(self, text, name, grid, launch, values, error):
        """Run one function over a grid."""
        names = self.library.namespace(text, name)
        for key, value in list(names.items()):
            if getattr(value, "__module__", None) == "kernel" and key != name:
                names[key] = _wrap(value)
        slot = _at(DTYPES["i64"])(error.ptr)
        kernel = cuda.jit(names[name])
        kernel[grid, launch.threads, 0, launch.shared](slot, *values)


def _extra(plan, kernel, launch, block):
    """Words of the arguments that the launch adds, and the memory that some of them point to."""
    room = pool.alloc(launch.workspace) if launch.workspace else None
    given = dict(zip((name for name, _ in kernel.params), block[1:].tolist(), strict=True))
    sizes = places(kernel, launch.numbers.get("parts", 0) * plan.number(kernel.units))
    words, at = [], 0
    for name, kind in kernel.extra:
        if not kind.endswith("*"):
            words.append(launch.numbers[name])
        elif name in sizes and not launch.finish:  # one span: what it leaves are the results
            words.append(given[kernel.results[name]])
        else:
            words.append(room.ptr + at if room is not None else 0)
            at += sizes.get(name, 0)
    return words, room


def _value(kind, word):
    if kind.endswith("*"):
        return _at(DTYPES[kind[:-1]])(word) if word else None
    return np.array([word], np.int64).view(DTYPES[kind])[0]


def _at(dtype):
    """Address -> pointer that stays inside its buffer."""
    return lambda word: Ptr(int(word), dtype, *pool.extent(int(word)))


def _pointer(array):
    start = array.ctypes.data
    return Ptr(start, array.dtype, start, start + array.nbytes)


def _viewer(dtype):
    def view(memory, offset):
        if isinstance(memory, Ptr):
            return Ptr(memory.address + int(offset), dtype, memory.low, memory.high)
        size = (memory.nbytes - offset) // dtype.itemsize * dtype.itemsize
        return memory[offset : offset + size].view(dtype)

    return view


class _Running:
    """`cuda` as the threads of the running kernel see it.

    Numba puts that among a device function's globals when a thread enters, and takes it out when
    the first one leaves, though others are still inside.
    """

    def __getattr__(self, name):
        return getattr(kernel_context(), name)


def _wrap(function):
    if "cuda" in function.__globals__:
        function.__globals__["cuda"] = _Running()
    return function


def _product(plan, kernel, block):
    """A matrix product from the arguments that a library would get."""
    words = dict(zip((name for name, _ in kernel.params), block[1:].tolist(), strict=True))
    dtype = kernel.product.dtype.np
    batch = plan.view(kernel.product.inputs[0])[0][:-2]
    shape = *batch, words["rows"], words["cols"]
    a, b = (
        _matrices(words, side, dtype, (*batch, words[rows], words[cols]))
        for side, rows, cols in (("a", "rows", "depth"), ("b", "depth", "cols"))
    )
    out = (ctypes.c_byte * (int(np.prod(shape)) * dtype.itemsize)).from_address(words["out"])
    np.frombuffer(out, dtype).reshape(shape)[...] = a @ b


def _matrices(words, side, dtype, shape):
    """An operand by its address, batch strides, leading dimension and transposition."""
    step = words[f"{side}_ld"]
    inner = (1, step) if words[f"{side}_t"] else (step, 1)
    strides = [*(words[f"{side}_s{i}"] for i in range(len(shape) - 2)), *inner]
    reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    memory = (ctypes.c_byte * (reach * dtype.itemsize)).from_address(words[side])
    flat = np.frombuffer(memory, dtype)
    return np.lib.stride_tricks.as_strided(flat, shape, [s * dtype.itemsize for s in strides])

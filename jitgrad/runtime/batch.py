"""Kernels found in no cache become machine code: `compile_all(pending)`, `lower(kernel, symbol)`.

This thread types and lowers one kernel after another, Python work under the GIL; a helper thread
runs LLVM, outside it, on those before. Each kernel is one LLVM module and one file in the disk
cache. Imports the other modules of building, Numba's part only when a kernel needs it.
"""

import contextlib
import dataclasses
import gc
import sys
import time

from . import blas, cache, machine

_SWITCH_S = 2e-4
_helper = None


class CompileError(RuntimeError):
    """A kernel's source that Numba or LLVM refused."""


@dataclasses.dataclass
class Spent:
    """Seconds of this process that went into compiling; LLVM's run beside the others."""

    importing: float = 0.0
    lowering: float = 0.0
    llvm: float = 0.0
    waiting: float = 0.0


spent = Spent()


def form(kernel):
    """How `kernel` is compiled.

    "loops": by Numba, and LLVM makes vectors of its loops. "vectors": by Numba, but it is written
    in vectors already, so that most of LLVM's passes would find nothing to do. "words": a kernel of
    64-bit words alone, which needs no Numba and none of these passes.
    """
    return getattr(kernel, "form", "loops")


def lower(kernel, symbol):
    """LLVM IR text of a kernel."""
    if form(kernel) == "words":
        from . import words as front
    else:
        front = _numba()
    start = time.perf_counter()
    try:
        return front.lower(kernel, symbol)
    finally:
        spent.lowering += time.perf_counter() - start


def compile_all(pending, keep):
    """Compile {key: kernel}; `keep(kernel, key, address, seconds)` is told of each that succeeds.

    Raises:
        CompileError: naming the first kernel that fails.
    """
    lowered, failure = [], None
    with _undisturbed():
        for key, kernel in pending.items():
            start = time.perf_counter()
            try:
                text = lower(kernel, symbol(key))
            except Exception as error:
                failure = kernel, error
                break
            seconds = time.perf_counter() - start
            future = _llvm_thread().submit(_finish, text, key, form(kernel) == "loops")
            lowered.append((kernel, key, seconds, future))
        start = time.perf_counter()
        for kernel, key, seconds, future in lowered:
            try:
                address, more = future.result()
            except Exception as error:
                failure = failure or (kernel, error)
            else:
                keep(kernel, key, address, seconds + more)
        spent.waiting += time.perf_counter() - start
    if failure:
        kernel, cause = failure
        raise CompileError(f"kernel {kernel.name} does not compile: {cause}") from cause


def symbol(key):
    """The name that a kernel's machine code is exported by."""
    return "jg_" + key[:40]


def forget():
    """In a forked child: the helper thread did not come along."""
    global _helper
    _helper = None


def _llvm_thread():
    global _helper
    if _helper is None:
        from concurrent.futures import ThreadPoolExecutor

        _helper = ThreadPoolExecutor(1, "jitgrad-llvm")
    return _helper


def _finish(text, key, loops):
    """LLVM's part, the check of what the code needs, the disk, the loader: (address, seconds)."""
    from . import codegen

    start = time.perf_counter()
    code, needs = codegen.object_code(text, loops)
    entry = cache.Entry(symbol(key), needs, code)
    blas.load_for(needs)
    missing = machine.unknown(needs)
    if missing:
        raise CompileError(f"calls {', '.join(missing)}, which this process does not have")
    cache.store(key, entry)
    address = machine.load(code, entry.symbol)
    seconds = time.perf_counter() - start
    spent.llvm += seconds
    return address, seconds


def _numba():
    """The module that Numba is behind; its first import takes a fifth of a second."""
    start = time.perf_counter()
    from . import compile as front

    spent.importing += time.perf_counter() - start
    return front


@contextlib.contextmanager
def _undisturbed():
    """Compile without garbage collections, and with a GIL that is handed over sooner.

    Numba makes many objects that live on: looking through them takes a sixth of its time. And the
    helper thread would wait for up to 5 ms after each of its calls.
    """
    was_on, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(min(interval, _SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if was_on:
            gc.enable()

"""Kernel -> Function: `get(kernel)`, `get_many(kernels)`; memory, then disk, then Numba.

A kernel is anything with `name`, `source` (a Python module with one function of that name) and
`params`; it may have a `form` (see `batch`). In a process that finds its kernels on disk Numba is
never imported. `counters` tells how many were compiled and loaded, why, and how long it took.
Imports the other modules of building.
"""

import dataclasses
import threading
import time

from . import batch, blas, cache, fork, history, interpret, machine, overrides, sources, switches
from .batch import CompileError as CompileError

_lock = threading.RLock()
_by_text: dict[tuple, "Function"] = {}
_by_key: dict[str, "Function"] = {}


@dataclasses.dataclass
class Counters:
    """How the kernels of this process came about."""

    compiled: int = 0
    loaded: int = 0
    interpreted: int = 0
    compile_s: float = 0.0
    load_s: float = 0.0
    misses: dict = dataclasses.field(default_factory=dict)

    def snapshot(self):
        """A copy as a plain dict."""
        return dataclasses.asdict(self)


counters = Counters()


@dataclasses.dataclass(frozen=True, eq=False)
class Function:
    """A kernel ready to run: an address, or under JITGRAD_JIT=0 a Python function."""

    name: str
    key: str
    params: tuple
    source: str
    address: int = 0
    python: object = None
    from_cache: bool = False
    compile_s: float = 0.0
    load_s: float = 0.0
    form: str = "loops"

    def asm(self):
        """The assembly text, compiled anew."""
        from . import codegen

        return codegen.assembly(*self._compiled_anew())

    def llvm(self):
        """The optimised LLVM IR, compiled anew."""
        from . import codegen

        return str(codegen.optimised(*self._compiled_anew()))

    def _compiled_anew(self):
        return batch.lower(self, batch.symbol(self.key)), self.form == "loops"


def get(kernel):
    """The Function of `kernel`."""
    return get_many([kernel])[0]


def get_many(kernels):
    """The Functions of `kernels`; those to compile overlap Numba's work with LLVM's."""
    kernels = overrides.applied(kernels)
    if not switches.jit():
        return [_interpreted(kernel) for kernel in kernels]
    return machine_code(kernels)


def machine_code(kernels):
    """The Functions of `kernels` as machine code, whatever JITGRAD_JIT says."""
    texts = [(kernel.source, tuple(kernel.params)) for kernel in kernels]
    if all(text in _by_text for text in texts):
        return [_by_text[text] for text in texts]
    with _lock:
        keys, pending = {}, {}
        for text, kernel in zip(texts, kernels, strict=True):
            if text not in _by_text:
                key = keys[text] = sources.key(kernel)
                if key not in _by_key and key not in pending and not _load(kernel, key):
                    pending[key] = kernel
        if pending:
            batch.compile_all(pending, _compiled)
        for text, kernel in zip(texts, kernels, strict=True):
            if text not in _by_text:
                _by_text[text] = _renamed(_by_key[keys[text]], kernel)
        return [_by_text[text] for text in texts]


def forget():
    """Drop what this process remembers; machine code stays mapped, since programs may hold it."""
    with _lock:
        _by_text.clear()
        _by_key.clear()


def _interpreted(kernel):
    text = (kernel.source, tuple(kernel.params), "interpreted")
    function = _by_text.get(text)
    if function is None:
        blas.load()
        python = interpret.execute(kernel)[kernel.name]
        function = Function(
            kernel.name, sources.key(kernel), tuple(kernel.params), kernel.source, python=python
        )
        _by_text[text] = function
        counters.interpreted += 1
    return function


def _load(kernel, key):
    """Whether the kernel was found on disk and is now known by its key."""
    history.keep(counters)
    start = time.perf_counter()
    entry, reason = cache.fetch(key)
    if entry is not None:
        blas.load_for(entry.needs)
        missing = machine.unknown(entry.needs)
        reason = f"needs {missing[0]}" if missing else ""
        if not missing:
            address = machine.load(entry.code, entry.symbol)
            seconds = time.perf_counter() - start
            counters.loaded += 1
            counters.load_s += seconds
            _keep(kernel, key, address, from_cache=True, load_s=seconds)
            return True
    counters.misses[reason] = counters.misses.get(reason, 0) + 1
    return False


def _compiled(kernel, key, address, seconds):
    counters.compiled += 1
    counters.compile_s += seconds
    _keep(kernel, key, address, compile_s=seconds)


def _keep(kernel, key, address, **fields):
    _by_key[key] = Function(
        kernel.name, key, tuple(kernel.params), kernel.source, address,
        form=batch.form(kernel), **fields,
    )  # fmt: skip


def _renamed(function, kernel):
    """The same machine code for a kernel that differs in name or comments alone."""
    return dataclasses.replace(function, name=kernel.name, source=kernel.source)


fork.guard(_lock, batch.forget)

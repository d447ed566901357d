"""Kernel -> Function: `get(kernel)`, `get_many(kernels)`; memory, then disk, then Numba.

A kernel is anything with `name`, `source` (a Python module with one function of that name) and
`params`. In a process that finds its kernels on disk Numba is never imported. `counters` tells how
many were compiled and loaded, why, and how long it took. Imports the other modules of building.
"""

import dataclasses
import threading
import time

from . import blas, cache, elf, fork, interpret, machine, overrides, sources, switches

_lock = threading.RLock()
_by_text: dict[tuple, "Function"] = {}
_by_key: dict[str, "Function"] = {}
_backend = None


class CompileError(RuntimeError):
    """A kernel's source that Numba or LLVM refused."""


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

    def asm(self):
        """The assembly text, compiled anew."""
        return _backend_module().assembly(_backend_module().lower(self, _symbol(self.key)))

    def llvm(self):
        """The optimised LLVM IR, compiled anew."""
        return str(_backend_module().optimise(_backend_module().lower(self, _symbol(self.key))))


def get(kernel):
    """The Function of `kernel`."""
    return get_many([kernel])[0]


def get_many(kernels):
    """The Functions of `kernels`; those to compile overlap Numba's work with LLVM's."""
    kernels = overrides.applied(kernels)
    if not switches.jit():
        return [_interpreted(kernel) for kernel in kernels]
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
        _compile_all(pending)
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


def _symbol(key):
    return "jg_" + key[:40]


def _load(kernel, key):
    """Whether the kernel was found on disk and is now known by its key."""
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


def _keep(kernel, key, address, **fields):
    params = tuple(kernel.params)
    _by_key[key] = Function(kernel.name, key, params, kernel.source, address, **fields)


def _renamed(function, kernel):
    """The same machine code for a kernel that differs in name or comments alone."""
    return dataclasses.replace(function, name=kernel.name, source=kernel.source)


def _backend_module():
    from . import compile as backend

    return backend


def _compile_all(pending):
    """Lower each kernel here while a helper thread runs LLVM on the one before."""
    global _backend
    if not pending:
        return
    backend = _backend_module()
    if _backend is None:
        from concurrent.futures import ThreadPoolExecutor

        _backend = ThreadPoolExecutor(1, "jitgrad-llvm")
    futures, failure = [], None
    for key, kernel in pending.items():
        start = time.perf_counter()
        try:
            lowered = backend.lower(kernel, _symbol(key))
        except Exception as error:
            failure = kernel, error
            break
        spent = time.perf_counter() - start
        futures.append((kernel, key, spent, _backend.submit(_finish, lowered, key)))
    for kernel, key, spent, future in futures:
        try:
            address, seconds = future.result()
        except Exception as error:
            failure = failure or (kernel, error)
            continue
        counters.compiled += 1
        counters.compile_s += spent + seconds
        _keep(kernel, key, address, compile_s=spent + seconds)
    if failure:
        kernel, cause = failure
        raise CompileError(f"kernel {kernel.name} does not compile: {cause}") from cause


def _finish(lowered, key):
    """LLVM's part, the check of what the code needs, the disk, the loader: (address, seconds)."""
    start = time.perf_counter()
    code = _backend_module().finish(lowered)
    symbol = _symbol(key)
    _, needs = elf.symbols(code)
    entry = cache.Entry(symbol, tuple(sorted(needs)), code)
    blas.load_for(entry.needs)
    missing = machine.unknown(entry.needs)
    if missing:
        raise CompileError(f"calls {', '.join(missing)}, which this process does not have")
    cache.store(key, entry)
    return machine.load(code, symbol), time.perf_counter() - start


def _forget_backend():
    global _backend
    _backend = None


fork.guard(_lock, _forget_backend)

"""The machine that kernels run on: CPU name and features, LLVM target machine, object code loaded.

`load(blob, symbol) -> address` puts an object file into the process; a missing symbol would make
LLVM abort, so `unknown(names)` is asked first. Imports llvmlite.binding alone, never numba.
"""

import ctypes
import functools
import os
import threading

from llvmlite import binding as llvm

_lock = threading.Lock()
_loaded: dict[str, int] = {}


@functools.cache
def _initialise():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def cpu():
    """(name, features) to compile for: the host's, or what NUMBA_CPU_NAME/_FEATURES ask for."""
    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if name is None:
        name = llvm.get_host_cpu_name()
        if features is None:
            features = llvm.get_host_cpu_features().flatten()
    return name, features or ""


def target_machine():
    """A new LLVM target machine for JIT code on `cpu()`."""
    _initialise()
    name, features = cpu()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    reloc = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        cpu=name, features=features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True
    )


@functools.cache
def _engine():
    machine = target_machine()
    empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
    return llvm.create_mcjit_compiler(empty, machine)


def define(name, function):
    """Make a ctypes function reachable from compiled code under `name`."""
    llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


def unknown(names):
    """Those of `names` that this process cannot resolve."""
    _engine()  # from its making on LLVM sees the symbols of the process itself
    return [name for name in names if not llvm.address_of_symbol(name)]


def load(blob, symbol):
    """Link the object file `blob`, whose externals are all known, and return `symbol`'s address."""
    with _lock:
        if symbol not in _loaded:  # MCJIT does not expect a name twice
            engine = _engine()
            engine.add_object_file(llvm.ObjectFileRef.from_data(blob))
            engine.finalize_object()
            _loaded[symbol] = engine.get_function_address(symbol)
        return _loaded[symbol]

"""The machine that kernels run on: CPU name and features, LLVM target machine, object code loaded.

`load(blob, symbol) -> address` puts an object file into the process; a missing symbol would make
LLVM abort, so `unknown(names)` is asked first. Imports llvmlite.binding and `elf`, never numba.
"""

import ctypes
import functools
import os
import threading

from llvmlite import binding as llvm

from . import elf

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


def target_machine(near=False):
    """A new LLVM target machine for JIT code on `cpu()`.

    Near code needs nothing from outside: where it and its constants lie within 2 GB of each other,
    a constant is an operand of the instruction that uses it. Code that may reach anything loads the
    address of each constant first, which takes registers, and a fifth of the time of exp in a loop.
    """
    _initialise()
    name, features = cpu()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    reloc, model = "static" if target.name.startswith("x86") else "default", "jitdefault"
    if near:
        reloc, model = "pic", "small"
    return target.create_target_machine(
        cpu=name, features=features, opt=3, reloc=reloc, codemodel=model, jit=True
    )


@functools.cache
def _engine(near):
    machine = target_machine(near)
    empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
    # llvmlite's own memory manager puts all sections of an object file side by side.
    return llvm.create_mcjit_compiler(empty, machine, use_lmm=near)


def define(name, function):
    """Make a ctypes function reachable from compiled code under `name`."""
    llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


def unknown(names):
    """Those of `names` that this process cannot resolve."""
    _engine(False)  # from its making on LLVM sees the symbols of the process itself
    return [name for name in names if not llvm.address_of_symbol(name)]


def load(blob, symbol):
    """Link the object file `blob`, whose externals are all known, and return `symbol`'s address."""
    with _lock:
        if symbol not in _loaded:  # MCJIT does not expect a name twice
            _, needs = elf.symbols(blob)
            engine = _engine(not needs)
            engine.add_object_file(llvm.ObjectFileRef.from_data(blob))
            engine.finalize_object()
            _loaded[symbol] = engine.get_function_address(symbol)
        return _loaded[symbol]

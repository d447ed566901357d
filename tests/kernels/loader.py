"""Loads kernels/ twice: `twin.<module>` as plain Python and `jit.<module>` compiled.

The compiled form executes each module's source once more with every function wrapped by Numba and the
intrinsics replaced. May import: Numba.
"""

import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path

import numba

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


def _package(name):
    """Register kernels/ under a name of our own, so that the tests need no installed jitgrad."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, KERNELS / "__init__.py", submodule_search_locations=[str(KERNELS)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return name


def twin(name):
    """The module as plain Python."""
    return importlib.import_module(f"{_package('kernels_twin')}.{name}")


def jit(name):
    """The module with every function compiled on first use."""
    full = f"{_package('kernels_jit')}.{name}"
    if full in sys.modules:
        return sys.modules[full]
    if name == "intrinsics":
        module = _llvm()
        sys.modules[full] = module
        return module
    module = types.ModuleType(full)
    module.__package__ = "kernels_jit"
    sys.modules[full] = module
    source = (KERNELS / f"{name}.py").read_text()
    for other in re.findall(r"^from \.(\w+) import", source, re.MULTILINE):
        jit(other)
    exec(compile(source, str(KERNELS / f"{name}.py"), "exec"), module.__dict__)
    wrapped = {}
    for key, value in list(vars(module).items()):
        if isinstance(value, types.FunctionType) and value.__module__ == full:
            if value not in wrapped:
                wrapped[value] = numba.njit(
                    error_model="numpy", forceinline=bool(getattr(module, "INLINE", False))
                )(value)
            setattr(module, key, wrapped[value])
    return module


def _llvm():
    _package("kernels_twin")
    return importlib.import_module("kernels_twin.intrinsics_llvm")

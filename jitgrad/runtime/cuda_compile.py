"""CUDA kernel source to machine code, without a GPU or a driver: `lower`, then `ptx`, then
`machine`.

The one module behind which a compiler package stands: `numba-cuda` types and lowers, NVVM makes
PTX, nvJitLink machine code. Nothing is contracted: a fused multiply-add is one that the source
asks for. `missing()` names what is not installed. Imports `cuda_library`; numba-cuda and kernels/
when it compiles.
"""

from __future__ import annotations

import functools
import re
from importlib import metadata
from typing import Any, NamedTuple

from .cuda_library import Function, Library

# CUDA 13.0 alone: PTX of a newer toolkit is refused by drivers of the 580 series.
PACKAGES = ("numba-cuda", "cuda-core", "nvidia-nvvm", "nvidia-nvjitlink", "nvidia-cuda-nvrtc")
OPTIONS = {"opt": 3, "fma": 0}
Capability = tuple[int, int]  # (9, 0) of sm_90
_LOWEST = (8, 0)


def missing() -> str:
    """Packages to install before kernels can be compiled, with commas; "" if there are none."""
    wanted = []
    for package in PACKAGES:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            wanted.append(package)
    return ", ".join(wanted)


def lower(source: str, function: str, params: Any) -> Any:
    """One function of a kernel's module as NVVM's input; `params` are (name, type) pairs."""
    from numba.cuda.compiler import kernel_fixup

    library = _library()
    names = library.namespace(source, function)
    for name, value in names.items():
        if isinstance(value, Function) and value.__module__ == "kernel" and name != function:
            names[name] = library.wrap(value)
    result = _compiled(names[function], _types(params))
    code = result.library
    entry = code.get_function(result.fndesc.llvm_func_name)
    code._entry_name = entry.name
    kernel_fixup(entry, False)
    return code


def ptx(lowered: Any, cc: Capability) -> str:
    """PTX of what `lower` gave, its one entry the kernel."""
    return lowered.get_asm_str(cc=cc)


class Machine(NamedTuple):
    """Machine code of one kernel.

    Attributes:
        cubin: the code, an ELF file.
        registers: of a thread.
        memory: bytes of a thread's own that did not become registers: its stack, and what was
            written there for want of registers.
    """

    cubin: bytes
    registers: int
    memory: int


_USE = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores")
_REGISTERS = re.compile(r"Used (\d+) registers")


def machine(text: str, cc: Capability) -> Machine:
    """Machine code of PTX with one kernel."""
    from cuda.core import Linker, LinkerOptions, ObjectCode

    options = LinkerOptions(arch=f"sm_{cc[0]}{cc[1]}", verbose=True)
    linker = Linker(ObjectCode.from_ptx(text.encode()), options=options)
    code = linker.link("cubin").code
    log = linker.get_info_log()
    memory = sum(int(n) for found in _USE.findall(log) for n in found)
    return Machine(code, int(_REGISTERS.findall(log)[0]), memory)


def _types(params: Any) -> tuple[Any, ...]:
    """Numba types of the error slot and the parameters."""
    from numba.cuda import types

    from jitgrad.kernels.pointer_llvm import ELEMENTS

    kinds = [types.CPointer(types.int64)]
    for _, kind, *_ in params:
        pointer = kind.endswith("*")
        kinds.append(types.CPointer(ELEMENTS[kind[:-1]]) if pointer else ELEMENTS[kind])
    return tuple(kinds)


def _compiled(function: Function, arguments: tuple[Any, ...]) -> Any:
    """A function typed and lowered; nothing that kernels use differs between capabilities."""
    from numba.cuda.compiler import compile_cuda

    return compile_cuda(function, None, arguments, nvvm_options=OPTIONS, cc=_LOWEST)


@functools.cache
def _library() -> Library:
    """kernels/ for the device: functions compiled when first called, then inlined."""
    return Library(_helper_class(), compiled=True)


@functools.cache
def _helper_class() -> type:
    """Numba's view of a function of kernels/, made once numba-cuda is there."""
    from numba.cuda import types
    from numba.cuda.datamodel import models, register_default
    from numba.cuda.extending import typeof_impl

    class Helper:
        """A function that kernels can call or pass on."""

        def __init__(self, function: Function) -> None:
            self.function = function
            self.overloads: dict[tuple[Any, ...], Any] = {}
            self.type = HelperType(self)

        def overload(self, arguments: tuple[Any, ...]) -> Any:
            """(signature, implementation key) for argument types."""
            found = self.overloads.get(arguments)
            if found is None:
                result = _compiled(self.function, arguments)
                body = result.library.get_function(result.fndesc.llvm_func_name)
                body.attributes.add("alwaysinline")
                key = (self, arguments)
                result.target_context.insert_user_function(key, result.fndesc, [result.library])
                found = self.overloads[arguments] = result.signature, key
            return found

    class HelperType(types.Callable, types.Dummy):
        """The type of one Helper."""

        def __init__(self, helper: Helper) -> None:
            self.helper = helper
            function = helper.function
            super().__init__(name=f"helper({function.__module__}.{function.__name__})")

        def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
            """Numba's hook: what a call with these argument types returns."""
            if kws:
                raise NotImplementedError(f"{self.name}: keyword arguments in a kernel")
            return self.helper.overload(tuple(types.unliteral(a) for a in args))[0]

        def get_call_signatures(self) -> Any:
            """Numba's hook, for its error texts."""
            return [signature for signature, _ in self.helper.overloads.values()], True

        def get_impl_key(self, sig: Any) -> Any:
            """Numba's hook: where the lowering finds the implementation."""
            return self.helper.overload(sig.args)[1]

    register_default(HelperType)(models.OpaqueModel)

    @typeof_impl.register(Helper)
    def _(value: Any, context: Any) -> Any:
        return value.type

    return Helper

"""Kernel source -> object code, through Numba and LLVM: `finish(lower(kernel, symbol)) -> bytes`.

Loaded only when a kernel is in neither cache. A kernel and the helpers it calls become one LLVM
module with one exported symbol, optimised once. Imports numba (through `numba_target`), llvmlite.
"""

import contextlib
import functools
import gc
import importlib
import importlib.util
import threading
import types as pytypes

from llvmlite import binding as llvm
from llvmlite import ir
from numba.core import types

from jitgrad.kernels.pointer_llvm import ELEMENTS, ROOMS, Ptr

from . import elf, machine
from .interleave import interleave
from .interpret import ERROR_BYTES, execute
from .numba_target import Helper, Target

_lock = threading.RLock()
_target = None
_by_function: dict[str, dict] = {}
_KERNELS = "jitgrad.kernels."
_I8P = ir.IntType(8).as_pointer()
_I64 = ir.IntType(64)
_I32 = ir.IntType(32)


def lower(kernel, symbol):
    """The front end, Python work: LLVM modules of `kernel`, to be given to `finish`."""
    global _target
    with _lock, _no_collection():
        if _target is None:
            _target = Target()
        return _lower(kernel, symbol)


def finish(lowered):
    """The back end, LLVM work outside the GIL: object code of what `lower` gave."""
    module = optimise(lowered)
    code = _near().emit_object(module)
    _, needs = elf.symbols(code)
    return _target.context.codegen().machine.emit_object(module) if needs else code


def assembly(lowered):
    """Assembly text of the same, as near code."""
    return _near().emit_assembly(optimise(lowered))


@functools.cache
def _near():
    return machine.target_machine(near=True)


@contextlib.contextmanager
def _no_collection():
    """Numba makes many objects that live on; looking through them takes a sixth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _lower(kernel, symbol):
    namespace = execute(kernel, "kernel")
    function = namespace[kernel.name]
    _wrap(namespace, "kernel", False)
    _target.refresh()
    arguments = _argument_types(kernel.params)
    descriptor, library, _ = _target.compile(function, arguments, types.int32, inline=True)
    interleave(library.module)
    return _entry(descriptor, arguments, kernel.params, symbol), library


def _wrap(namespace, owner, inline):
    """Replace functions by what compiled code can call, each function object once."""
    wrapped = {}
    for name, value in list(namespace.items()):
        if not isinstance(value, pytypes.FunctionType):
            continue
        if value.__module__.startswith(_KERNELS) and value.__module__ != owner:
            namespace[name] = _callables(value.__module__)[value]
        elif value.__module__ == owner and owner.startswith(_KERNELS):
            if value not in wrapped:
                wrapped[value] = Helper(_rebase(value, namespace), _target, inline)
            namespace[name] = wrapped[value]


def _rebase(function, namespace):
    """The same function over another global namespace."""
    copy = pytypes.FunctionType(
        function.__code__,
        namespace,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__module__ = function.__module__
    return copy


def _callables(module_name):
    """Each Python function of a kernels module -> what compiled code calls in its place."""
    found = _by_function.get(module_name)
    if found is None:
        module = importlib.import_module(module_name)
        namespace = dict(vars(module))
        _wrap(namespace, module_name, namespace.get("INLINE", False))
        substitute = module_name + "_llvm"
        if importlib.util.find_spec(substitute):
            names = vars(importlib.import_module(substitute))
            namespace.update((n, v) for n, v in names.items() if n in namespace and n[:2] != "__")
            _target.refresh()
        found = _by_function[module_name] = {
            value: namespace[name]
            for name, value in vars(module).items()
            if isinstance(value, pytypes.FunctionType)
        }
    return found


def _argument_types(params):
    """Numba types of error, the params, lo, hi and scratch; one alias scope a distinct buffer."""
    scopes = {}
    for at, (_, kind, *scope) in enumerate(params):
        if kind.endswith("*"):
            scopes.setdefault(scope[0] if scope else ("param", at), len(scopes) + 2)
    count = len(scopes) + 2 + ROOMS
    arguments = [Ptr(types.int64, 0, count)]
    for at, (_, kind, *scope) in enumerate(params):
        if kind.endswith("*"):
            key = scope[0] if scope else ("param", at)
            arguments.append(Ptr(ELEMENTS[kind[:-1]], scopes[key], count))
        else:
            arguments.append(ELEMENTS[kind])
    return (*arguments, types.intp, types.intp, Ptr(types.uint8, 1, count))


def _entry(descriptor, arguments, params, symbol):
    """The exported function: unpacks the argument block and calls the kernel."""
    context = _target.context
    module = context.codegen()._create_empty_module(symbol)
    exported = ir.Function(
        module, ir.FunctionType(_I32, [_I8P.as_pointer(), _I64, _I64, _I8P]), symbol
    )
    block, low, high, scratch = exported.args
    builder = ir.IRBuilder(exported.append_basic_block())
    # The error slot of the calling thread lies right before its scratch.
    slot = builder.gep(scratch, [ir.Constant(_I64, -ERROR_BYTES)])
    values = [builder.bitcast(slot, _I64.as_pointer())]
    for at, kind in enumerate(arguments[1:-3], 1):
        value = context.get_value_type(kind)
        word = builder.gep(block, [ir.Constant(_I64, at)])
        values.append(builder.load(builder.bitcast(word, value.as_pointer())))
    callee = context.declare_function(module, descriptor)
    _, code = context.call_conv.call_function(
        builder, callee, types.int32, arguments, [*values, low, high, scratch]
    )
    builder.ret(code)
    return module


def optimise(lowered):
    """One optimised module: the entry, the kernel and its helpers, all internal but the entry."""
    entry, library = lowered
    with _lock:
        linked = _link(entry, library)
    _run_passes(linked)
    return linked


def _link(entry, library):
    linked = llvm.parse_assembly(str(entry))
    exported = {function.name for function in linked.functions if not function.is_declaration}
    for part in library.closure():
        if part is library:
            linked.link_in(llvm.parse_assembly(str(part.module)))
        else:
            if part.parsed is None:
                part.parsed = llvm.parse_assembly(str(part.module))
                part.module = None
            linked.link_in(part.parsed, preserve=True)
    for function in linked.functions:
        if not function.is_declaration and function.name not in exported:
            function.linkage = "internal"
    for variable in linked.global_variables:
        variable.linkage = "internal"
    linked.verify()
    return linked


def _run_passes(module):
    # Level 3 gives the same loops and takes up to twice the time.
    options = llvm.create_pipeline_tuning_options(2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = True
    options.loop_interleaving = True
    builder = llvm.create_pass_builder(_target.context.codegen().machine, options)
    builder.getModulePassManager().run(module, builder)

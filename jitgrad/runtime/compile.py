"""Kernel source -> LLVM IR text, through Numba: `lower(kernel, symbol)`.

Loaded only when a kernel is in neither cache. A kernel and the helpers it calls become one LLVM
module with one exported symbol; a helper is typed and written once in a process. Imports numba
(through `numba_target`).
"""

import importlib
import importlib.util
import threading
import types as pytypes

from numba.core import types

from jitgrad.kernels.pointer_llvm import ELEMENTS, ROOMS, Ptr

from .interleave import interleave
from .interpret import ERROR_BYTES, execute
from .numba_target import Helper, Target

_lock = threading.RLock()
_target = None
_by_function: dict[str, dict] = {}
_KERNELS = "jitgrad.kernels."


def lower(kernel, symbol):
    """LLVM IR text of `kernel`, with one exported function `symbol` of a kernel's machine ABI."""
    global _target
    with _lock:
        if _target is None:
            _target = Target()
        return _lower(kernel, symbol)


def _lower(kernel, symbol):
    namespace = execute(kernel, "kernel")
    function = namespace[kernel.name]
    _wrap(namespace, "kernel")
    arguments = _argument_types(kernel.params)
    _, library, _ = _target.compile(function, arguments, types.int32, inline=True)
    interleave(library.module)
    return library.text() + _entry(library.function, kernel.params, symbol)


def _wrap(namespace, owner):
    """Replace functions by what compiled code can call, each function object once."""
    wrapped = {}
    inline = namespace.get("INLINE", False)
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
        _wrap(namespace, module_name)
        substitute = module_name + "_llvm"
        if importlib.util.find_spec(substitute):
            names = vars(importlib.import_module(substitute))
            given = {vars(module)[n]: v for n, v in names.items() if _is_function(module, n)}
            aliases = [n for n in namespace if _is_function(module, n) and vars(module)[n] in given]
            namespace.update((n, given[vars(module)[n]]) for n in aliases)
            _target.refresh()
        found = _by_function[module_name] = {
            value: namespace[name]
            for name, value in vars(module).items()
            if isinstance(value, pytypes.FunctionType)
        }
    return found


def _is_function(module, name):
    return isinstance(vars(module).get(name), pytypes.FunctionType)


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


def _entry(function, params, symbol):
    """The exported function: unpacks the argument block and calls the kernel."""
    _, *kinds = (str(kind) for kind in function.ftype.args)
    words, lines = [], []
    for at, kind in enumerate(kinds[: len(params)], 1):
        lines.append(f"%at{at} = getelementptr i64, ptr %block, i64 {at}")
        lines.append(f"%word{at} = load {kind}, ptr %at{at}")
        words.append(f"{kind} %word{at}")
    body = "\n  ".join(lines)
    arguments = ", ".join(["ptr %error", *words, "i64 %low", "i64 %high", "ptr %scratch"])
    # The error slot of the calling thread lies right before its scratch.
    return f"""
define i32 @{symbol}(ptr %block, i64 %low, i64 %high, ptr %scratch) {{
  %error = getelementptr i8, ptr %scratch, i64 -{ERROR_BYTES}
  {body}
  %code = call i32 {function.get_reference()}({arguments})
  ret i32 %code
}}
"""

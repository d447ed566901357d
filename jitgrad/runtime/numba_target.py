"""A slim Numba target for kernels: Numba's front end and lowering, LLVM modules out, nothing else.

`Target.compile` types and lowers one Python function; `Helper` makes a kernels/ function callable
from it. Against Numba's own CPU target: no arrays, strings or lists (their registries cost 0.4 s in
every process that compiles), no NRT, no wrappers, no engine, no exceptions, and a helper stays LLVM
IR instead of becoming machine code on its own. Imports numba: only `compile` may import this.
"""

import re
import types as pytypes

from llvmlite import ir
from numba.core import (
    callconv,
    cgutils,
    compiler,
    funcdesc,
    imputils,
    targetconfig,
    types,
    typing,
)
from numba.core.cpu import CPUContext
from numba.core.typing import templates
from numba.extending import typeof_impl

from . import codegen, machine, numba_builtins, numba_passes

_NODE = re.compile(r"!(\d+)\b")
_OVERLOADS = {templates._OverloadFunctionTemplate, templates._OverloadAttributeTemplate}


class _TypingContext(typing.BaseContext):
    """Numba's templates but for overloads: those pull in its CPU target, arrays and SciPy."""

    def __init__(self):
        self.lowered = imputils.Registry("jitgrad")  # implementations of our intrinsics
        self._signatures = {}
        super().__init__()

    def resolve_function_type(self, func, args, kws):
        """Numba's hook: the signature of a call, found once for each list of types."""
        if kws:
            return super().resolve_function_type(func, args, kws)
        key = func, args
        found = self._signatures.get(key)
        if found is None:
            found = super().resolve_function_type(func, args, kws)
            if found is not None:
                self._signatures[key] = found
        return found

    def resolve_value_type(self, val):
        """Numba's hook: the type of a global; of a class without loading typed lists and dicts."""
        if isinstance(val, (type, pytypes.BuiltinFunctionType, pytypes.ModuleType)):
            kind = self._get_global_type(val)
            if kind is not None:
                return kind
        return super().resolve_value_type(val)

    def load_additional_registries(self):
        from numba.core.typing import mathdecl

        self.install_registry(mathdecl.registry)

    def _load_builtins(self):
        self.install_registry(templates.builtin_registry)

    def install_registry(self, registry):
        loader = self._registries.get(registry)
        if loader is None:
            loader = self._registries[registry] = templates.RegistryLoader(registry)
        for template in loader.new_registrations("functions"):
            if not _is_overload(template):
                self.insert_function(template(self))
        for template in loader.new_registrations("attributes"):
            if not _is_overload(template):
                self.insert_attributes(template(self))
        for value, kind in loader.new_registrations("globals"):
            kind = self._usable(kind)
            known = self._lookup_global(value)
            if kind is not None and known is not None:
                self._remove_global(value)
                kind = known.augment(kind)
            if kind is not None:
                self.insert_global(value, kind)

    def _usable(self, kind):
        """A global's type without overloads; our intrinsics register with this target alone."""
        if not isinstance(kind, types.Function):
            return kind
        kept = tuple(t for t in kind.templates if not _is_overload(t))
        for template in kept:
            if templates._IntrinsicTemplate in template.__mro__:
                # By default the first one would start Numba's whole CPU target.
                template._get_target_registry = lambda _, reason: self.lowered
        if len(kept) == len(kind.templates):
            return kind
        return _merge(kept) if kept else None


def _is_overload(template):
    """What issubclass asks every subclass of an abstract class for takes a tenth of a second."""
    return not _OVERLOADS.isdisjoint(template.__mro__)


def _merge(kept):
    kind = types.Function(kept[0])
    for template in kept[1:]:
        kind = kind.augment(types.Function(template))
    return kind


class _CallConv(callconv.BaseCallConv):
    """A function returns its value and nothing raises: less for LLVM to undo after inlining."""

    def _make_call_helper(self, builder):
        return None

    def return_value(self, builder, value):
        builder.ret(value)

    def return_user_exc(self, builder, exc, exc_args=None, loc=None, func_name=None):
        raise NotImplementedError(f"{func_name}: a kernel cannot raise {exc}")

    def return_status_propagate(self, builder, status):
        builder.unreachable()

    def get_function_type(self, returns, arguments):
        value = self.context.data_model_manager[returns].get_return_type()
        return ir.FunctionType(value, list(self._get_arg_packer(arguments).argument_types))

    def decorate_function(self, function, names, arguments, noalias=False):
        self._get_arg_packer(arguments).assign_names(function.args, list(names))

    def get_arguments(self, function):
        return function.args

    def call_function(self, builder, callee, returns, arguments, values):
        packed = self._get_arg_packer(arguments).as_arguments(builder, values)
        result = self.context.get_returned_value(builder, returns, builder.call(callee, packed))
        no, yes = cgutils.false_bit, cgutils.true_bit
        status = callconv.Status(callconv.RETCODE_OK, yes, no, no, no, no, no, None)
        return status, result


class _TargetContext(CPUContext):
    allow_dynamic_globals = False

    def init(self):
        self.is32bit = False
        self._internal_codegen = Codegen()
        self._found = {}

    def load_additional_registries(self):
        from numba.core import optional  # noqa: F401
        from numba.cpython import builtins, mathimpl, numbers, tupleobj  # noqa: F401

        self.install_registry(mathimpl.registry)
        self.install_registry(self.typing_context.lowered)

    @property
    def call_conv(self):
        return _CallConv(self)

    def refresh(self):
        """See what was registered since."""
        self._found.clear()
        super().refresh()

    def get_function(self, fn, sig, _firstcall=True):
        """Numba's hook: the implementation of a function, looked for once, found or not."""
        key = fn, sig.args, sig.return_type
        found = self._found.get(key)
        if found is None:
            try:
                found = super().get_function(fn, sig, _firstcall=False)
            except NotImplementedError:
                # An intrinsic registers its implementation when it is typed first.
                self.install_registry(self.typing_context.lowered)
                try:
                    found = super().get_function(fn, sig, _firstcall=False)
                except NotImplementedError as error:
                    found = error
            self._found[key] = found
        if isinstance(found, NotImplementedError):
            raise found
        return found

    def call_internal(self, builder, fndesc, sig, args):
        """Numba's hook: a call, which cannot fail."""
        return self.call_internal_no_propagate(builder, fndesc, sig, args)[1]

    def pair_first(self, builder, val, ty):
        """Numba's hook: from registers, not by way of memory."""
        return builder.extract_value(val, 0)

    def pair_second(self, builder, val, ty):
        """Numba's hook."""
        return builder.extract_value(val, 1)

    def post_lowering(self, module, library):
        """Nothing to add: neither NRT nor fastmath."""


class Codegen:
    """What lowering asks of a code generator: empty modules, sizes of types, the processor."""

    def __init__(self):
        _, self.features = machine.cpu()
        self.target_data = codegen.target_machine().target_data

    def _create_empty_module(self, name):
        return ir.Module(name)


class Library:
    """The LLVM IR of one function, and the libraries of the helpers it calls."""

    def __init__(self, name):
        self.name = name
        self.function = None
        self.module = None
        self._callees = {}
        self._globals = None

    def create_ir_module(self, name):
        """Numba's hook: an empty module to lower into."""
        self.module = ir.Module(name)
        return self.module

    def add_linking_library(self, library):
        """Numba's hook: remember a callee."""
        self._callees[library] = None

    def add_ir_module(self, module):
        """Numba's hook: the lowered function."""

    def text(self):
        """LLVM IR text of the function and of all that it calls, each once."""
        defined, declared, metadata = {}, {}, []
        for library in self._closure():
            offset = len(metadata)
            for name, text, is_declaration in library._written():
                text = _renumbered(text, offset)
                (declared if is_declaration else defined)[name] = text
            metadata += [_renumbered(str(node), offset) for node in library.module.metadata]
        parts = [text for name, text in declared.items() if name not in defined]
        return "\n".join([*parts, *defined.values(), *metadata])

    def _written(self):
        """(name, text, whether it is a declaration) of the module's globals, written once."""
        if self._globals is None:
            self._globals = [
                (name, str(value), getattr(value, "is_declaration", False))
                for name, value in self.module.globals.items()
            ]
        return self._globals

    def _closure(self):
        """Every library reached from here."""
        order, stack = {self: None}, [self]
        while stack:
            for callee in stack.pop()._callees:
                if callee not in order:
                    order[callee] = None
                    stack.append(callee)
        return order


def _renumbered(text, offset):
    """LLVM IR whose metadata nodes have numbers from `offset` on."""
    if not offset:
        return text
    return _NODE.sub(lambda found: f"!{int(found[1]) + offset}", text)


class Target:
    """One typing and one target context; made once in a process that compiles."""

    def __init__(self):
        self.typing = _TypingContext()
        self.flags = compiler.Flags()
        self.flags.error_model = "numpy"
        self.flags.no_rewrites = True
        self._count = 0
        context = _TargetContext(self.typing, "cpu")
        context.refresh()
        numba_builtins.install(context)
        self.context = context.subtarget(error_model=callconv.create_error_model("numpy", context))

    def refresh(self):
        """See the intrinsics of modules imported since."""
        self.context.refresh()

    def compile(self, function, arguments, returns=None, inline=False):
        """Type and lower `function`: (function descriptor, Library, return type)."""
        with targetconfig.ConfigStack().enter(self.flags.copy()):
            typed = numba_passes.infer(function, arguments, returns, self.typing, self.context)
            self._count += 1
            name = f"{function.__name__}.{self._count}"
            descriptor = funcdesc.PythonFunctionDescriptor.from_specialized_function(
                typed.tree,
                typed.types_of,
                typed.returns,
                typed.calls,
                mangler=lambda *_, **__: name,
                inline=inline,
                noalias=False,
                abi_tags=(),
            )
            library = Library(name)
            with self.context.push_code_library(library):
                lower = numba_passes.Lower(
                    self.context, library, descriptor, typed.tree, metadata={}
                )
                lower.lower()
            library.function = lower.function
            library.function.linkage = "internal"
        return descriptor, library, typed.returns


class Helper:
    """A kernels/ function that compiled code can call: compiled once for each list of types."""

    def __init__(self, function, target, inline):
        self.function = function
        self.target = target
        self.inline = inline
        self.overloads = {}
        self.type = _HelperType(self)

    def overload(self, arguments):
        """(signature, implementation key) for argument types."""
        found = self.overloads.get(arguments)
        if found is None:
            if self.function.__defaults__ or self.function.__closure__:
                raise NotImplementedError(f"{self.type.name}: default arguments or a closure")
            descriptor, library, returns = self.target.compile(
                self.function, arguments, inline=self.inline
            )
            key = (self, arguments)
            self.target.context.insert_user_function(key, descriptor, [library])
            found = self.overloads[arguments] = typing.signature(returns, *arguments), key
        return found


class _HelperType(types.Callable, types.Dummy):
    def __init__(self, helper):
        self.helper = helper
        super().__init__(name=f"helper({helper.function.__module__}.{helper.function.__name__})")

    def get_call_type(self, context, args, kws):
        """Numba's hook: what a call with these argument types returns."""
        if kws:
            raise NotImplementedError(f"{self.name}: keyword arguments in a kernel")
        return self.helper.overload(tuple(_plain(argument) for argument in args))[0]

    def get_call_signatures(self):
        """Numba's hook, for its error texts."""
        return [signature for signature, _ in self.helper.overloads.values()], True

    def get_impl_key(self, sig):
        """Numba's hook: where the lowering finds the implementation."""
        return self.helper.overload(sig.args)[1]


def _plain(argument):
    """The type a helper is compiled for: without alias scope, without literal value."""
    decay = getattr(argument, "decay", None)
    return decay() if decay else types.unliteral(argument)


@typeof_impl.register(Helper)
def _typeof_helper(value, context):
    return value.type

"""A slim Numba target for kernels: Numba's front end and lowering, LLVM modules out, nothing else.

`Target.compile` types and lowers one Python function; `Helper` makes a kernels/ function callable
from it. Against Numba's own CPU target: no arrays, strings or lists (their registries cost 0.4 s in
every process that compiles), no NRT, no wrappers, no engine, no exceptions, and a helper stays LLVM
IR instead of becoming machine code on its own. Imports numba: only `compile` may import this.
"""

from llvmlite import binding as llvm
from llvmlite import ir
from numba.core import (
    bytecode,
    callconv,
    cgutils,
    compiler,
    funcdesc,
    imputils,
    interpreter,
    lowering,
    ssa,
    targetconfig,
    typed_passes,
    types,
    typing,
)
from numba.core.cpu import CPUContext
from numba.core.ir_utils import build_definitions
from numba.core.typing import templates
from numba.extending import typeof_impl

from . import machine, numba_builtins

_OVERLOADS = (templates._OverloadFunctionTemplate, templates._OverloadAttributeTemplate)


class _TypingContext(typing.BaseContext):
    """Numba's templates but for overloads: those pull in its CPU target, arrays and SciPy."""

    def __init__(self):
        self.lowered = imputils.Registry("jitgrad")  # implementations of our intrinsics
        super().__init__()

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
            if not issubclass(template, _OVERLOADS):
                self.insert_function(template(self))
        for template in loader.new_registrations("attributes"):
            if not issubclass(template, _OVERLOADS):
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
        kept = tuple(t for t in kind.templates if not issubclass(t, _OVERLOADS))
        for template in kept:
            if issubclass(template, templates._IntrinsicTemplate):
                # By default the first one would start Numba's whole CPU target.
                template._get_target_registry = lambda _, reason: self.lowered
        if len(kept) == len(kind.templates):
            return kind
        return _merge(kept) if kept else None


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

    def load_additional_registries(self):
        from numba.core import optional  # noqa: F401
        from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401

        self.install_registry(mathimpl.registry)
        self.install_registry(self.typing_context.lowered)

    @property
    def call_conv(self):
        return _CallConv(self)

    def post_lowering(self, module, library):
        """Nothing to add: neither NRT nor fastmath."""


class Codegen:
    """What Numba's lowering asks of a code generator: empty modules, sizes, libraries."""

    def __init__(self):
        self.machine = machine.target_machine()
        self.target_data = self.machine.target_data
        self.layout = str(self.target_data)
        self.triple = llvm.get_process_triple()

    def _create_empty_module(self, name):
        module = ir.Module(name)
        module.triple = self.triple
        module.data_layout = self.layout
        return module


class Library:
    """The LLVM module of one function, and the libraries of the helpers it calls."""

    def __init__(self, codegen, name):
        self.codegen = codegen
        self.name = name
        self.module = None
        self.parsed = None
        self._linked = {}

    def create_ir_module(self, name):
        """Numba's hook: an empty module to lower into."""
        return self.codegen._create_empty_module(name)

    def add_linking_library(self, library):
        """Numba's hook: remember a callee."""
        self._linked[library] = None

    def add_ir_module(self, module):
        """Numba's hook: the lowered function."""
        self.module = module

    def closure(self):
        """Every library reached from here, callees first."""
        order, stack = {}, [(self, False)]
        while stack:
            library, done = stack.pop()
            if done:
                order[library] = None
            elif library not in order:
                stack.append((library, True))
                stack.extend((callee, False) for callee in library._linked)
        return list(order)


class Target:
    """One typing and one target context; made once in a process that compiles."""

    def __init__(self):
        self.typing = _TypingContext()
        self.flags = compiler.Flags()
        self.flags.error_model = "numpy"
        self.flags.no_rewrites = True
        context = _TargetContext(self.typing, "cpu")
        context.refresh()
        numba_builtins.install(context)
        self.context = context.subtarget(error_model=callconv.create_error_model("numpy", context))

    def refresh(self):
        """See the intrinsics of modules imported since."""
        self.context.refresh()

    def compile(self, function, arguments, returns=None, inline=False):
        """Type and lower `function`: (function descriptor, Library, return type)."""
        identity = bytecode.FunctionIdentity.from_function(function)
        with targetconfig.ConfigStack().enter(self.flags.copy()):
            tree = interpreter.Interpreter(identity).interpret(bytecode.ByteCode(identity))
            tree = ssa.reconstruct_ssa(tree)
            tree._definitions = build_definitions(tree.blocks)
            found = typed_passes.type_inference_stage(
                self.typing, self.context, tree, arguments, returns
            )
            tree = typed_passes.PreLowerStripPhis()._strip_phi_nodes(tree)
            tree._definitions = build_definitions(tree.blocks)
            library = Library(self.context.codegen(), function.__name__)
            descriptor = funcdesc.PythonFunctionDescriptor.from_specialized_function(
                tree,
                found.typemap,
                found.return_type,
                found.calltypes,
                mangler=self.context.mangler,
                inline=inline,
                noalias=False,
                abi_tags=(),
            )
            with self.context.push_code_library(library):
                lowering.Lower(self.context, library, descriptor, tree, metadata={}).lower()
        return descriptor, library, found.return_type


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

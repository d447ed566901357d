"""Numba's passes for kernels: bytecode -> typed Numba IR (`infer`) -> LLVM functions (`Lower`).

The same front end, type inference and lowering, without what scalar code has no use for: peepholes
for try, with and star arguments, reference counts, debug information, an error context around
every instruction. SSA form is only made for functions in which a variable changes its type. Imports
numba: only `numba_target` may import this.
"""

from numba.core import (
    bytecode,
    errors,
    interpreter,
    ir,
    lowering,
    ssa,
    typed_passes,
    typeinfer,
)
from numba.core.ir_utils import build_definitions
from numba.core.types.misc import unliteral


class Typed:
    """A function's Numba IR with the type of every variable and call."""

    def __init__(self, tree, types_of, returns, calls):
        self.tree = tree
        self.types_of = types_of
        self.returns = returns
        self.calls = calls


def infer(function, arguments, returns, typing, context):
    """The typed IR of a Python function for argument types; `returns` may be None."""
    identity = bytecode.FunctionIdentity.from_function(function)
    tree = _Interpreter(identity).interpret(bytecode.ByteCode(identity))
    typed = _infer(tree, arguments, returns, typing, context)
    if typed is None:
        tree = ssa.reconstruct_ssa(tree)
        tree._definitions = build_definitions(tree.blocks)
        typed = _infer(tree, arguments, returns, typing, context, is_ssa=True)
        typed.tree = typed_passes.PreLowerStripPhis()._strip_phi_nodes(typed.tree)
        typed.tree._definitions = build_definitions(typed.tree.blocks)
    return typed


class _Interpreter(interpreter.Interpreter):
    def post_process(self, peepholes, func_ir):
        """None of them: what they are for is refused in kernels."""
        return func_ir


def _infer(tree, arguments, returns, typing, context, is_ssa=False):
    """Run type inference; None if a variable changes its type and the tree is not in SSA form."""
    if len(arguments) != tree.arg_count:
        name = tree.func_id.func_name
        raise TypeError(f"{name} takes {tree.arg_count} arguments, not {len(arguments)}")
    inferer = typeinfer.TypeInferer(typing, tree, None)
    inferer.typevars = variables = _Variables()
    variables.set_context(typing)
    inferer.constraints = _Constraints()
    with typing.callstack.register(context.target, inferer, tree.func_id, arguments):
        for at, (name, kind) in enumerate(zip(tree.arg_names, arguments, strict=True)):
            inferer.seed_argument(name, at, kind)
        if returns is not None:
            inferer.seed_return(returns)
        inferer.build_constraint()
        try:
            inferer.propagate()
        except errors.TypingError:
            if is_ssa or not variables.change:
                raise
        if variables.change and not is_ssa:
            return None
        return Typed(tree, *inferer.unify())


class _Variables(typeinfer.TypeVarMap):
    """The type variables of a function; `change` tells whether one had two types."""

    change = False

    def __getitem__(self, name):
        found = self.get(name)
        if found is None:
            found = _Variable(self.context, name)
            found.owner = self
            dict.__setitem__(self, name, found)
        return found


class _Variable(typeinfer.TypeVar):
    owner: _Variables

    def add_type(self, tp, loc):
        """Numba's hook: the variable is also of type `tp`."""
        if tp is self.type:
            return tp
        before = self.type
        unified = super().add_type(tp, loc)
        if before is not None and unliteral(before) != unliteral(tp):
            # The parts of a conditional expression, in a temporary, are unified in SSA form too.
            self.owner.change |= self.var[0] != "$"
        return unified

    def lock(self, tp, loc, literal_value=typeinfer.NOTSET):
        """Numba's hook: the variable has type `tp`; one that got a global may be assigned anew."""
        if self.var[0] == "$" or "." in self.var:
            super().lock(tp, loc, literal_value)
        else:
            self.add_type(tp, loc)


class _Constraints(typeinfer.ConstraintNetwork):
    def propagate(self, typeinfer):
        """Numba's hook: apply every constraint; those that fail may succeed the next time."""
        failures = []
        for constraint in self.constraints:
            try:
                constraint(typeinfer)
            except errors.TypingError as error:
                failures.append(error)
        return failures


class Lower(lowering.Lower):
    """Numba IR -> LLVM IR; a variable that is assigned once has a value instead of a slot."""

    def emit_environment_object(self):
        """Numba's hook: kernels have no Python environment."""

    def lower_block(self, block):
        """Numba's hook: the instructions of one block."""
        inst = None
        try:
            for inst in block.body:
                self.loc = inst.loc
                self.lower_inst(inst)
        except errors.NumbaError as error:
            raise errors.LoweringError(f'{error}\nDuring: lowering "{inst}"', self.loc) from error

    def lower_inst(self, inst):
        """Numba's hook."""
        if isinstance(inst, ir.Assign):
            kind = self.typeof(inst.target.name)
            self.storevar(self.lower_assign(kind, inst), inst.target.name)
        else:
            super().lower_inst(inst)

    def storevar(self, value, name, argidx=None):
        """Numba's hook: assign to a variable."""
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self._alloca_var(name, self.typeof(name))
            self.builder.store(value, self.varmap[name])

    def loadvar(self, name):
        """Numba's hook: the value of a variable."""
        if name in self._singly_assigned_vars:
            return self._blk_local_varmap[name]
        return self.builder.load(self.getvar(name))

    def alloca_lltype(self, name, lltype, datamodel=None):
        """Numba's hook: a variable's slot."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(lltype, name=name)

    def incref(self, typ, val):
        """Numba's hook: nothing is counted."""

    decref = incref

    def _find_singly_assigned_variable(self):
        """Numba's hook: the variables that need no slot, as one assignment reaches every read.

        That of a temporary does, by how bytecode is made; that of another variable if it is in the
        first block, or in the block of all reads. Blocks are lowered in the order of labels.
        """
        first = min(self.blocks)
        home, others = {}, set()
        for label, block in sorted(self.blocks.items()):
            for inst in block.body:
                for name in _reads(inst):
                    at = home.get(name)
                    if at is None or at not in (label, first) and name[0] != "$":
                        others.add(name)
                if isinstance(inst, ir.Assign):
                    name = inst.target.name
                    if name in home:
                        others.add(name)
                    home[name] = label
        self._singly_assigned_vars = home.keys() - others
        self._blk_local_varmap = {}


def _reads(inst):
    """Names of the variables that an instruction reads."""
    if isinstance(inst, ir.Assign):
        inst = inst.value
        if isinstance(inst, ir.Var):
            yield inst.name
    parts = inst._kws if isinstance(inst, ir.Expr) else vars(inst)
    for part in parts.values():
        if isinstance(part, ir.Var):
            yield part.name
        elif isinstance(part, (list, tuple)):
            for item in part:
                if isinstance(item, ir.Var):
                    yield item.name
                elif isinstance(item, tuple):
                    yield from (x.name for x in item if isinstance(x, ir.Var))

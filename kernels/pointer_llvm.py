"""The Numba type of pointer parameters, `Ptr(dtype, scope)`: accesses say what they cannot alias.

Imported only while compiling (it needs Numba). Every load and store through a `Ptr` carries LLVM's
`alias.scope`/`noalias` metadata: one scope per distinct buffer of a kernel. Without it LLVM's
run-time alias checks give up on wide kernels, which then silently stop vectorising. May import:
numba.
"""

import operator

from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, lower_cast

ELEMENTS = {
    "f32": types.float32,
    "f64": types.float64,
    "i8": types.int8,
    "i16": types.int16,
    "i32": types.int32,
    "i64": types.int64,
    "u8": types.uint8,
    "b1": types.uint8,
}


ROOMS = 16  # scopes for parts of the scratch: more parts share its own


class Ptr(types.Type):
    """Pointer to elements of `dtype` in alias scope `scope` of the kernel's `scopes` scopes."""

    mutable = True

    def __init__(self, dtype, scope, scopes):
        self.dtype = dtype
        self.scope = scope
        self.scopes = scopes
        super().__init__(name=f"P{dtype}_{scope}_{scopes}")

    def of(self, dtype):
        """The same buffer seen with another element type."""
        return Ptr(dtype, self.scope, self.scopes)

    def apart(self, dtype, number):
        """Part `number` of the buffer, seen so: no other part overlaps it."""
        scope = self.scopes - ROOMS + number if number < ROOMS else self.scope
        return Ptr(dtype, scope, self.scopes)

    def decay(self):
        """Without its scope: what helpers are compiled for, so that they compile once."""
        return types.CPointer(self.dtype)


@register_default(Ptr)
class _PtrModel(PrimitiveModel):
    def __init__(self, manager, pointer):
        element = manager[pointer.dtype].get_data_type()
        super().__init__(manager, pointer, element.as_pointer())


@lower_cast(Ptr, types.CPointer)
def _cast(context, builder, fromty, toty, value):
    return value


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        pointer, index = args
        if isinstance(pointer, Ptr) and isinstance(index, types.Integer):
            return signature(pointer.dtype, pointer, types.intp)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        pointer, index, _ = args
        if isinstance(pointer, Ptr) and isinstance(index, types.Integer):
            return signature(types.none, pointer, types.intp, pointer.dtype)


def _annotate(module, access, pointer):
    """Say on a load or store which scope it is in, and that it touches none of the others."""
    domain = module.add_metadata(["kernel"])
    scopes = [module.add_metadata([f"s{i}", domain]) for i in range(pointer.scopes)]
    access.set_metadata("alias.scope", module.add_metadata([scopes[pointer.scope]]))
    others = [scope for i, scope in enumerate(scopes) if i != pointer.scope]
    if others:
        access.set_metadata("noalias", module.add_metadata(others))


@lower_builtin(operator.getitem, Ptr, types.intp)
def _getitem(context, builder, sig, args):
    value = builder.load(builder.gep(args[0], [args[1]], inbounds=True))
    _annotate(builder.module, value, sig.args[0])
    return value


@lower_builtin(operator.setitem, Ptr, types.intp, types.Any)
def _setitem(context, builder, sig, args):
    pointer = sig.args[0]
    value = context.cast(builder, args[2], sig.args[2], pointer.dtype)
    store = builder.store(value, builder.gep(args[0], [args[1]], inbounds=True))
    _annotate(builder.module, store, pointer)
    return context.get_dummy_value()

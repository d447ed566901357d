"""Loops and divisions of index arithmetic in a CUDA kernel: `strides` and `over` of `device`.

Numba's `range` computes the number of turns first, by a division of 64 bits in every thread, and
raises if the step is zero; its `//` tests the divisor and the signs. Here a turn is an addition and
a comparison, a division one unsigned instruction, which NVVM does in 32 bits where both numbers
fit. May import: Numba, `numba.cuda`.
"""

from numba.cuda import cgutils, types
from numba.cuda.core.imputils import RefType, iternext_impl
from numba.cuda.datamodel import models, register_default
from numba.cuda.extending import intrinsic, lower_builtin

_I64 = types.int64


class _Strides(types.SimpleIteratorType):
    """What a loop over `strides` holds; it is its own iterator."""

    def __init__(self):
        super().__init__("strides", _I64)


@register_default(_Strides)
class _Model(models.StructModel):
    def __init__(self, manager, kind):
        members = [("at", types.EphemeralPointer(_I64)), ("stop", _I64), ("step", _I64)]
        super().__init__(manager, kind, members)


_STRIDES = _Strides()


@intrinsic
def strides(context, start, stop, step):
    def generate(ctx, builder, sig, args):
        state = cgutils.create_struct_proxy(_STRIDES)(ctx, builder)
        state.at = cgutils.alloca_once_value(builder, args[0])
        state.stop, state.step = args[1:]
        return state._getvalue()

    return _STRIDES(_I64, _I64, _I64), generate


@lower_builtin("getiter", _Strides)
def _iterator(context, builder, sig, args):
    return args[0]


@lower_builtin("iternext", _Strides)
@iternext_impl(RefType.BORROWED)
def _next(context, builder, sig, args, result):
    state = cgutils.create_struct_proxy(_STRIDES)(context, builder, args[0])
    at = builder.load(state.at)
    valid = builder.icmp_signed("<", at, state.stop)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(at)
        builder.store(builder.add(at, state.step, flags=["nsw"]), state.at)


@intrinsic
def over(context, a, n):
    def generate(ctx, builder, sig, args):
        return builder.udiv(*args)

    return _I64(_I64, _I64), generate

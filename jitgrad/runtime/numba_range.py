"""`range` loops for the slim Numba target: a counter compared with its end, nothing to raise.

Numba's own lowering divides to count the iterations first and checks the step; LLVM spends its time
undoing that. Entry: `install(context)`. Imports numba: only `numba_target` may import this.
"""

from numba.core import cgutils, imputils, types

_TYPES = (
    (types.range_state32_type, types.range_iter32_type),
    (types.range_state64_type, types.range_iter64_type),
)


def install(context):
    """Give `context` these loops; a later registration of one signature wins."""
    for state, iterator in _TYPES:
        context._defns["getiter"].append(_getiter(iterator), (state,))
        context._defns["iternext"].append(_iternext, (iterator,))


def _getiter(kind):
    def getiter(context, builder, sig, args):
        start, stop, step = cgutils.unpack_tuple(builder, args[0], 3)
        iterator = cgutils.create_struct_proxy(kind)(context, builder)
        iterator.iter = cgutils.alloca_once_value(builder, start)
        iterator.count = iterator.iter  # a slot of Numba's own lowering, not read here
        iterator.stop = stop
        iterator.step = step
        return iterator._getvalue()

    return getiter


@imputils.iternext_impl(imputils.RefType.UNTRACKED)
def _iternext(context, builder, sig, args, result):
    iterator = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
    value, step, zero = builder.load(iterator.iter), iterator.step, iterator.step.type(0)
    upwards = builder.icmp_signed(">", step, zero)
    below = builder.icmp_signed("<", value, iterator.stop)
    above = builder.icmp_signed(">", value, iterator.stop)
    valid = builder.select(upwards, below, above)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(value)
        builder.store(builder.add(value, step, flags=["nsw"]), iterator.iter)

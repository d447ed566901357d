"""Python's `range`, `min` and `max` for the slim Numba target.

Numba lowers a range by dividing to count its iterations, and min/max by overloads that start its
whole CPU target. Here a loop is a counter compared with its end, and min/max of integers are one
instruction; of floats they are refused (NaN): kernels say max_f32. Entry: `install(context)`.
Imports numba: only `numba_target` may import this.
"""

from llvmlite import ir
from numba.core import cgutils, imputils, types
from numba.core.typing.templates import AbstractTemplate, signature

_RANGES = (
    (types.range_state32_type, types.range_iter32_type),
    (types.range_state64_type, types.range_iter64_type),
)


def install(context):
    """Make them known to a target context; of one signature the later registration wins."""
    for state, iterator in _RANGES:
        context._defns["getiter"].append(_getiter(iterator), (state,))
        context._defns["iternext"].append(_iternext, (iterator,))
    for function, template, order in ((min, _Min, "<"), (max, _Max, ">")):
        context.typing_context.insert_global(function, types.Function(template))
        context._defns[function].append(_choose(order), (types.Integer, types.Integer))


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
    value, step = builder.load(iterator.iter), iterator.step
    upwards = builder.icmp_signed(">", step, ir.Constant(step.type, 0))
    below = builder.icmp_signed("<", value, iterator.stop)
    above = builder.icmp_signed(">", value, iterator.stop)
    valid = builder.select(upwards, below, above)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(value)
        builder.store(builder.add(value, step, flags=["nsw"]), iterator.iter)


class _TwoIntegers(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 2 and not kws and all(isinstance(a, types.Integer) for a in args):
            wide = self.context.unify_types(*map(types.unliteral, args))
            if isinstance(wide, types.Integer):
                return signature(wide, wide, wide)
        return None


class _Min(_TwoIntegers):
    key = min


class _Max(_TwoIntegers):
    key = max


def _choose(order):
    def choose(context, builder, sig, args):
        compare = builder.icmp_signed if sig.return_type.signed else builder.icmp_unsigned
        return builder.select(compare(order, *args), *args)

    return choose

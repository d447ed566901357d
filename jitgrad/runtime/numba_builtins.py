"""Python's `range`, `min`, `max` and division for the slim Numba target: `install(context)`.

Numba lowers a range through structures in memory and divides to count its iterations, min/max by
overloads that start its whole CPU target, and a division with branches around it. Here a range is
three registers, a loop is a counter compared with its end, min/max of integers are one instruction
(of floats they are refused, because of NaN: kernels say max_f32), and a division of integers gives
what Numba's does, for a divisor of 0 too, without a branch. Imports numba: only `numba_target` may
import this.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, signature

_RANGES = (
    (types.int32, types.range_state32_type, types.range_iter32_type),
    (types.int64, types.range_state64_type, types.range_iter64_type),
    (types.uint64, types.unsigned_range_state64_type, types.unsigned_range_iter64_type),
)


def install(context):
    """Make them known to a target context; of one signature the later registration wins."""
    for number, state, iterator in _RANGES:
        for count in (1, 2, 3):
            context._defns[range].append(_range, (number,) * count)
        context._defns["getiter"].append(_getiter, (state,))
        context._defns["iternext"].append(_iternext, (iterator,))
    for function, template, order in ((min, _Min, "<"), (max, _Max, ">")):
        context.typing_context.insert_global(function, types.Function(template))
        context._defns[function].append(_choose(order), (types.Integer, types.Integer))
    for function, which in ((operator.floordiv, 0), (operator.mod, 1)):
        context._defns[function].append(_divide(which), (types.Integer, types.Integer))
    for kind in (types.float32, types.float64):
        context._defns[operator.truediv].append(_divide_floats, (kind, kind))


def _structure(context, builder, kind, *fields):
    value = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for at, field in enumerate(fields):
        value = builder.insert_value(value, field, at)
    return value


def _range(context, builder, sig, args):
    """(start, stop, step)"""
    kind = args[0].type
    if len(args) == 1:
        args = [ir.Constant(kind, 0), *args]
    if len(args) == 2:
        args = [*args, ir.Constant(kind, 1)]
    return _structure(context, builder, sig.return_type, *args)


def _getiter(context, builder, sig, args):
    """(counter, stop, step, counter): the last is a slot of Numba's own lowering"""
    start, stop, step = (builder.extract_value(args[0], at) for at in range(3))
    with builder.goto_entry_block():
        counter = builder.alloca(start.type)
    builder.store(start, counter)
    return _structure(context, builder, sig.return_type, counter, stop, step, counter)


def _iternext(context, builder, sig, args):
    """(value, whether there is one)"""
    counter, stop, step = (builder.extract_value(args[0], at) for at in range(3))
    value = builder.load(counter)
    flags = []
    compare = builder.icmp_unsigned
    if sig.args[0].yield_type.signed:
        compare, flags = builder.icmp_signed, ["nsw"]
    below, above = compare("<", value, stop), compare(">", value, stop)
    upwards = builder.icmp_signed(">", step, ir.Constant(step.type, 0))
    builder.store(builder.add(value, step, flags=flags), counter)
    more = builder.select(upwards, below, above)
    return _structure(context, builder, sig.return_type, value, more)


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


def _divide(which):
    """The quotient (0), rounded down, or the rest (1), which has the divisor's sign."""

    def divide(context, builder, sig, args):
        kind = sig.return_type
        a, b = (context.cast(builder, x, t, kind) for x, t in zip(args, sig.args, strict=True))
        zero = ir.Constant(b.type, 0)
        if isinstance(b, ir.Constant) and b.constant > 0 and not b.constant & (b.constant - 1):
            shift = ir.Constant(b.type, b.constant.bit_length() - 1)
            if which:
                return builder.and_(a, ir.Constant(b.type, b.constant - 1))
            return builder.ashr(a, shift) if kind.signed else builder.lshr(a, shift)
        refused = builder.icmp_unsigned("==", b, zero)
        if kind.signed:
            lowest = builder.icmp_signed("==", a, ir.Constant(a.type, kind.minval))
            minus_one = builder.icmp_signed("==", b, ir.Constant(b.type, -1))
            refused = builder.or_(refused, builder.and_(lowest, minus_one))
        divisor = builder.select(refused, ir.Constant(b.type, 1), b)
        if not kind.signed:
            result = (builder.urem if which else builder.udiv)(a, divisor)
            return builder.select(refused, zero, result)
        rest = builder.srem(a, divisor)
        signs = builder.icmp_signed("<", builder.xor(rest, divisor), zero)
        below = builder.and_(signs, builder.icmp_signed("!=", rest, zero))
        if which:
            result = builder.add(rest, builder.select(below, divisor, zero))
        else:
            result = builder.sub(builder.sdiv(a, divisor), builder.zext(below, a.type))
        return builder.select(refused, zero, result)

    return divide


def _divide_floats(context, builder, sig, args):
    return builder.fdiv(*args)

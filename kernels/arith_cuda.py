"""Integer division as a CUDA thread does it: in 32 bits, or in 64 where the type has as many.

Entry functions: four of `arith`, which documents them; these take their place when a kernel is
compiled. May import: llvmlite, Numba, `numba.cuda`.
"""

from llvmlite import ir
from numba.core.errors import TypingError
from numba.cuda import types
from numba.cuda.extending import intrinsic


def _division(finish):
    """An intrinsic of two integers of one type. `finish` gets the quotient rounded towards zero
    and the rest, the divisor, and whether that and the rest have opposite signs."""

    @intrinsic
    def operation(context, a, b):
        if a != b or not isinstance(a, types.Integer):
            raise TypingError(f"division: expected integers of one type, got {a} and {b}")

        return a(a, b), lambda ctx, builder, sig, args: divided(builder, a.signed, *args, finish)

    return operation


def divided(builder, signed, a, b, finish):
    """Nothing traps: by 0 the quotient and the rest are 0, by -1 the negation and 0."""
    narrow = a.type
    kind = ir.IntType(max(32, narrow.width))
    if narrow != kind:
        a, b = ((builder.sext if signed else builder.zext)(x, kind) for x in (a, b))
    zero, one = ir.Constant(kind, 0), ir.Constant(kind, 1)
    trivial = none = builder.icmp_unsigned("==", b, zero)
    if signed:
        negates = builder.icmp_signed("==", b, ir.Constant(kind, -1))
        trivial = builder.or_(none, negates)
    divisor = builder.select(trivial, one, b)
    quotient = (builder.sdiv if signed else builder.udiv)(a, divisor)
    rest = builder.sub(a, builder.mul(quotient, divisor))
    if signed:
        quotient = builder.select(negates, builder.neg(a), quotient)
    quotient = builder.select(none, zero, quotient)
    opposite = ir.Constant(ir.IntType(1), 0)
    if signed:
        signs = builder.icmp_signed("<", builder.xor(rest, divisor), zero)
        opposite = builder.and_(builder.icmp_signed("!=", rest, zero), signs)
    result = finish(builder, quotient, rest, divisor, opposite)
    return result if narrow == kind else builder.trunc(result, narrow)


def _rounded_down(builder, quotient, rest, divisor, opposite):
    return builder.sub(quotient, builder.zext(opposite, quotient.type))


def _of_the_divisor(builder, quotient, rest, divisor, opposite):
    return builder.select(opposite, builder.add(rest, divisor), rest)


FINISHES = {
    "_floor_divide_int": _rounded_down,
    "_remainder_int": _of_the_divisor,
    "_trunc_divide_int": lambda builder, quotient, *others: quotient,
    "_fmod_int": lambda builder, quotient, rest, *others: rest,
}
globals().update({name: _division(finish) for name, finish in FINISHES.items()})

"""`random`'s blocks of Philox words for compiled code: eight counters in a vector.

Written out as vectors, the ten rounds cost the compiler a third of what the loop over counters
does. May import: numba, llvmlite, `random`.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import random
from .intrinsics_llvm import loop

_WIDTH = 8
_BLOCK = 16
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_COUNTERS = ir.VectorType(_I64, _WIDTH)


@intrinsic
def fill_words(context, lanes, seed, draw, block):
    def generate(ctx, builder, sig, args):
        lanes, seed, draw, block = args
        key = _halves(builder, _splat(builder, seed))
        high = _halves(builder, _splat(builder, draw))
        first = builder.mul(block, ir.Constant(_I64, _BLOCK))
        steps = ir.Constant(_COUNTERS, list(range(_WIDTH)))

        def turn(start, filled):
            counters = builder.add(_splat(builder, builder.add(first, start)), steps)
            words = _philox(builder, [*_halves(builder, counters), *high], key)
            for at, word in enumerate(words):
                place = builder.add(start, ir.Constant(_I64, at * _BLOCK))
                narrow = builder.trunc(word, ir.VectorType(_I32, _WIDTH))
                pointer = builder.gep(lanes, [place], inbounds=True)
                store = builder.store(narrow, builder.bitcast(pointer, narrow.type.as_pointer()))
                store.align = 4
            return filled

        zero = ir.Constant(_I64, 0)
        loop(builder, zero, ir.Constant(_I64, _BLOCK), _WIDTH, zero, turn)
        return ctx.get_dummy_value()

    return types.none(lanes, types.int64, types.int64, types.int64), generate


def _philox(builder, counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0 = builder.mul(c0, _constant(random._MUL0))
        p1 = builder.mul(c2, _constant(random._MUL1))
        (low0, high0), (low1, high1) = _halves(builder, p0), _halves(builder, p1)
        c0, c1 = builder.xor(builder.xor(high1, c1), k0), low1
        c2, c3 = builder.xor(builder.xor(high0, c3), k1), low0
        k0, _ = _halves(builder, builder.add(k0, _constant(random._WEYL0)))
        k1, _ = _halves(builder, builder.add(k1, _constant(random._WEYL1)))
    return c0, c1, c2, c3


def _halves(builder, value):
    """The low and the high 32 bits, each in 64."""
    mask, word = _constant(random._MASK), _constant(random._WORD)
    return builder.and_(value, mask), builder.lshr(value, word)


def _constant(number):
    return ir.Constant(_COUNTERS, [int(number)] * _WIDTH)


def _splat(builder, value):
    one = ir.Constant(_COUNTERS, ir.Undefined)
    one = builder.insert_element(one, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, _WIDTH), None))

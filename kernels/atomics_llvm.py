"""`atomics` for compiled code: LLVM's atomic instructions, Linux futexes, indirect calls.

May import: numba, llvmlite.
"""

import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_I8P = ir.IntType(8).as_pointer()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_WORD = types.int64
_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
_WAIT, _WAKE = 128, 129  # both private to the process


def _word(builder, p, i):
    return builder.gep(p, [i], inbounds=True)


@intrinsic
def load(context, p, i):
    def generate(ctx, builder, sig, args):
        return builder.load_atomic(_word(builder, *args), "acquire", 8)

    return _WORD(p, types.intp), generate


@intrinsic
def store(context, p, i, value):
    def generate(ctx, builder, sig, args):
        builder.store_atomic(args[2], _word(builder, *args[:2]), "release", 8)
        return ctx.get_dummy_value()

    return types.none(p, types.intp, _WORD), generate


def _exchange(operation):
    @intrinsic
    def exchange(context, p, i, value):
        def generate(ctx, builder, sig, args):
            return builder.atomic_rmw(operation, _word(builder, *args[:2]), args[2], "seq_cst")

        return _WORD(p, types.intp, _WORD), generate

    return exchange


add = _exchange("add")
swap = _exchange("xchg")


@intrinsic
def compare_swap(context, p, i, expected, value):
    def generate(ctx, builder, sig, args):
        word = _word(builder, *args[:2])
        result = builder.cmpxchg(word, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(result, 1)

    return types.boolean(p, types.intp, _WORD, _WORD), generate


@intrinsic
def pause(context):
    def generate(ctx, builder, sig, args):
        name = {"x86_64": "llvm.x86.sse2.pause"}.get(platform.machine())
        if name:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return ctx.get_dummy_value()

    return types.none(), generate


@intrinsic
def give_way(context):
    def generate(ctx, builder, sig, args):
        kind = ir.FunctionType(_I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return ctx.get_dummy_value()

    return types.none(), generate


@intrinsic
def core_now(context):
    def generate(ctx, builder, sig, args):
        kind = ir.FunctionType(_I32, [])
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_getcpu")
        return builder.sext(builder.call(function, []), _I64)

    return _WORD(), generate


@intrinsic
def stay_on(context, address, words):
    def generate(ctx, builder, sig, args):
        kind = ir.FunctionType(_I32, [_I32, _I64, _I64])
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_setaffinity")
        size = builder.shl(args[1], ir.Constant(_I64, 3))
        builder.call(function, [ir.Constant(_I32, 0), size, args[0]])
        return ctx.get_dummy_value()

    return types.none(_WORD, _WORD), generate


@intrinsic
def nanoseconds(context):
    def generate(ctx, builder, sig, args):
        pair = ir.LiteralStructType([_I64, _I64])
        slot = cgutils.alloca_once(builder, pair)
        kind = ir.FunctionType(_I32, [_I32, slot.type])
        function = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(function, [ir.Constant(_I32, 1), slot])  # CLOCK_MONOTONIC
        seconds = builder.load(cgutils.gep_inbounds(builder, slot, 0, 0))
        rest = builder.load(cgutils.gep_inbounds(builder, slot, 0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(_I64, 1_000_000_000)), rest)

    return _WORD(), generate


def _futex(builder, word, operation, value):
    kind = ir.FunctionType(_I64, [_I64], var_arg=True)
    function = cgutils.get_or_insert_function(builder.module, kind, "syscall")
    zero = ir.Constant(_I64, 0)
    number, what = ir.Constant(_I64, _FUTEX), ir.Constant(_I64, operation)
    builder.call(function, [number, word, what, value, zero, zero, zero])


@intrinsic
def sleep_while(context, p, i, value):
    def generate(ctx, builder, sig, args):
        _futex(builder, _word(builder, *args[:2]), _WAIT, args[2])
        return ctx.get_dummy_value()

    return types.none(p, types.intp, _WORD), generate


@intrinsic
def wake_all(context, p, i):
    def generate(ctx, builder, sig, args):
        _futex(builder, _word(builder, *args), _WAKE, ir.Constant(_I64, 1 << 30))
        return ctx.get_dummy_value()

    return types.none(p, types.intp), generate


@intrinsic
def words_at(context, address):
    def generate(ctx, builder, sig, args):
        return builder.inttoptr(args[0], _I64.as_pointer())

    return types.CPointer(_WORD)(_WORD), generate


@intrinsic
def call_kernel(context, function, block, low, high, scratch):
    def generate(ctx, builder, sig, args):
        kind = ir.FunctionType(_I32, [_I8P, _I64, _I64, _I8P])
        target = builder.inttoptr(args[0], kind.as_pointer())
        block, scratch = (builder.inttoptr(args[i], _I8P) for i in (1, 4))
        return builder.call(target, [block, args[2], args[3], scratch])

    return types.int32(_WORD, _WORD, types.intp, types.intp, _WORD), generate

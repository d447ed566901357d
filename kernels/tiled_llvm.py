"""`tiled` for compiled code: an indirect call of a kernel, its arguments in a block on the stack.

May import: numba, llvmlite.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_I8P, _I32, _I64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
_KERNEL = ir.FunctionType(_I32, [_I8P, _I64, _I64, _I8P])


@intrinsic
def tiled_f32(context, address, transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room):
    def generate(ctx, builder, sig, args):
        address, *arguments, room = args
        with builder.goto_entry_block():
            block = builder.alloca(_I64, len(arguments) + 1)
        for at, value in enumerate(arguments, 1):  # the first word is the driver's
            if isinstance(value.type, ir.PointerType):
                value = builder.ptrtoint(value, _I64)
            builder.store(value, builder.gep(block, [_I64(at)]))
        kernel = builder.inttoptr(address, _KERNEL.as_pointer())
        block, room = (builder.bitcast(p, _I8P) for p in (block, room))
        builder.call(kernel, [block, _I64(0), _I64(1), room])
        return ctx.get_dummy_value()

    count = types.intp
    return types.none(*[count] * 6, a, count, b, count, c, count, room), generate

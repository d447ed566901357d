"""`cblas` for compiled code: calls to the external symbols `jg_sgemm` and `jg_dgemm`.

May import: numba, llvmlite.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

_I32 = ir.IntType(32)
_ROW_MAJOR, _NO_TRANS = 101, 111


def _gemm(name, dtype, scalar):
    @intrinsic
    def gemm(context, transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
        for pointer in (a, b, c):
            if pointer.dtype != dtype:
                raise TypingError(f"{name}: expected pointers to {dtype}, got {pointer}")

        def generate(ctx, builder, sig, args):
            transa, transb, m, n, k, a, lda, b, ldb, c, ldc = args
            pointer = scalar.as_pointer()
            kind = ir.FunctionType(
                ir.VoidType(),
                [*[_I32] * 6, scalar, pointer, _I32, pointer, _I32, scalar, pointer, _I32],
            )
            function = cgutils.get_or_insert_function(builder.module, kind, name)

            def short(value):
                return builder.trunc(value, _I32)

            def flag(value):
                return builder.add(short(value), ir.Constant(_I32, _NO_TRANS))

            one, zero = (ir.Constant(scalar, x) for x in (1.0, 0.0))
            order = ir.Constant(_I32, _ROW_MAJOR)
            flags, sizes = [flag(transa), flag(transb)], [short(x) for x in (m, n, k)]
            inputs = [a, short(lda), b, short(ldb)]
            builder.call(function, [order, *flags, *sizes, one, *inputs, zero, c, short(ldc)])
            return ctx.get_dummy_value()

        count = types.intp
        signature = types.none(*[count] * 5, a, count, b, count, c, count)
        return signature, generate

    return gemm


sgemm = _gemm("jg_sgemm", types.float32, ir.FloatType())
dgemm = _gemm("jg_dgemm", types.float64, ir.DoubleType())

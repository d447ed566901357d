"""`reduce`'s runs over 64 lanes for compiled code: the lanes are one vector, in registers.

The same tree as the twins' loops over lanes, which LLVM would have to unroll and vectorise anew in
every kernel that reduces a row. May import: numba, llvmlite, `intrinsics_llvm`.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .intrinsics_llvm import call, highest, loop, lowest

_LANES = 64
_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _extremum(word):
    def combine(builder, dtype, a, b):
        if isinstance(dtype, types.Float):
            return call(builder, f"{word}imum", [a, b])
        return call(builder, ("s" if dtype.signed else "u") + word, [a, b])

    return combine


def _reduction(combine, identity):
    @intrinsic
    def reduction(context, p, n):
        dtype = p.dtype

        def generate(ctx, builder, sig, args):
            run = _Run(ctx, builder, dtype, combine, *args)
            return run.folded(run.lanes(identity(dtype)))

        return dtype(p, types.intp), generate

    return reduction


class _Run:
    """Writes the reduction of the n elements at p."""

    def __init__(self, ctx, builder, dtype, combine, p, n):
        self.builder, self.p, self.n = builder, p, n
        self.bits = dtype.bitwidth
        self.vector = ir.VectorType(ctx.get_data_type(dtype), _LANES)
        self.combine = lambda a, b: combine(builder, dtype, a, b)
        # Narrower elements, and other processors, have no load under a mask; a code generator of
        # Numba's own does not tell. Without it the bits are the same.
        self.masks = self.bits >= 32 and "+avx2" in getattr(ctx.codegen(), "features", "")

    def lanes(self, identity):
        """The lanes after all elements."""
        builder, start = self.builder, ir.Constant(self.vector, [identity] * _LANES)
        whole = builder.and_(self.n, ir.Constant(_I64, -_LANES))

        def turn(at, lanes):
            return self.combine(lanes, self._load(self._row(at)))

        lanes = loop(builder, ir.Constant(_I64, 0), whole, _LANES, start, turn)
        return self._masked(lanes, whole) if self.masks else self._one_by_one(lanes, whole)

    def folded(self, lanes):
        """The lanes combined in halves: l with l + 32, then l + 16, ..."""
        builder, width = self.builder, _LANES // 2
        while width:
            halves = [
                builder.shuffle_vector(lanes, lanes, _numbers(_I32, at, width)) for at in (0, width)
            ]
            lanes, width = self.combine(*halves), width // 2
        return builder.extract_element(lanes, ir.Constant(_I32, 0))

    def _row(self, at):
        return self.builder.gep(self.p, [at], inbounds=True)

    def _load(self, pointer):
        value = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        value.align = self.bits // 8
        return value

    def _masked(self, lanes, whole):
        """The elements after the whole rows, loaded under a mask."""
        builder, number = self.builder, ir.IntType(self.bits)
        rest = builder.sub(self.n, whole)
        rest = builder.trunc(rest, number) if self.bits < 64 else rest
        one = builder.insert_element(
            ir.Constant(ir.VectorType(number, _LANES), ir.Undefined), rest, ir.Constant(_I32, 0)
        )
        all_rest = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, _LANES), None))
        mask = builder.icmp_unsigned("<", _numbers(number, 0, _LANES), all_rest)
        pointer = builder.bitcast(self._row(whole), self.vector.as_pointer())
        name = f"llvm.masked.load.v{_LANES}{self.vector.element.intrinsic_name}.p0"
        kind = ir.FunctionType(self.vector, [pointer.type, _I32, mask.type, self.vector])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        align = ir.Constant(_I32, self.bits // 8)
        row = builder.call(function, [pointer, align, mask, ir.Constant(self.vector, None)])
        return builder.select(mask, self.combine(lanes, row), lanes)

    def _one_by_one(self, lanes, whole):
        """The elements after the whole rows, each into its lane."""
        builder = self.builder

        def turn(i, lanes):
            lane = builder.trunc(builder.sub(i, whole), _I32)
            value = builder.extract_element(lanes, lane)
            value = self.combine(value, builder.load(self._row(i)))
            return builder.insert_element(lanes, value, lane)

        return loop(builder, whole, self.n, 1, lanes, turn)


def _numbers(kind, start, count):
    return ir.Constant(ir.VectorType(kind, count), list(range(start, start + count)))


_sum_chunk = _reduction(lambda builder, dtype, a, b: builder.fadd(a, b), lambda dtype: 0)
_prod_chunk = _reduction(lambda builder, dtype, a, b: builder.fmul(a, b), lambda dtype: 1)
_max = _reduction(_extremum("max"), lowest)
_min = _reduction(_extremum("min"), highest)

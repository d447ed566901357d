"""What only a thread of a CUDA block can do, as LLVM for NVVM.

Entry functions: the names of `device`, which documents them; they take its place when a kernel is
compiled. May import: llvmlite, Numba, `numba.cuda`, `device`, `index_cuda`,
`intrinsics_cuda`.
"""

from llvmlite import ir
from numba.core.errors import TypingError
from numba.cuda import types
from numba.cuda.datamodel import models, register_default
from numba.cuda.extending import intrinsic

from .device import WARP
from .index_cuda import over, strides  # noqa: F401
from .intrinsics_cuda import call_nvvm

_I8, _I16, _I32, _I64 = (ir.IntType(n) for n in (8, 16, 32, 64))
_GLOBAL, _SHARED = 1, 3  # NVVM's address spaces
_WHOLE_WARP, _LAST_LANE = ir.Constant(_I32, 0xFFFFFFFF), ir.Constant(_I32, WARP - 1)
_BLOCK = 256  # threads, where `block_slots` is used


# ---- registers and wide accesses


class Private(types.CPointer):
    """Elements of one thread's own; the type says how many, so that a wide access knows."""

    def __init__(self, dtype, count):
        self.count = count
        super().__init__(dtype)
        self.name = f"private({dtype} x {count})"

    @property
    def key(self):
        """What makes two of these one type."""
        return self.dtype, self.count


register_default(Private)(models.PointerModel)


def _private(dtype):
    @intrinsic
    def operation(context, n):
        if not isinstance(n, types.IntegerLiteral):
            raise TypingError("private: the number of elements must be a constant")
        count = n.literal_value

        def generate(ctx, builder, sig, args):
            element = ctx.get_data_type(dtype)
            with builder.goto_entry_block():
                array = builder.alloca(ir.ArrayType(element, count))
                array.align = 16
            return builder.bitcast(array, element.as_pointer())

        return Private(dtype, count)(n), generate

    return operation


private_f32, private_f64 = _private(types.float32), _private(types.float64)
private_i8, private_i16 = _private(types.int8), _private(types.int16)
private_i32, private_i64 = _private(types.int32), _private(types.int64)
private_u8 = private_b1 = _private(types.uint8)


def _bytes(private):
    """Of one element, of all."""
    size = private.dtype.bitwidth // 8
    return size, size * private.count


@intrinsic
def count_of(context, private):
    return types.int64(private), lambda ctx, builder, sig, args: ir.Constant(_I64, private.count)


@intrinsic
def aligned(context, p, i, private):
    def generate(ctx, builder, sig, args):
        address = builder.ptrtoint(builder.gep(args[0], [args[1]]), _I64)
        low = builder.and_(address, ir.Constant(_I64, _bytes(private)[1] - 1))
        return builder.icmp_unsigned("==", low, ir.Constant(_I64, 0))

    return types.boolean(p, types.int64, private), generate


def _words(ctx, private):
    """(word, words, elements in a word) of one access: NVVM has vectors of 32-bit words and up."""
    size, total = _bytes(private)
    if size >= 4:
        return ctx.get_data_type(private.dtype), private.count, 1
    if total >= 4:
        return _I32, total // 4, 4 // size
    return ir.IntType(8 * total), 1, private.count


def _place(builder, pointer, k):
    return builder.gep(pointer, [ir.Constant(_I64, k)])


@intrinsic
def load_vector(context, private, p, i):
    def generate(ctx, builder, sig, args):
        word, words, inside = _words(ctx, private)
        element = ctx.get_data_type(private.dtype)
        source = builder.gep(args[1], [args[2]])
        value = builder.load(builder.bitcast(source, ir.VectorType(word, words).as_pointer()))
        value.align = _bytes(private)[1]
        for k in range(private.count):
            part = builder.extract_element(value, ir.Constant(_I32, k // inside))
            if inside > 1:
                shift = ir.Constant(word, element.width * (k % inside))
                part = builder.trunc(builder.lshr(part, shift), element)
            builder.store(part, _place(builder, args[0], k))
        return ctx.get_dummy_value()

    return types.none(private, p, types.int64), generate


@intrinsic
def store_vector(context, p, i, private):
    def generate(ctx, builder, sig, args):
        word, words, inside = _words(ctx, private)
        kind = ir.VectorType(word, words)
        value = ir.Constant(kind, ir.Undefined)
        for at in range(words):
            part = builder.load(_place(builder, args[2], at * inside))
            if inside > 1:
                width = part.type.width
                part = builder.zext(part, word)
                for k in range(1, inside):
                    more = builder.load(_place(builder, args[2], at * inside + k))
                    moved = builder.shl(builder.zext(more, word), ir.Constant(word, width * k))
                    part = builder.or_(part, moved)
            value = builder.insert_element(value, part, ir.Constant(_I32, at))
        target = builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer())
        builder.store(value, target).align = _bytes(private)[1]
        return ctx.get_dummy_value()

    return types.none(p, types.int64, private), generate


# ---- other threads of the block


def _other_lane(builder, word, mask):
    """A 32-bit word of the lane whose number differs in the bits of `mask`."""
    args = [_WHOLE_WARP, word, mask, _LAST_LANE]
    return call_nvvm(builder, "llvm.nvvm.shfl.sync.bfly.i32", _I32, args)


@intrinsic
def shuffle_xor(context, x, mask):
    def generate(ctx, builder, sig, args):
        value, mask = args[0], builder.trunc(args[1], _I32)
        kind = value.type
        bits = x.bitwidth
        whole = ir.IntType(bits)
        if isinstance(x, types.Float):
            value = builder.bitcast(value, whole)
        if bits < 32:
            value = builder.trunc(_other_lane(builder, builder.zext(value, _I32), mask), whole)
        elif bits == 32:
            value = _other_lane(builder, value, mask)
        else:
            half = ir.Constant(_I64, 32)
            low, high = builder.trunc(value, _I32), builder.trunc(builder.lshr(value, half), _I32)
            low, high = (builder.zext(_other_lane(builder, w, mask), _I64) for w in (low, high))
            value = builder.or_(low, builder.shl(high, half))
        return builder.bitcast(value, kind) if isinstance(x, types.Float) else value

    return x(x, types.int64), generate


def _shared(builder, name, element, count):
    """The block's own array of that name: a pointer to its first element."""
    kind = ir.ArrayType(element, count)
    memory = builder.module.globals.get(name)
    if memory is None:
        memory = ir.GlobalVariable(builder.module, kind, name, _SHARED)
        memory.linkage = "internal" if count else "external"
        if count:
            memory.initializer = ir.Constant(kind, ir.Undefined)
        memory.align = 16
    first = builder.bitcast(memory, element.as_pointer(_SHARED))
    return builder.addrspacecast(first, element.as_pointer(), "generic")


def _slots(name, count):
    @intrinsic
    def operation(context, x):
        def generate(ctx, builder, sig, args):
            return _shared(builder, f"{name}_{x}", ctx.get_data_type(x), count)

        return types.CPointer(x)(x), generate

    return operation


slots_like, block_slots = _slots("warps", WARP), _slots("threads", _BLOCK)


@intrinsic
def index_slots(context):
    def generate(ctx, builder, sig, args):
        return _shared(builder, "places", _I64, WARP)

    return types.CPointer(types.int64)(), generate


# ---- memory


@intrinsic
def dynamic_shared(context):
    generate = lambda ctx, builder, sig, args: _shared(builder, "dynamic", _I8, 0)  # noqa: E731
    return types.CPointer(types.uint8)(), generate


@intrinsic
def present(context, p):
    def generate(ctx, builder, sig, args):
        return builder.icmp_unsigned("!=", args[0], ir.Constant(args[0].type, None))

    return types.boolean(p), generate


@intrinsic
def claim(context, error):
    def generate(ctx, builder, sig, args):
        zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
        found = builder.cmpxchg(args[0], zero, one, "monotonic", "monotonic")
        return builder.icmp_signed("==", builder.extract_value(found, 0), zero)

    return types.boolean(error), generate


def _pointer(dtype):
    @intrinsic
    def operation(context, word):
        def generate(ctx, builder, sig, args):
            element = ctx.get_data_type(dtype)
            pointer = builder.inttoptr(args[0], element.as_pointer(_GLOBAL))
            return builder.addrspacecast(pointer, element.as_pointer(), "generic")

        return types.CPointer(dtype)(types.int64), generate

    return operation


pointer_f32, pointer_f64 = _pointer(types.float32), _pointer(types.float64)
pointer_i8, pointer_i16 = _pointer(types.int8), _pointer(types.int16)
pointer_i32, pointer_i64 = _pointer(types.int32), _pointer(types.int64)
pointer_u8, pointer_b1 = _pointer(types.uint8), _pointer(types.uint8)

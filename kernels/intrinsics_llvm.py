"""The machine operations that kernels are written in, as LLVM intrinsics for Numba.

Entry functions: the names of `intrinsics`, which documents them; `jitgrad.runtime.build` puts this
module in its place when it compiles. A pointer is any Numba type with `dtype` whose value is a
bare LLVM pointer; if it has a method `of(dtype)`, views of it keep that type (and with it the
alias scope). May import: NumPy, Numba, llvmlite, `intrinsics`.
"""

import hashlib

import numpy as np
from llvmlite import ir
from numba import typeof
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, typeof_impl

from .intrinsics import AHEAD, LANES, Table

_I8P = ir.IntType(8).as_pointer()
_F32, _F64, _I32, _I64 = types.float32, types.float64, types.int32, types.int64


def call(builder, name, args):
    """Call the LLVM intrinsic `name`.<type of the arguments>, which may be vectors."""
    value = args[0].type
    text = getattr(value, "intrinsic_name", None) or f"v{value.count}{value.element.intrinsic_name}"
    kind = ir.FunctionType(value, [a.type for a in args])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{text}")
    return builder.call(function, args)


def loop(builder, first, stop, step, value, turn):
    """value = turn(i, value) for i in range(first, stop, step): the last value; not unrolled."""
    word, before = ir.IntType(64), builder.block
    test, body, after = (builder.append_basic_block(name) for name in ("test", "turn", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    i, carried = builder.phi(word), builder.phi(value.type)
    i.add_incoming(first, before)
    carried.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", i, stop), body, after)
    builder.position_at_end(body)
    result = turn(i, carried)
    i.add_incoming(builder.add(i, ir.Constant(word, step), flags=["nsw"]), builder.block)
    carried.add_incoming(result, builder.block)
    back, module = builder.branch(test), builder.module
    stay = module.add_metadata(["llvm.loop.unroll.disable"])
    node = module.add_metadata([stay, ir.Constant(ir.IntType(32), len(module.metadata))])
    node.operands = (node, stay)  # LLVM tells loops apart by the node's reference to itself
    back.set_metadata("llvm.loop", node)
    builder.position_at_end(after)
    return carried


def _require(kind, *given):
    """Refuse other types than `kind`: numbers never change their width silently."""
    for x in given:
        if x != kind:
            raise TypingError(f"kernel intrinsic: expected {kind}, got {x}")


# ---- floats


def _unary_float(name):
    @intrinsic(prefer_literal=False)
    def operation(context, x):
        if not isinstance(x, types.Float):
            raise TypingError(f"{name}: expected a float, got {x}")
        return x(x), lambda ctx, builder, sig, args: call(builder, name, args)

    return operation


@intrinsic
def fma_f32(context, a, b, c):
    _require(_F32, a, b, c)
    return _F32(a, b, c), lambda ctx, builder, sig, args: call(builder, "fma", args)


@intrinsic
def fma_f64(context, a, b, c):
    _require(_F64, a, b, c)
    return _F64(a, b, c), lambda ctx, builder, sig, args: call(builder, "fma", args)


@intrinsic
def horner(context, x, coefficients):
    _require(x, *coefficients.types)

    def generate(ctx, builder, sig, args):
        steps = cgutils.unpack_tuple(builder, args[1])
        value = steps[0]
        for step in steps[1:]:
            value = call(builder, "fma", [value, args[0], step])
        return value

    return x(x, coefficients), generate


@intrinsic
def copysign(context, x, sign):
    _require(x, sign)
    return x(x, sign), lambda ctx, builder, sig, args: call(builder, "copysign", args)


@intrinsic
def fmod(context, x, y):
    _require(x, y)
    return x(x, y), lambda ctx, builder, sig, args: builder.frem(*args)


fmod_f32 = fmod_f64 = fmod
sqrt = sqrt_f32 = sqrt_f64 = _unary_float("sqrt")
floor = floor_f32 = floor_f64 = _unary_float("floor")
ceil = ceil_f32 = ceil_f64 = _unary_float("ceil")
trunc = trunc_f32 = trunc_f64 = _unary_float("trunc")
rint = rint_f32 = rint_f64 = _unary_float("rint")
absolute = abs_f32 = abs_f64 = _unary_float("fabs")
copysign_f32 = copysign_f64 = copysign


# ---- choice


def _extremum(word):
    @intrinsic
    def operation(context, a, b):
        _require(a, b)
        if isinstance(a, types.Float):
            name = f"{word}imum"
        elif isinstance(a, types.Integer):
            name = ("s" if a.signed else "u") + word
        else:
            raise TypingError(f"{word}imum: expected numbers, got {a}")
        return a(a, b), lambda ctx, builder, sig, args: call(builder, name, args)

    return operation


@intrinsic
def select(context, condition, a, b):
    _require(types.boolean, condition)
    _require(a, b)
    return a(condition, a, b), lambda ctx, builder, sig, args: builder.select(*args)


maximum = _extremum("max")
minimum = _extremum("min")
max_f32 = max_f64 = max_i8 = max_i16 = max_i32 = max_i64 = max_u8 = max_b1 = maximum
min_f32 = min_f64 = min_i8 = min_i16 = min_i32 = min_i64 = min_u8 = min_b1 = minimum
select_f32 = select_f64 = select_i8 = select_i16 = select_i32 = select_i64 = select
select_u8 = select_b1 = select


# ---- bit views


def _bitcast(source, target, llvm_target):
    @intrinsic
    def operation(context, x):
        if isinstance(source, types.Float):
            _require(source, x)  # integers may come in wider: they wrap, as in the twin
        return target(source), lambda ctx, builder, sig, args: builder.bitcast(args[0], llvm_target)

    return operation


bits_f32 = _bitcast(_I32, _F32, ir.FloatType())
int_f32 = _bitcast(_F32, _I32, ir.IntType(32))
bits_f64 = _bitcast(_I64, _F64, ir.DoubleType())
int_f64 = _bitcast(_F64, _I64, ir.IntType(64))


# ---- casts


def _cast(target):
    @intrinsic
    def operation(context, x):
        if not isinstance(x, (types.Number, types.Boolean)):
            raise TypingError(f"cast: expected a number, got {x}")

        def generate(ctx, builder, sig, args):
            value, source = args[0], sig.args[0]
            if isinstance(source, types.Float) and isinstance(target, types.Integer):
                middle = _I64 if target == _I64 else _I32
                value = ctx.cast(builder, value, source, middle)
                source = middle
            return ctx.cast(builder, value, source, target)

        return target(x), generate

    return operation


@intrinsic
def like(context, x, example):
    generate = lambda ctx, builder, sig, args: ctx.cast(builder, args[0], sig.args[0], example)  # noqa: E731
    return example(x, example), generate


@intrinsic
def cast_b1(context, x):
    def generate(ctx, builder, sig, args):
        zero = ir.Constant(args[0].type, 0)
        if isinstance(sig.args[0], types.Float):
            test = builder.fcmp_unordered("!=", args[0], zero)
        else:
            test = builder.icmp_unsigned("!=", args[0], zero)
        return builder.zext(test, ir.IntType(8))

    return types.uint8(x), generate


cast_f32, cast_f64 = _cast(_F32), _cast(_F64)
cast_i8, cast_i16, cast_i32 = _cast(types.int8), _cast(types.int16), _cast(_I32)
cast_i64, cast_u8 = _cast(_I64), _cast(types.uint8)


# ---- tables


class _TableType(types.Dummy):
    """A Table's type holds its numbers: each becomes constant data of the module."""

    def __init__(self, table):
        self.values = table.values
        super().__init__(name=f"Table({self.values})")


@typeof_impl.register(Table)
def _typeof_table(value, context):
    return _TableType(value)


def _constant(module, value):
    """A global constant; its name tells its content, so that modules can be put together."""
    name = "table." + hashlib.sha256(str(value).encode()).hexdigest()[:24]
    if name not in module.globals:
        data = ir.GlobalVariable(module, value.type, name)
        data.linkage, data.global_constant, data.unnamed_addr = "internal", True, True
        data.initializer = value
    return module.globals[name]


@intrinsic
def lookup(context, table, i):
    if not isinstance(table, _TableType):
        raise TypingError(f"lookup: expected a Table, got {table}")
    dtype = typeof(table.values[0])

    def generate(ctx, builder, sig, args):
        element = ctx.get_data_type(dtype)
        kind = ir.ArrayType(element, len(table.values))
        numbers = ir.Constant(kind, [ir.Constant(element, v.item()) for v in table.values])
        data = _constant(builder.module, numbers)
        zero = ir.Constant(ir.IntType(64), 0)
        return builder.load(builder.gep(data, [zero, args[1]], inbounds=True))

    return dtype(table, types.intp), generate


# ---- pointers


@intrinsic
def at(context, p, i):
    def generate(ctx, builder, sig, args):
        return cgutils.gep_inbounds(builder, args[0], args[1])

    return p(p, types.intp), generate


def _prefetch(writes):
    @intrinsic
    def operation(context, p, i):
        line = 512 // p.dtype.bitwidth  # elements in 64 bytes

        def generate(ctx, builder, sig, args):
            bits = ir.IntType(32)
            # Into the second cache (2): in the first, rows 4 kB apart drive each other out.
            hints = [ir.Constant(bits, hint) for hint in (writes, 2, 1)]
            kind = ir.FunctionType(ir.VoidType(), [_I8P, bits, bits, bits])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            first = builder.gep(args[0], [args[1]])
            for at in range(0, AHEAD, line):
                address = builder.gep(first, [ir.Constant(ir.IntType(64), at)])
                builder.call(function, [builder.bitcast(address, _I8P), *hints])
            return ctx.get_dummy_value()

        return types.none(p, types.intp), generate

    return operation


prefetch, prefetch_out = _prefetch(0), _prefetch(1)


def _constant_of(choose):
    @intrinsic
    def operation(context, p):
        dtype = p.dtype

        def generate(ctx, builder, sig, args):
            return ctx.get_constant(dtype, choose(dtype))

        return dtype(p), generate

    return operation


def lowest(dtype):
    """The identity of max."""
    return -np.inf if isinstance(dtype, types.Float) else dtype.minval


def highest(dtype):
    """The identity of min."""
    return np.inf if isinstance(dtype, types.Float) else dtype.maxval


zero_of = _constant_of(lambda dtype: 0)
one_of = _constant_of(lambda dtype: 1)
lowest_of = _constant_of(lowest)
highest_of = _constant_of(highest)


def _stack_array(ctx, builder, dtype):
    """LANES elements in the frame of the function, as a pointer to the first."""
    element = ctx.get_data_type(dtype)
    with builder.goto_entry_block():
        array = builder.alloca(ir.ArrayType(element, LANES))
        array.align = 64
    return builder.bitcast(array, element.as_pointer())


@intrinsic
def lanes_of(context, p):
    dtype = p.dtype
    generate = lambda ctx, builder, sig, args: _stack_array(ctx, builder, dtype)  # noqa: E731
    return types.CPointer(dtype)(p), generate


def _lanes(dtype):
    @intrinsic
    def operation(context):
        generate = lambda ctx, builder, sig, args: _stack_array(ctx, builder, dtype)  # noqa: E731
        return types.CPointer(dtype)(), generate

    return operation


lanes_f32, lanes_f64, lanes_i32 = map(_lanes, (_F32, _F64, _I32))


def _view(dtype):
    @intrinsic
    def operation(context, scratch, offset):
        target = scratch.of(dtype) if hasattr(scratch, "of") else types.CPointer(dtype)

        def generate(ctx, builder, sig, args):
            moved = cgutils.gep_inbounds(builder, args[0], args[1])
            return builder.bitcast(moved, ctx.get_data_type(dtype).as_pointer())

        return target(scratch, types.intp), generate

    return operation


view_f32, view_f64 = _view(_F32), _view(_F64)
view_i8, view_i16, view_i32 = _view(types.int8), _view(types.int16), _view(_I32)
view_i64, view_u8 = _view(_I64), _view(types.uint8)
view_b1 = view_u8


def _apart(dtype):
    @intrinsic(prefer_literal=True)
    def operation(context, scratch, offset, number):
        if not isinstance(number, types.IntegerLiteral):
            raise TypingError(f"apart: expected a literal number, got {number}")
        target = types.CPointer(dtype)
        if hasattr(scratch, "apart"):
            target = scratch.apart(dtype, number.literal_value)

        def generate(ctx, builder, sig, args):
            moved = cgutils.gep_inbounds(builder, args[0], args[1])
            return builder.bitcast(moved, ctx.get_data_type(dtype).as_pointer())

        return target(scratch, types.intp, number), generate

    return operation


apart_f32, apart_f64 = _apart(_F32), _apart(_F64)
apart_i8, apart_i16, apart_i32 = _apart(types.int8), _apart(types.int16), _apart(_I32)
apart_i64, apart_u8 = _apart(_I64), _apart(types.uint8)
apart_b1 = apart_u8

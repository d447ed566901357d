"""`microkernel` for compiled code: the sums of a tile stay in vector registers.

May import: numba, llvmlite, `microkernel`.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .microkernel import ACROSS, BLOCK, COLUMNS, FEW, ROWS, WIDE

WIDTH = 8  # floats of an AVX2 register
assert BLOCK == ACROSS == WIDTH
_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_POINTER = _F32.as_pointer()
_VECTOR = ir.VectorType(_F32, WIDTH)
_ZERO = ir.Constant(_VECTOR, [0.0] * WIDTH)


def _load(builder, p):
    vector = builder.load(builder.bitcast(p, _VECTOR.as_pointer()))
    vector.align = 4
    return vector


def _store(builder, vector, p):
    builder.store(vector, builder.bitcast(p, _VECTOR.as_pointer())).align = 4


def _moved(builder, p, *index):
    return builder.gep(p, [_I64(i) if isinstance(i, int) else i for i in index])


def _shuffled(builder, x, y, lanes):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_I32, WIDTH), lanes))


def _rows(builder, p, step, count, held):
    """Pointers to `held` rows; after `count` of them the last one again.

    Each is laundered by an empty line of assembly: told that they lie `step` apart, LLVM walks from
    one to the next by additions that wait for each other."""
    same = ir.InlineAsm(ir.FunctionType(_POINTER, [_POINTER]), "", "=r,0")
    last = builder.sub(count, _I64(1))
    numbers = [builder.select(builder.icmp_signed("<", _I64(i), count), _I64(i), last)
               for i in range(held)]  # fmt: skip
    return [builder.call(same, [_moved(builder, p, builder.mul(step, i))]) for i in numbers]


def _fma(builder):
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{WIDTH}f32"
    )


def _everywhere(builder, p):
    """The number at `p` in all lanes."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, builder.load(p), _I32(0))
    return _shuffled(builder, first, undefined, [0] * WIDTH)


def _tile(builder, held, wide, rows, depth, a, row_step, depth_step, b, b_step, c, c_step, add):
    """A tile `wide` columns wide with sums for `held` rows, of which `rows` are asked for: the
    others repeat the last one. Leaves the builder in the block after it."""
    columns = range(0, wide, WIDTH)
    fma = _fma(builder)
    left = _rows(builder, a, row_step, rows, held)
    before = builder.block
    loop, after = (builder.append_basic_block(name) for name in ("depth", "sums"))
    builder.cbranch(builder.icmp_signed(">", depth, _I64(0)), loop, after)

    builder.position_at_end(loop)
    p, index, panel = builder.phi(_I64), builder.phi(_I64), builder.phi(_POINTER)
    sums = [[builder.phi(_VECTOR) for _ in columns] for _ in range(held)]
    right = [_load(builder, _moved(builder, panel, j)) for j in columns]
    grown = []
    for row, line in zip(left, sums, strict=True):
        every = _everywhere(builder, _moved(builder, row, index))
        pairs = zip(right, line, strict=True)
        grown.append([builder.call(fma, [every, vector, total]) for vector, total in pairs])
    following = builder.add(p, _I64(1))
    steps = [
        (p, _I64(0), following),
        (index, _I64(0), builder.add(index, depth_step)),
        (panel, b, _moved(builder, panel, b_step)),
    ]
    for line, values in zip(sums, grown, strict=True):
        steps += [(phi, _ZERO, value) for phi, value in zip(line, values, strict=True)]
    for phi, start, value in steps:
        phi.add_incoming(start, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)

    builder.position_at_end(after)
    totals = [builder.phi(_VECTOR) for _ in range(held) for _ in columns]
    for phi, value in zip(totals, sum(grown, []), strict=True):
        phi.add_incoming(_ZERO, before)
        phi.add_incoming(value, loop)
    out = _rows(builder, c, c_step, rows, held)
    places = [_moved(builder, row, j) for row in out for j in columns]
    with builder.if_else(builder.icmp_signed("!=", add, _I64(0))) as (again, anew):
        with again:  # all are read before any is written: the last row's place comes repeatedly
            known = [_load(builder, place) for place in places]
            more = [builder.fadd(x, y) for x, y in zip(known, totals, strict=True)]
            for place, value in zip(places, more, strict=True):
                _store(builder, value, place)
        with anew:
            for place, value in zip(places, totals, strict=True):
                _store(builder, value, place)


@intrinsic
def tile_f32(context, rows, depth, a, row_step, depth_step, b, b_step, c, c_step, add):
    def generate(ctx, builder, sig, args):
        few = builder.icmp_signed("<=", args[0], _I64(FEW))
        with builder.if_else(few) as (low, high):
            for branch, held in ((low, FEW), (high, ROWS)):
                with branch:
                    _tile(builder, held, COLUMNS, *args)
        return ctx.get_dummy_value()

    count = types.intp
    return types.none(count, count, a, count, count, b, count, c, count, count), generate


@intrinsic
def row_f32(context, depth, a, depth_step, b, b_step, c, add):
    def generate(ctx, builder, sig, args):
        depth, a, depth_step, b, b_step, c, add = args
        none = _I64(0)
        _tile(builder, 1, WIDE, _I64(1), depth, a, none, depth_step, b, b_step, c, none, add)
        return ctx.get_dummy_value()

    count = types.intp
    return types.none(count, a, count, b, count, c, count), generate


@intrinsic
def copy_row_f32(context, b, panel):
    def generate(ctx, builder, sig, args):
        b, panel = args
        values = [_load(builder, _moved(builder, b, j)) for j in range(0, COLUMNS, WIDTH)]
        for j, value in zip(range(0, COLUMNS, WIDTH), values, strict=True):
            _store(builder, value, _moved(builder, panel, j))
        return ctx.get_dummy_value()

    return types.none(b, panel), generate


# Of two registers: their lower (upper) elements in turns, then pairs, within each half.
_LOWER, _UPPER = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
_LOWER_PAIRS, _UPPER_PAIRS = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
_LOWER_HALVES, _UPPER_HALVES = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]


def _transposed(builder, rows):
    """The columns of 8 rows of 8."""

    def mixed(x, y, *choices):
        return [_shuffled(builder, x, y, lanes) for lanes in choices]

    quarters = []
    for i in range(0, 8, 4):
        lower, upper = zip(
            *(mixed(rows[j], rows[j + 1], _LOWER, _UPPER) for j in (i, i + 2)), strict=True
        )
        pairs = _LOWER_PAIRS, _UPPER_PAIRS
        quarters.append(mixed(*lower, *pairs) + mixed(*upper, *pairs))
    return [
        _shuffled(builder, x, y, halves)
        for halves in (_LOWER_HALVES, _UPPER_HALVES)
        for x, y in zip(*quarters, strict=True)
    ]


def _column(builder, j, width):
    """The column that is read as column j: the last one comes again."""
    return builder.select(builder.icmp_signed("<", _I64(j), width), _I64(j),
                          builder.sub(width, _I64(1)))  # fmt: skip


def _summed(builder, start, end, step, left, index, depth_step, sums, columns):
    """A loop from `start` up to `end`: fused steps for `step` places of the depth, whose right
    operands are the vectors `columns(p)`. New sums, and the index of the left operand there."""
    fma = _fma(builder)
    before = builder.block
    loop, after = (builder.append_basic_block(name) for name in ("across", "crossed"))
    builder.cbranch(builder.icmp_signed("<", start, end), loop, after)

    builder.position_at_end(loop)
    p, place = phis = [builder.phi(_I64) for _ in range(2)]
    totals = [builder.phi(_VECTOR) for _ in sums]
    grown = totals
    for vector in columns(p):
        numbers = [_everywhere(builder, _moved(builder, row, place)) for row in left]
        grown = [builder.call(fma, [x, vector, y]) for x, y in zip(numbers, grown, strict=True)]
        place = builder.add(place, depth_step)
    following = builder.add(p, _I64(step))
    builder.cbranch(builder.icmp_signed("<", following, end), loop, after)

    builder.position_at_end(after)
    found = []
    firsts, lasts = [start, index, *sums], [following, place, *grown]
    for phi, first, last in zip([*phis, *totals], firsts, lasts, strict=True):
        found.append(builder.phi(phi.type))
        for x in (phi, found[-1]):
            x.add_incoming(first, before)
            x.add_incoming(last, loop)
    return found[2:], found[1]


@intrinsic
def across_f32(context, rows, width, depth, a, row_step, depth_step, b, b_step, out):
    def generate(ctx, builder, sig, args):
        rows, width, depth, a, row_step, depth_step, b, b_step, out = args
        left = _rows(builder, a, row_step, rows, FEW)
        right = _rows(builder, b, b_step, width, ACROSS)

        def block(p):
            return _transposed(builder, [_load(builder, _moved(builder, row, p)) for row in right])

        def single(p):
            vector = ir.Constant(_VECTOR, ir.Undefined)
            for lane, row in enumerate(right):
                number = builder.load(_moved(builder, row, p))
                vector = builder.insert_element(vector, number, _I32(lane))
            return [vector]

        zero, whole = _I64(0), builder.and_(depth, _I64(-WIDTH))
        sums, index = [_ZERO] * FEW, zero
        sums, index = _summed(builder, zero, whole, WIDTH, left, index, depth_step, sums, block)
        sums, _ = _summed(builder, whole, depth, 1, left, index, depth_step, sums, single)
        for i, total in enumerate(sums):  # all of them: there is room for FEW
            _store(builder, total, _moved(builder, out, i * ACROSS))
        return ctx.get_dummy_value()

    count = types.intp
    return types.none(count, count, count, a, count, count, b, count, out), generate


@intrinsic
def turn_block_f32(context, width, b, step, panel):
    def generate(ctx, builder, sig, args):
        width, b, step, panel = args
        numbers = [_column(builder, i, width) for i in range(WIDTH)]
        places = [_moved(builder, b, builder.mul(step, number)) for number in numbers]
        columns = _transposed(builder, [_load(builder, place) for place in places])
        for p, column in enumerate(columns):
            _store(builder, column, _moved(builder, panel, p * COLUMNS))
        return ctx.get_dummy_value()

    return types.none(types.intp, b, types.intp, panel), generate


@intrinsic
def pick_row_f32(context, width, b, step, panel):
    def generate(ctx, builder, sig, args):
        width, b, step, panel = args
        for j in range(COLUMNS):
            place = _moved(builder, b, builder.mul(step, _column(builder, j, width)))
            builder.store(builder.load(place), _moved(builder, panel, j))
        return ctx.get_dummy_value()

    return types.none(types.intp, b, types.intp, panel), generate


@intrinsic
def put_row_f32(context, width, row, c, add):
    def generate(ctx, builder, sig, args):
        width, row, c, add = args
        columns = [_column(builder, j, width) for j in range(COLUMNS)]
        places = [_moved(builder, c, column) for column in columns]
        values = [builder.load(_moved(builder, row, column)) for column in columns]
        with builder.if_else(builder.icmp_signed("!=", add, _I64(0))) as (again, anew):
            with again:  # all are read before any is written
                known = [builder.load(place) for place in places]
                for place, x, y in zip(places, known, values, strict=True):
                    builder.store(builder.fadd(x, y), place)
            with anew:
                for place, value in zip(places, values, strict=True):
                    builder.store(value, place)
        return ctx.get_dummy_value()

    return types.none(types.intp, row, c, types.intp), generate

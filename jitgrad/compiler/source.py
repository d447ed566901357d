"""The source writer: a fused group becomes one Python function.

A kernel is a nest: rows (the parallel range), then stages. A stage is one loop over the columns
that computes what the reductions, stores and saved values of that stage need; a reduction's result
is a row value for the stages after it. Expressions are pulled: a value is written where it is
first needed, at the outermost level its index allows. Entry: `Writer`; `compiler.emit` gives each
kind of group its loops. Imports: ops, compiler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from jitgrad.compiler.frame import Frame
from jitgrad.compiler.groups import Group, element_reads
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.names import NUMPY
from jitgrad.compiler.nest import Terms
from jitgrad.compiler.signs import nonpositive
from jitgrad.compiler.values import ONE, Access, Value
from jitgrad.ir.op import OPS

CHUNK = 4096  # elements of a reduction chunk, as in kernels/reduce.py
RUN = 512  # elements that a flat kernel of several loops or with draws takes at once
PAD = 192  # bytes between rows of scratch: rows 4 kB apart share their places in the cache
DEEP = 32  # values of an expression after which the rest of it is written first
TAB = "    "

BYTES = {"f32": 4, "f64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "u8": 1, "b1": 1}
CALL = re.compile(r"\b([a-z][a-z0-9_]*)\(")
_COSTLY = re.compile(r"\b[a-z][a-z0-9_]*\(|/|%")


@dataclass(frozen=True, slots=True)
class Filled:
    """How a kernel fills draws run by run: element numbers, index in the run, its length."""

    first: str
    last: str
    index: str = ""  # the column where empty
    size: int = 0  # a row where 0


class Writer(Frame):
    """A kernel, with the expressions of its values, while it is written."""

    def __init__(self, group: Group, stored: set[Value], inline: set[Value]) -> None:
        super().__init__(group, stored, inline)
        self.members = set(group.values)
        self.stored = [v for v in group.values if v in stored or v.store is not None]
        self.checks: list[int] = []
        self.scratch: list[tuple[Spec, int]] = []
        self.saved: dict[Value, str] = {}
        self.kept: dict[object, str] = {}  # loads that later stages repeat: their scratch
        self.streams: dict[str, tuple[str, str]] = {}  # pointer: prefetch, index of a later row
        self.reach = 1  # how many rows later
        self.parts: dict[Value, str] = {}  # reductions of leading axes: the row of this chunk's
        self.lent: list[tuple[str, str]] = []  # rows of scratch that only this stage needs
        self.spare: dict[str, list[str]] = {}  # those of earlier stages
        self.filled: Filled | None = None
        self.draws: dict[Value, str] = {}  # scratch that holds a draw's elements
        self.stage_now = 0
        self.depth = 0  # of the expression that is written
        self.cost = 0
        self.flops: list[tuple[int, tuple[int, ...]]] = []  # operations over other axes

    # -- expressions ----------------------------------------------------------------------------

    def read(self, access: Access, at: tuple[int, ...]) -> str:
        """The value behind an access, for a reader at domain positions `at`."""
        value = access.value
        if value.kind == "const":
            return self.constant(value.attrs[0], value.dtype)
        if value.kind == "scalar":
            key = ("scalar", value.source)
            return self.param(key, "s", value.dtype.suffix, ("scalar", value.source))
        where = self.nest.carried(access, at)
        if value in self.members or self.nest.inline(value):
            assert where is not None, "an in-kernel value is read in place"
            return self.value(value, where)
        return self.load(access, at)

    def load(self, access: Access, at: tuple[int, ...]) -> str:
        terms = self.nest.address(access, at)
        key = ("load", access.key(), terms.key)
        name = self.recall(key)
        if name is None:
            truth = " != 0" if access.value.dtype.kind == "b" else ""
            if self.kept.get(key) and not self.nest.picking:
                slot = self.kept[key]
                text = self.kept_element(slot)
                name = self.fresh(f"{slot}_")
                self.put(f"{name} = {text}{truth}", "col")
                return self.remember(key, "col", name)
            pointer = self.pointer(access)
            text, level = self.element(pointer, access, terms)
            self.stream(pointer, access, terms, "prefetch")
            name = self.fresh(pointer + "_")
            self.put(f"{name} = {text}{truth}", level)
            self.remember(key, level, name)
            if key in self.kept and level == "col":
                slot = self.kept[key] = self.scratch_row(pointer, access.value.dtype.suffix)
                self.keep(slot, name)
        return name

    def stream(self, pointer: str, access: Access | None, terms: Terms, prefetch: str) -> None:
        """Note memory that the kernel walks through row by row, each row an adjacent run."""
        if [t.level for t in terms.parts] == ["row", "col"] and len(self.nest.rows) == 1:
            row, col = terms.parts
            if col.stride is None and not col.sizes:
                later = replace(row, index=f"({row.index} + {self.reach})")
                self.streams[pointer] = prefetch, self.term(pointer, access, later)

    def kept_element(self, slot: str) -> str:
        """Source of the current column's element of a row of scratch."""
        return f"{slot}[{self.column()}]"

    def keep(self, slot: str, name: str) -> None:
        """Put the current column's element into a row of scratch."""
        self.put(f"{self.kept_element(slot)} = {name}", "col")

    def kept_run(self, access: Access, at: tuple[int, ...]) -> str | None:
        """The scratch that holds the row an access has read."""
        value = access.value
        if value in self.members or self.nest.inline(value) or value.kind in ("const", "scalar"):
            return None
        return self.kept.get(("load", access.key(), self.nest.address(access, at).key)) or None

    def scratch_row(self, stem: str, dtype: str) -> str:
        """Scratch for one value per column, or for a run's."""
        if self.filled is not None and self.filled.size:
            return self.scratch_run(f"{stem}_row", dtype, self.filled.size)
        classes = self.nest.classes(self.nest.cols)
        size = BYTES[dtype]
        length = f"({self.size(classes)} * {size} + 63) // 64 * 64 + {PAD}"
        return self.room(f"{stem}_row", dtype, length, ("size", classes))

    def lend_row(self, stem: str, dtype: str) -> str:
        """The same, needed in this stage alone."""
        spare = self.spare.get(dtype)
        name = spare.pop() if spare else self.scratch_row(stem, dtype)
        self.lent.append((dtype, name))
        return name

    def take_back(self) -> None:
        """The stage is over: its lent rows may serve the next."""
        for dtype, name in self.lent:
            self.spare.setdefault(dtype, []).append(name)
        self.lent = []

    def scratch_run(self, stem: str, dtype: str, count: int) -> str:
        """Scratch for `count` values."""
        return self.room(stem, dtype, str(count * BYTES[dtype]), ("fixed", count))

    def room(self, stem: str, dtype: str, length: str, count: Spec) -> str:
        """Scratch of `length` bytes, the next after what the kernel has."""
        name = self.fresh(stem)
        if not self.scratch:
            self.top.append("room = 0")
        view = self.function(f"apart_{dtype}")
        self.top.append(f"{name} = {view}(scratch, room, {len(self.scratch)})")
        self.top.append(f"room = room + {length}")
        self.scratch.append((count, BYTES[dtype]))
        return name

    def value(self, v: Value, at: tuple[int, ...]) -> str:
        """The variable that holds `v` at domain positions `at`."""
        level = self.level(at)
        key = (v, at)
        name = self.recall(key)
        if name is not None:
            return name
        if self.in_scratch(v, level):
            text = self.kept_element(self.saved[v])
            name = self.fresh(v.op + "_")
            truth = " != 0" if v.dtype.kind == "b" else ""
            self.put(f"{name} = {text}{truth}", "col")
            return self.remember(key, "col", name)
        if v.kind == "iota":
            axis = [i for i, c in enumerate(v.dims) if c != ONE]
            if v.attrs not in axis:
                return self.constant(0, v.dtype)
            return self.nest.variable(at[axis.index(v.attrs)])
        if self.depth == DEEP:
            self.ahead(v, at)
        self.depth += 1
        text = self.expression(v, at)
        self.depth -= 1
        name = self.fresh(_stem(v))
        self.put(f"{name} = {text}", level)
        return self.remember(key, level, name)

    def in_scratch(self, v: Value, level: str) -> bool:
        """Whether an earlier stage has kept the value for the current column."""
        return v in self.saved and level == "col" and self.nest.stage[v] < self.stage_now

    def ahead(self, v: Value, at: tuple[int, ...]) -> None:
        """Write what a long expression needs first, so that writing it never recurses deeply."""
        below: dict[tuple[Value, tuple[int, ...]], None] = {}  # in an order that is always the same
        stack = [(v, at)]
        while stack:
            w, where = stack.pop()
            if w.kind != "map" or self.in_scratch(w, self.level(where)):
                continue
            for a in w.inputs:
                if a.value in self.members or self.nest.inline(a.value):
                    place = self.nest.carried(a, where)
                    assert place is not None, "an in-kernel value is read in place"
                    key = (a.value, place)
                    if a.value.kind == "map" and key not in below and self.recall(key) is None:
                        below[key] = None
                        stack.append(key)
        for w, where in sorted(below, key=lambda key: key[0].id):
            self.value(w, where)

    def operations(self) -> list[tuple[int, tuple[int, ...]]]:
        """(operations, axis classes) terms: of each element, and one for each number reduced."""
        reduced = [v for v in self.group.values if v.kind in ("reduce", "partial", "margin")]
        sums = [(1, tuple(c for c in v.inputs[0].dims if c != ONE)) for v in reduced]
        return [(self.cost, self.group.domain), *self.flops, *sums]

    def expression(self, v: Value, at: tuple[int, ...]) -> str:
        if v.kind == "random":
            return self.random(v, at)
        if v.kind == "gather":
            return self.gather(v, at)
        if v.kind == "combine":
            return self.combine(v)
        if v.op == "check_index":
            return self.check(v, at)
        operands = [self.read(a, at) for a in v.inputs]
        return self.compute(v, operands)

    def random(self, v: Value, at: tuple[int, ...]) -> str:
        """A draw: filled into scratch run by run where elements come in order, else one by one."""
        seed = self.param(("slot", v.source, 2), "seed", "i64", ("slot", v.source, 2))
        draw = self.param(("slot", v.source, 3), "draw", "i64", ("slot", v.source, 3))
        self.cost += 40
        in_order = at == tuple(range(len(self.group.domain))) and not self.nest.picking
        if self.filled is not None and in_order and v.op in ("uniform", "normal"):
            if v not in self.draws:
                run = self.draws[v] = self.scratch_row(v.op, v.dtype.suffix)
                fn = self.function(f"fill_{v.op}_{v.dtype.suffix}")
                first, last = self.filled.first, self.filled.last
                self.row.append(f"{fn}({run}, {first}, {last}, {seed}, {draw})")
            return self.kept_element(self.draws[v])
        index, _ = self.index(_stem(v), None, self.nest.contiguous(v, at))
        name = "randbits" if v.op == "random_bits" else v.op
        return f"{self.function(f'{name}_{v.dtype.suffix}')}({seed}, {draw}, {index})"

    def compute(self, v: Value, operands: list[str]) -> str:
        source = v.inputs[-1].value.dtype
        if v.op == "copy":
            return operands[0]
        if v.op == "cast":
            if v.dtype.kind == "b":
                return f"{operands[0]} != {self.constant(0, source)}"
            text = operands[0]
            if source.kind == "f" and v.dtype.kind in "iu" and v.dtype.itemsize < 4:
                text = f"np.int32({text})"  # LLVM leaves a narrow conversion out of range open
            return f"{NUMPY[v.dtype.suffix]}({text})"
        op = OPS[v.op]
        template = op.code_for(source)
        if op.nonpositive and all(map(nonpositive, v.inputs)):
            template = op.nonpositive
        self.cost += 8 if CALL.search(template) else 4 if "/" in template else 1
        text = CALL.sub(lambda m: self.function(f"{m[1]}_{source.suffix}") + "(", template).format(
            **dict(zip(op.params, operands, strict=True))
        )
        if v.dtype.kind in "iu" and not re.fullmatch(r"\w+", text):
            return f"{NUMPY[v.dtype.suffix]}({text})"
        if v.dtype.kind == "b" and source.kind == "b" and "==" not in text and "!=" not in text:
            return f"bool({text})"
        return text

    def combine(self, v: Value) -> str:
        pointer, n = self.combined(v)
        part = v.inputs[0].value
        half = "pairwise_" if part.kind == "partial" else ""
        return f"{self.over_run(f'{half}{v.op}_{part.dtype.suffix}')}({pointer}, {n})"

    def combined(self, v: Value) -> tuple[str, str]:
        """The run that the second half of a reduction reads: where it is and its length."""
        access = v.inputs[0]
        pointer = self.pointer(access)
        if access.value.kind == "partial":
            classes = tuple(c for c in access.value.inputs[0].dims if c != ONE)
            return pointer, self.param(("chunks", classes), "chunks", "i64", ("chunks", classes))
        return pointer, self.size(tuple(c for c in access.dims if c != ONE))

    def fail(self, v: Value, bad: str, value: str, level: str) -> None:
        """Leave the kernel with an error when `bad` holds."""
        number = len(self.checks)
        self.checks.append(v.source)
        self.functions.add("fail")
        self.put(f"if {bad}:", level)
        self.put(f"    return fail(error, {number}, np.int64({value}))", level)

    def check(self, v: Value, at: tuple[int, ...]) -> str:
        index, size = (self.read(a, at) for a in v.inputs)
        zero = self.constant(0, v.inputs[0].value.dtype)
        self.fail(v, f"{index} < {zero} or {index} >= {size}", index, self.level(at))
        return index

    def gather(self, v: Value, at: tuple[int, ...]) -> str:
        x, index_at = v.inputs
        k = v.attrs[0] if v.op == "gather" else 0
        ((_, where),) = element_reads(v, at, self.group.domain)
        index = self.read(index_at, where)
        pointer = self.pointer(x)
        size = self.param(("extent", x.key(), k), f"{pointer}_n", "i64", ("extent", x, k))
        zero = self.constant(0, index_at.value.dtype)
        level = self.level(at)
        self.fail(v, f"{index} < {zero} or {index} >= {size}", index, level)
        terms = self.nest.gathered(v, at)
        text, _ = self.index(pointer, x, terms)
        stride = self.stride(x, k, pointer)
        self.cost += 8
        truth = " != 0" if v.dtype.kind == "b" else ""
        return f"{pointer}[{text} + {index} * {stride}]{truth}"

    def column(self) -> str:
        """Index of the current column inside a row's scratch."""
        if self.filled is not None and self.filled.index:
            return self.filled.index
        text = ""
        for axis in self.nest.cols:
            name = self.nest.variables[axis]
            n = self.size(self.nest.classes([axis]))
            text = f"({text}) * {n} + {name}" if text else name
        return text or "0"

    def picked(self, v: Value, name: str, everything: tuple[int, ...]) -> list[str]:
        """Lines that give `name` the row's value at one column (0 where there is none)."""
        value, index_at = v.inputs
        index = self.read(index_at, everything)
        nest, (axis,) = self.nest, self.nest.cols
        n = self.size(nest.classes([axis]))
        zero = self.constant(0, v.dtype)
        before = (self.row, self.memo, self.loop_memo, self.saved, nest.variables[axis])
        self.row, self.memo, self.loop_memo, self.saved = [], dict(self.memo), {}, {}
        nest.variables[axis], nest.picking = index, True
        text = self.read(value, everything)
        inner = [*self.row, f"{name} = {text} + {zero}"]
        self.row, self.memo, self.loop_memo, self.saved, nest.variables[axis] = before
        nest.picking = False
        test = f"if {index} >= 0 and {index} < {n}:"
        return [f"{name} = {zero}", test, *[TAB + line for line in inner]]

    # -- stores ---------------------------------------------------------------------------------

    def store(self, v: Value, at: tuple[int, ...]) -> None:
        name = self.value(v, at)
        key = ("own", v.id)
        pointer = self.param(key, "out", v.dtype.suffix + "*", ("own", v))
        if v.store is not None:
            terms = self.nest.address(v.store, at)
        else:
            terms = self.nest.contiguous(v, at)
        self.assign(pointer, v, terms, name, self.level(at))

    def assign(self, pointer: str, v: Value, terms: Terms, name: str, level: str) -> None:
        """Put an element of `v` into memory."""
        text, _ = self.element(pointer, v.store, terms)
        self.stream(pointer, v.store, terms, "prefetch_out")
        self.put(f"{text} = {name}", level)


def costly(v: Value) -> bool:
    """Whether computing an elementwise value again costs more than reading it from cache."""
    if v.op in ("copy", "cast") or v.op not in OPS:
        return False
    return bool(_COSTLY.search(OPS[v.op].code_for(v.inputs[-1].value.dtype)))


def _stem(v: Value) -> str:
    return "t" if v.op == "copy" else v.op

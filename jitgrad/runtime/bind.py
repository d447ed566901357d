"""A Schedule meets sizes: arguments, work ranges, temporary memory.

Entry: `Bound(schedule, functions, nodes)`: everything that follows from shapes and views, done once
per set of shapes; `Bound.run(nodes)` then patches addresses and numbers into one argument array
and makes one native call. Imports: ir, compiler, runtime.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitgrad.compiler.kernel import Kernel, Spec
from jitgrad.compiler.layout import contiguous_strides, replay
from jitgrad.compiler.schedule import Schedule
from jitgrad.compiler.source import CHUNK, PAD
from jitgrad.compiler.values import ONE, Access, Value, memory_of, reduced
from jitgrad.ir.node import Node
from jitgrad.kernels.columns import BLOCK, ROWS, lane_count
from jitgrad.kernels.gemm import COLUMN_STEP, ROW_STEP
from jitgrad.runtime import blas, tiles
from jitgrad.runtime.plan import Plan
from jitgrad.runtime.program import Program, Step

GRAIN = 16384  # elements per chunk of work
SERIAL = 8192  # steps of fewer elements run on the calling thread
UNIT = 128  # elements that take as long as a row, or a part of a product, does of no length
MULTIPLY_ADDS = 8  # of a small matrix product that take as long as an element

ELEMENT = ("size", ())  # the size of a unit that is an element
_OF_PRODUCTS = {"tiles", "row_parts", "column_parts", "parts", "part", "operand", "part work"}


class Bound(Plan):
    """One schedule at one set of sizes."""

    def __init__(self, schedule: Schedule, functions: list[Any], nodes: list[Node]) -> None:
        self.schedule = schedule
        self.nodes = nodes
        self.sizes = {c: nodes[i].shape[axis] for c, (i, axis) in schedule.classes.items()}
        self.step_bytes = [0] * len(schedule.steps)
        self.step_flops = [0] * len(schedule.steps)
        outputs = {memory_of(v) for v in schedule.outputs}
        owners = [memory_of(v) for v in schedule.outputs]
        self.output_bytes = [self.nbytes(v) for v in owners]
        self.donors = [v.source if v.kind == "leaf" else None for v in owners]
        self._place_temporaries(outputs)
        total = sum(1 + len(k.params) for s in schedule.steps for k in s.kernels)
        self.words = np.zeros(total, np.int64)
        self.leaves: list[tuple[int, int, int]] = []  # word, snapshot node, byte offset
        self.outs: list[tuple[int, int, int]] = []  # word, output number, byte offset
        self.temps: list[tuple[int, int]] = []  # word, byte offset in the arena
        self.sliced: list[tuple[str, int, Access, int, int]] = []  # offsets read at every run
        self.scalars: list[tuple[int, int]] = []  # word, snapshot node
        self.slots: list[tuple[int, int, int]] = []  # word, snapshot node, attribute
        out_number = {memory_of(v): i for i, v in enumerate(schedule.outputs)}
        steps = []
        at = 0
        for number, (step, function) in enumerate(zip(schedule.steps, functions, strict=True)):
            segments = []
            weight, total = 0, 0
            for kernel in step.kernels:
                end = at + 1 + len(kernel.params)
                block = self.words[at:end]
                for i, spec in enumerate(kernel.specs):
                    self._argument(at + 1 + i, spec, out_number)
                units = self.number(kernel.units)
                per_unit = max(1, self.number(kernel.unit_size))
                if kernel.unit_size != ELEMENT:
                    per_unit += UNIT
                weight += units * per_unit
                total += units
                segments.append((block, units))
                self._count(number, kernel)
                at = end
            kernel = step.kernels[0]
            serial = kernel.serial or weight <= SERIAL
            scratch = max(self._scratch(k) for k in step.kernels)
            grain = max(1, GRAIN // per_unit)
            if kernel.unit_size != ELEMENT:  # an even number of chunks of equal size
                pairs = max(1, -(-total // (2 * grain)))
                grain = max(1, -(-total // (2 * pairs)))
            steps.append(Step(function, segments, grain=grain, scratch=scratch, serial=serial))
        self.bytes, self.flops = sum(self.step_bytes), sum(self.step_flops)
        self.steps, self.launches = steps, len(steps)
        self.program = Program(steps)
        self.freeze()
        self.nodes = []  # the plan outlives the graph it was made for

    # -- numbers --------------------------------------------------------------------------------

    def number(self, spec: Spec) -> int:
        """The value of a size-like spec."""
        kind = spec[0]
        if kind == "size":
            return math.prod([self.sizes[c] for c in spec[1]])
        if kind == "fixed":
            return int(spec[1])
        if kind == "chunks":
            return -(-math.prod([self.sizes[c] for c in spec[1]]) // CHUNK)
        if kind == "row chunks":
            return -(-math.prod([self.sizes[c] for c in spec[1]]) // ROWS)
        if kind == "blocks":
            inner, outer = (math.prod([self.sizes[c] for c in classes]) for classes in spec[1:])
            return outer * -(-inner // BLOCK)
        if kind == "lanes":
            rows, columns = (math.prod([self.sizes[c] for c in classes]) for classes in spec[1:])
            return lane_count(rows, columns)
        if kind == "lane numbers":
            return self.number(("lanes", *spec[1:])) * math.prod([self.sizes[c] for c in spec[2]])
        if kind == "chunk rows":
            return self.number(("row chunks", spec[1])) * int(spec[2])
        if kind == "rows":
            return math.prod([self.sizes[c] for c in spec[1]]) * int(spec[2])
        if kind == "stride":
            return self.view(spec[1])[1][spec[2]]
        if kind == "extent":
            return self.view(spec[1])[0][spec[2]]
        if kind == "extents":
            shape = self.view(spec[1])[0]
            return math.prod([shape[a] for a in spec[2]])
        if kind == "pieces":
            return -(-self.number(spec[1]) // spec[2])
        if kind in _OF_PRODUCTS:
            return self.product(kind, spec[1])
        if kind == "flag":
            return int(self.transposed(spec[1]))
        if kind == "leading":
            return self.leading(spec[1])
        raise AssertionError(spec)

    def shape(self, v: Value) -> tuple[int, ...]:
        """The value's shape in numbers; of half a reduction, one number per chunk."""
        if v.half:
            return (self.nbytes(v) // v.dtype.itemsize,)
        return tuple([1 if c == ONE else self.sizes[c] for c in v.dims])

    def view(self, access: Access) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Shape, strides and offset of an access."""
        v = access.value
        shape = self.shape(v)
        strides, offset = contiguous_strides(shape), 0
        while v.kind == "alias":
            v = v.inputs[0].value
        if v.kind == "leaf":
            node = self.nodes[v.source]
            strides, offset = node.strides or strides, node.offset
        start = (shape, strides, offset)
        return replay(start, [(name, self.attrs(ref)) for name, _, ref in access.moves])

    def attrs(self, ref: Any) -> tuple[Any, ...]:
        """Numbers of one view step."""
        if isinstance(ref, int):
            return self.nodes[ref].attrs
        if ref[0] == "static":
            return ref[1]
        if ref[0] == "part":
            _, i, part = ref
            node = self.nodes[i]
            axis = node.attrs[0]
            shapes = [x.shape for x in node.inputs]
            start = sum(s[axis] for s in shapes[:part])
            starts = tuple(start if a == axis else 0 for a in range(len(shapes[part])))
            return (starts, (1,) * len(starts), shapes[part])
        i, j = ref
        return self.nodes[i].attrs[0][j][1]

    # -- products of matrices -------------------------------------------------------------------

    def transposed(self, access: Access) -> bool:
        """Whether BLAS reads the operand transposed: its rows, not its columns, are adjacent."""
        shape, strides, _ = self.view(access)
        if access.tags()[-1] in "u":
            return False
        if access.tags()[-1] == "1":
            return access.tags()[-2] == "u"
        return True

    def leading(self, access: Access) -> int:
        """The leading dimension: the step between the operand's adjacent runs."""
        shape, strides, _ = self.view(access)
        if self.transposed(access):
            return max(strides[-1] if shape[-1] != 1 else 1, shape[-2], 1)
        return max(strides[-2] if shape[-2] != 1 else 1, shape[-1], 1)

    def product(self, kind: str, v: Value) -> int:
        """How a product is cut, by its shape and dtype alone."""
        *batch, m, k = self.view(v.inputs[0])[0]
        n = self.shape(v)[-1]
        tiled, rows, columns = blas.gemm_parts(m, n, k, v.dtype.suffix)
        if kind == "tiles":
            return tiles.address() if tiled else 0
        if kind == "row_parts":
            return rows
        if kind == "column_parts":
            return columns
        if kind == "parts":
            return math.prod(batch) * rows * columns
        if kind in ("part", "operand"):  # elements of the largest one
            high = min(-(-m // (ROW_STEP * rows)) * ROW_STEP, m)
            wide = min(-(-n // (COLUMN_STEP * columns)) * COLUMN_STEP, n)
            return (high if kind == "part" else k) * wide
        return m * n * k // (MULTIPLY_ADDS * rows * columns)

    # -- memory ---------------------------------------------------------------------------------

    def nbytes(self, v: Value) -> int:
        """Size of a value's own buffer."""
        if v.kind == "partial":
            classes = tuple(c for c in v.inputs[0].dims if c != ONE)
            return max(1, self.number(("chunks", classes))) * v.dtype.itemsize
        if v.kind == "part":
            chunks = self.number(("row chunks", reduced(v)))
            return max(1, chunks * math.prod([self.sizes[c] for c in v.space])) * v.dtype.itemsize
        return math.prod(self.shape(v)) * v.dtype.itemsize

    def _place_temporaries(self, outputs: set[Value]) -> None:
        """Offsets in one arena: a buffer reuses the room of those no longer needed."""
        s = self.schedule
        todo = [v for v in s.buffers if v not in outputs]
        todo.sort(key=lambda v: (s.first_use[v], -self.nbytes(v)))
        placed: list[tuple[int, int, int]] = []  # offset, end, last use
        self.offset: dict[Value, int] = {}
        for v in todo:
            size = -(-max(1, self.nbytes(v)) // 64) * 64
            start = s.first_use[v]
            at = 0
            for offset, end, last in sorted(placed):
                if last >= start and offset < at + size and end > at:
                    at = end
            self.offset[v] = at
            placed.append((at, at + size, s.last_use[v]))
        self.arena_bytes = max((end for _, end, _ in placed), default=0)

    def _argument(self, word: int, spec: Spec, out_number: dict[Value, int]) -> None:
        kind = spec[0]
        if kind in ("memory", "own"):
            if kind == "memory":
                access = spec[1]
                owner, itemsize = memory_of(access.value), access.value.dtype.itemsize
            else:
                access = spec[1].store
                owner, itemsize = memory_of(spec[1]), spec[1].dtype.itemsize
            offset = self.view(access)[2] * itemsize if access is not None else 0
            start = 0
            if owner.kind == "leaf":
                where, row = "leaf", len(self.leaves)
                self.leaves.append((word, owner.source, offset))
            elif owner in out_number:
                where, row = "out", len(self.outs)
                self.outs.append((word, out_number[owner], offset))
            else:
                where, row, start = "temp", len(self.temps), self.offset[owner]
                self.temps.append((word, start + offset))
            if access is not None and any(m[0] == "slice" for m in access.moves):
                self.sliced.append((where, row, access, itemsize, start))
        elif kind == "scalar":
            self.scalars.append((word, spec[1]))
        elif kind == "slot":
            self.slots.append((word, spec[1], spec[2]))
        else:
            self.words[word] = self.number(spec)

    def _scratch(self, kernel: Kernel) -> int:
        return sum(self.number(spec) * size + 64 + PAD for spec, size in kernel.scratch)

    def _read(self, access: Access) -> int:
        """Bytes that a view shows, repeated ones once."""
        v = access.value
        if v.kind in ("partial", "part"):
            return self.nbytes(v)
        shape, strides, _ = self.view(access)
        seen = math.prod([n for n, step in zip(shape, strides, strict=True) if step])
        return min(seen * v.dtype.itemsize, self.nbytes(v))

    def _count(self, step: int, kernel: Kernel) -> None:
        """Predicted traffic: each operand and result once, of a view or a table what is read."""
        domain = kernel.flops[0][1] if kernel.flops else ()
        most = math.prod([self.sizes[c] for c in domain])
        for spec in kernel.specs:
            if spec[0] == "memory":
                read = self._read(spec[1])
                if domain and kernel.product is None and not kernel.combine:
                    read = min(read, most * spec[1].value.dtype.itemsize)
                self.step_bytes[step] += read
            elif spec[0] == "own":
                self.step_bytes[step] += self.nbytes(spec[1])
        for ops, classes in kernel.flops:
            self.step_flops[step] += ops * math.prod([self.sizes[c] for c in classes])
        if kernel.product is not None and kernel.depth is not None:
            shape, depth = self.shape(kernel.product), self.number(("extent", *kernel.depth))
            self.step_flops[step] += 2 * depth * math.prod(shape)

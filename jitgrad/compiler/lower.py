"""From a snapshot to the compiler's graph.

Movement ops vanish into the accesses of their readers; equal computations merge (never scalars,
never draws); reductions get a canonical form; writes and concatenations become stores into views.
Entry: `lower(snapshot) -> Graph`. Imports: ir, compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler import rules
from jitgrad.compiler.layout import Move, numeric_tags
from jitgrad.compiler.snapshot import Snapshot, shape_after
from jitgrad.compiler.values import (
    ONE,
    Access,
    AxisClasses,
    Dims,
    Value,
    memory_of,
    viewable,
)
from jitgrad.ir import dtype as dt
from jitgrad.ir.node import Node

Alias = tuple[Value, tuple[Move, ...]]


@dataclass
class Graph:
    """Values in topological order, the wanted ones, and where class sizes are read."""

    values: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)  # one per snapshot output, in order
    classes: dict[int, tuple[int, int]] = field(default_factory=dict)
    fired: list[str] = field(default_factory=list)  # names of the rewrites that applied


def axis_classes(snap: Snapshot) -> tuple[AxisClasses, list[Dims]]:
    """Which axes are of one size because the ops say so; ONE where the size is 1."""
    classes = AxisClasses()
    for i, node in enumerate(snap.nodes):
        for axis in range(len(node.shape)):
            classes.add(i, axis)
        _join(classes, snap, i, node)
    dims = []
    for i, node in enumerate(snap.nodes):
        dims.append(
            tuple(
                ONE if n == 1 else classes.find(classes.at[i, axis])
                for axis, n in enumerate(node.shape)
            )
        )
    return classes, dims


def _join(classes: AxisClasses, snap: Snapshot, i: int, node: Node) -> None:
    ins = snap.inputs[i]
    name, kind = node.op.name, node.op.kind

    def same(a: int, x: int, b: int, y: int) -> None:
        if snap.nodes[a].shape[x] != 1 and snap.nodes[b].shape[y] != 1:
            classes.join(classes.at[a, x], classes.at[b, y])

    rank = len(node.shape)
    if kind == "elementwise":
        for k in ins:
            for axis in range(rank):
                same(i, axis, k, axis)
    elif kind == "reduction":
        for axis in range(rank):
            if axis not in node.attrs[0]:
                same(i, axis, ins[0], axis)
    elif name == "permute":
        for axis, old in enumerate(node.attrs[0]):
            same(i, axis, ins[0], old)
    elif name == "expand":
        for axis in range(rank):
            same(i, axis, ins[0], axis)
    elif name == "reshape":
        for old, new in snap.statics[i][0]:
            if len(old) == len(new) == 1:
                same(i, new[0], ins[0], old[0])
    elif name == "slice":
        for axis, what in enumerate(snap.statics[i][0]):
            if what == "f":
                same(i, axis, ins[0], axis)
    elif name == "matmul":
        for axis in range(rank - 2):
            same(i, axis, ins[0], axis)
            same(i, axis, ins[1], axis)
        same(i, rank - 2, ins[0], rank - 2)
        same(i, rank - 1, ins[1], rank - 1)
        same(ins[0], rank - 1, ins[1], rank - 2)
    elif name == "cat":
        for k in ins:
            for axis in range(rank):
                if axis != node.attrs[0]:
                    same(i, axis, k, axis)
    elif name == "gather":
        for axis in range(rank):
            same(i, axis, ins[1], axis)
    elif name in ("take", "put_add", "put_rows"):
        index = ins[1]
        lead = len(snap.nodes[index].shape)
        outer = i if name == "take" else ins[2]
        for axis in range(lead):
            same(outer, axis, index, axis)
        for axis in range(1, len(snap.nodes[ins[0]].shape)):
            same(outer, lead + axis - 1, ins[0], axis)
        if name != "take":
            for axis in range(rank):
                same(i, axis, ins[0], axis)
    elif name == "scatter_add":
        for axis in range(rank):
            same(i, axis, ins[0], axis)
            same(ins[1], axis, ins[2], axis)
    elif kind == "library":
        for axis in range(rank):
            same(i, axis, ins[0], axis)


class Lowering:
    """State of one lowering."""

    def __init__(self, snap: Snapshot) -> None:
        self.snap = snap
        self.graph = Graph()
        classes, self.dims = axis_classes(snap)
        for c, place in enumerate(classes.where):
            if classes.find(c) == c:
                self.graph.classes[c] = place
        self.alias: list[Alias] = []
        self.known: dict[Any, Value] = {}
        self.uses = [0] * len(snap.nodes)
        for k in (*snap.outputs, *(k for ins in snap.inputs for k in ins)):
            self.uses[k] += 1
        self.reader = {k: i for i, ins in enumerate(snap.inputs) for k in ins}  # the last one
        self.cut: set[int] = set()  # reshapes that a product has taken over

    # -- values ---------------------------------------------------------------------------------

    def value(
        self,
        kind: str,
        op: str,
        dtype: dt.DType,
        dims: Dims,
        inputs: list[Access],
        attrs: Any,
        source: int,
        *,
        merge: bool = True,
        mode: str = "",
        behind: Dims = (),
    ) -> Value:
        """A new value, or the equal one that exists."""
        reads = tuple(a.key() for a in inputs)
        key = (kind, op, dtype, dims, reads, attrs, mode, behind) if merge else None
        if key is not None and key in self.known:
            self.graph.fired.append("common subexpression")
            return self.known[key]
        number = len(self.graph.values)
        out = Value(number, kind, op, dtype, dims, inputs, attrs, source, mode, behind=behind)
        self.graph.values.append(out)
        if key is not None:
            self.known[key] = out
        return out

    def access(self, alias: Alias, dims: Dims, source: int) -> Access:
        """A read through a chain; a chain that is no view of memory is cut by a copy."""
        value, moves = alias
        while True:
            if value.kind in ("const", "scalar"):
                return Access(value, (), dims)
            if value.kind == "iota" and Access(value, moves, dims).injection() is None:
                value = self.copied(Access(value, (), value.dims), source).value
            done = viewable(value, moves)
            if done == len(moves):
                return Access(value, moves, dims)
            head = moves[:done]
            seen = dims_after(value.dims, head, self)
            copy = self.value(
                "map", "copy", value.dtype, seen, [Access(value, head, seen)], None, source
            )
            value, moves = copy, moves[done:]

    def read(self, i: int, source: int) -> Access:
        """The access of snapshot node `i` by a reader recorded at `source`."""
        return self.access(self.alias[i], self.dims[i], source)

    # -- one snapshot node after the other ------------------------------------------------------

    def run(self) -> Graph:
        for i, node in enumerate(self.snap.nodes):
            self.alias.append(self.lower(i, node))
        for i in self.snap.outputs:
            self.graph.outputs.append(self.output(i))
        return self.graph

    def output(self, i: int) -> Value:
        """The value that becomes the wanted node's memory: its own, and nobody else's."""
        value, moves = self.alias[i]
        leaf = value.kind in ("leaf", "const", "scalar", "iota", "random") or value.op == "barrier"
        if leaf or value in self.graph.outputs or any(m[0] != "reshape" for m in moves):
            read = self.access((value, moves), self.dims[i], i)
            value = self.copied(read, i).value
            if value in self.graph.outputs:
                value = self.value(
                    "map", "copy", value.dtype, self.dims[i], [read], None, i, merge=False
                )
        return value  # reshaped only: the same elements in the same order

    def lower(self, i: int, node: Node) -> Alias:
        name, kind, dims = node.op.name, node.op.kind, self.dims[i]
        ins = self.snap.inputs[i]
        if kind == "movement":
            value, moves = self.alias[ins[0]]
            if i in self.cut:
                return value, ()
            return value, rules.shorten(moves + ((name, self.snap.statics[i], i),), self)
        if kind == "source":
            return self.leaf(i, node), ()
        if kind == "elementwise":
            return self.elementwise(i, node)
        if kind == "reduction":
            return self.reduction(i, node)
        if name == "matmul":
            return self.matmul(i, node), ()
        if name == "write":
            return self.write(i, node), ()
        if name == "cat":
            return self.cat(i, node), ()
        if name == "barrier":
            return self.barrier(i, node)
        if name in ("gather", "take"):
            reads = [self.in_memory(ins[0], i), self.read(ins[1], i)]
            return self.value("gather", name, node.dtype, dims, reads, node.attrs, i), ()
        reads = [self.read(k, i) for k in ins]
        table = name in ("put_add", "put_rows") and reads[0].value.kind == "const"
        first = 1 if table else 0  # a table that is one number everywhere needs no memory
        reads[first:] = [self.row_major(k, i) for k in ins[first:]]
        return self.value("routine", name, node.dtype, dims, reads, node.attrs, i), ()

    def leaf(self, i: int, node: Node) -> Value:
        name, dims = node.op.name, self.dims[i]
        if name == "buffer":
            out = self.value("leaf", name, node.dtype, dims, [], None, i, merge=False)
            if node.strides is not None:
                out.tags = numeric_tags(node.shape, node.strides)
            return out
        if name == "const":
            attrs = (node.attrs[0], self.snap.statics[i])
            return self.value("const", name, node.dtype, (), [], attrs, i)
        if name == "scalar":
            return self.value("scalar", name, node.dtype, (), [], None, i, merge=False)
        if name == "iota":
            return self.value("iota", name, node.dtype, dims, [], node.attrs[1], i)
        return self.value("random", name, node.dtype, dims, [], None, i, merge=False)

    def elementwise(self, i: int, node: Node) -> Alias:
        reads = [self.read(k, i) for k in self.snap.inputs[i]]
        simple = rules.apply(node, reads, self, i)
        if simple is not None:
            return simple.value, simple.moves
        attrs = node.dtype if node.op.name == "cast" else None
        return self.value(
            "map",
            node.op.name,
            node.dtype,
            self.dims[i],
            reads,
            attrs,
            i,
            merge=node.op.check is None,
        ), ()

    def reduction(self, i: int, node: Node) -> Alias:
        """Reduced axes last ("row") or first ("column": what is kept last lies together); to one
        element in two halves."""
        source = self.snap.inputs[i][0]
        value, moves = self.alias[source]
        dims = self.dims[source]
        rank = len(dims)
        axes = [a for a in sorted(node.attrs[0]) if dims[a] != ONE]
        kept = [a for a in range(rank) if dims[a] != ONE and a not in axes]
        name = node.op.name
        if not axes:
            return self.nothing_to_reduce(i, node), ()
        arg = name in ("argmax", "argmin")
        if not kept and not arg:
            read = self.access((value, moves), dims, i)
            part = self.value("partial", name, node.dtype, (), [read], None, i)
            whole = self.value(
                "combine", name, node.dtype, self.dims[i], [Access(part, (), ())], None, i
            )
            return whole, ()
        if kept and max(axes) < min(kept) and not arg:
            read = self.access((value, moves), dims, i)
            behind = tuple(dims[a] for a in kept)
            return self.value(
                "reduce", name, node.dtype, self.dims[i], [read], tuple(axes), i, mode="column",
                behind=behind,
            ), ()  # fmt: skip
        order = tuple([a for a in range(rank) if a not in axes] + axes)
        if order == tuple(range(rank)) or not kept or min(axes) > max(kept):
            read = self.access((value, moves), dims, i)
            reads = rules.one_hot(name, read, axes, self) or [read]
            return self.value(
                "reduce", name, node.dtype, self.dims[i], reads, tuple(axes), i, mode="row"
            ), ()
        outer = [a for a in axes if a < min(kept)]
        if not arg and outer and axes == [*outer, *range(max(kept) + 1, rank)]:
            return self.twice(i, node, outer, axes[len(outer) :]), ()
        if max(axes) < max(kept) and not arg:  # what is kept last lies together
            order = (*axes, *[a for a in range(rank) if a not in axes])
            read, at = self.turned(i, source, order), tuple(range(len(axes)))
            behind = tuple(dims[a] for a in kept if a > max(axes))
            return self.value(
                "reduce", name, node.dtype, self.dims[i], [read], at, i, mode="column",
                behind=behind,
            ), ()  # fmt: skip
        read = self.turned(i, source, order)
        out_dims = tuple(self.dims[i][a] for a in order)
        at = tuple(range(rank - len(axes), rank))
        out = self.value("reduce", name, node.dtype, out_dims, [read], at, i, mode="row")
        back = tuple(order.index(a) for a in range(rank))
        return out, (("permute", back, ("static", (back,))),)

    def turned(self, i: int, source: int, order: tuple[int, ...]) -> Access:
        """A read of node `source`, its axes in another order, for the reduction `i`."""
        value, moves = self.alias[source]
        dims = tuple(self.dims[source][a] for a in order)
        return self.access((value, (*moves, ("permute", order, ("static", (order,))))), dims, i)

    def twice(self, i: int, node: Node, outer: list[int], inner: list[int]) -> Value:
        """What is kept stands between what is reduced (the channels of images, say): rows first,
        beside whatever else the kernel does there, then the few results."""
        name, source = node.op.name, self.snap.inputs[i][0]
        read = self.read(source, i)
        dims = tuple(ONE if a in inner else c for a, c in enumerate(read.dims))
        rows = self.value("reduce", name, node.dtype, dims, [read], tuple(inner), i, mode="row")
        return self.value(
            "reduce", name, node.dtype, self.dims[i], [Access(rows, (), dims)], tuple(outer), i,
            mode="column", behind=tuple(c for c in rows.dims[max(outer) + 1 :] if c != ONE),
        )  # fmt: skip

    def nothing_to_reduce(self, i: int, node: Node) -> Value:
        source = self.snap.inputs[i][0]
        read = self.read(source, i)
        if node.op.name in ("argmax", "argmin"):
            zero = self.value("const", "const", dt.int64, (), [], (0, ("int", 0)), i)
            read = Access(zero, (), self.dims[i])
        op, attrs = ("copy", None)
        if read.value.dtype is not node.dtype:
            op, attrs = "cast", node.dtype
        return self.value("map", op, node.dtype, self.dims[i], [read], attrs, i)

    # -- library ops ----------------------------------------------------------------------------

    def copied(self, read: Access, source: int) -> Access:
        copy = self.value("map", "copy", read.value.dtype, read.dims, [read], None, source)
        return Access(copy, (), read.dims)

    def in_memory(self, i: int, source: int) -> Access:
        """An access that can be indexed freely: numbers and counters are written out first."""
        read = self.read(i, source)
        return self.copied(read, source) if read.value.kind in _UNSTORED else read

    def row_major(self, i: int, source: int) -> Access:
        """An access to row-major memory."""
        read = self.in_memory(i, source)
        flat = all(t in ("1", "c", "u") for t in read.tags())
        return read if flat else self.copied(read, source)

    def matmul(self, i: int, node: Node) -> Value:
        reads = []
        for k in self.snap.inputs[i]:
            read = self.in_memory(k, i)
            rows, cols = read.tags()[-2:]
            if node.dtype.kind != "f":
                good = all(t in ("1", "c", "u") for t in read.tags())
            else:
                good = (cols in "1u" and rows in "1cs") or (rows in "1u" and cols in "1s")
            reads.append(read if good else self.copied(read, i))
        return self.value("matmul", "matmul", node.dtype, self.cut_rows(i), reads, None, i)

    def cut_rows(self, i: int) -> Dims:
        """Axes of a product. Where its one reader cuts the rows of a matrix into several axes (a
        linear layer over sequences), these: elementwise work on them then joins the product."""
        j = self.reader.get(i)
        if j is None or self.uses[i] != 1 or self.snap.nodes[j].op.name != "reshape":
            return self.dims[i]
        groups, ones = self.snap.statics[j]
        if len(self.dims[i]) != 2 or len(ones) < 3 or groups[-1:] != (((1,), (len(ones) - 1,)),):
            return self.dims[i]
        self.cut.add(j)
        self.graph.fired.append("rows of a product cut into axes")
        return self.dims[j]

    def write(self, i: int, node: Node) -> Value:
        """A buffer filled with `base`, then a store of `value` through the view."""
        base, value = self.snap.inputs[i]
        moves = []
        shape = node.shape
        for j, (name, attrs) in enumerate(node.attrs[0]):
            moves.append((name, self.snap.statics[i][j][1], (i, j)))
            shape = shape_after(name, attrs, shape)
        into, seen = self.alias[base]
        # The base itself, not something that a rule found equal to it; and nobody else looks.
        whole = not seen and into.source == base and self.uses[base] == 1
        fresh = into.kind == "alias" and memory_of(into).kind != "leaf"
        if whole and (fresh or base in self.snap.donated):
            return self.stored(into, [(value, tuple(moves))], i)
        filled = self.value(
            "map", "copy", node.dtype, self.dims[i], [self.read(base, i)], None, i, merge=False
        )
        return self.stored(filled, [(value, tuple(moves))], i)

    def stored(self, into: Value, parts: Sequence[tuple[int, tuple[Move, ...]]], i: int) -> Value:
        """`into` after each part was stored through its view: an "alias" of its buffer."""
        stores = []
        for k, moves in parts:
            read = self.read(k, i)
            part = self.value("map", "copy", into.dtype, self.dims[k], [read], None, i, merge=False)
            part.store = Access(into, moves, self.dims[k])
            part.after += [into, *into.after]
            stores.append(part)
        out = self.value("alias", "alias", into.dtype, into.dims, [], None, i, merge=False)
        out.inputs = [Access(into, (), into.dims)]
        out.after = stores
        return out

    def cat(self, i: int, node: Node) -> Value:
        into = self.value("empty", "empty", node.dtype, self.dims[i], [], None, i, merge=False)
        parts = []
        for j, k in enumerate(self.snap.inputs[i]):
            keys = tuple("p" if a == node.attrs[0] else "f" for a in range(len(node.shape)))
            ones = tuple(n == 1 for n in self.snap.nodes[k].shape)
            parts.append((k, (("slice", (keys, ones), ("part", i, j)),)))
        return self.stored(into, parts, i)

    def barrier(self, i: int, node: Node) -> Alias:
        """The memory of the first operand under another name, read when all of them are there."""
        (x, moves), *others = [self.alias[k] for k in self.snap.inputs[i]]
        if x.kind in _UNSTORED:
            x = self.copied(Access(x, (), x.dims), i).value
        out = self.value("alias", "barrier", node.dtype, x.dims, [], None, i, merge=False)
        out.inputs, out.tags = [Access(x, (), x.dims)], x.tags
        out.after = [x, *[value for value, _ in others]]
        return out, moves


_UNSTORED = ("const", "scalar", "iota", "random")


def dims_after(dims: Dims, moves: tuple[Move, ...], low: Lowering) -> Dims:
    """Classes of a value's axes after view steps."""
    for name, key, ref in moves:
        if name == "permute":
            dims = tuple(dims[a] for a in key)
        elif isinstance(ref, int):
            dims = low.dims[ref]
    return dims


def lower(snap: Snapshot) -> Graph:
    """The compiler's graph of a snapshot."""
    return Lowering(snap).run()

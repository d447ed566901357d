"""The loop nest of one group: which axes merge, what is a row or a column, where elements are.

Axes of the domain merge when every memory access of the group steps through them as through one.
Entry: `Nest`. Imports: compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jitgrad.compiler.groups import Group, carried, element_reads
from jitgrad.compiler.layout import contiguous_tags
from jitgrad.compiler.values import ONE, Access, Value

Positions = tuple[int, ...]
Reference = dict[int, tuple[str, int]]  # domain position: (tag, next position of the access)


@dataclass(frozen=True, slots=True)
class Term:
    """index * stride of one merged axis: the stride is a product of sizes, a parameter, or 1."""

    index: str
    stride: int | None  # axis of the access whose stride is a parameter
    sizes: tuple[tuple[int, ...], ...]
    level: str


@dataclass(frozen=True, slots=True)
class Terms:
    """An element's index as a sum of terms."""

    parts: tuple[Term, ...]

    @property
    def key(self) -> Any:
        """Equal for equal indices."""
        return self.parts


class Nest:
    """Merged axes of a group, and addresses in terms of their loop variables."""

    def __init__(self, group: Group, stored: set[Value], inline: set[Value]) -> None:
        self.group = group
        self.members = set(group.values)
        self.inline_values = inline
        self.stored = stored
        self.barriers: set[int] = set()
        self.picking = False  # the column is a row's number: see Writer.picked
        refs, results = self._references()
        n = len(group.domain)
        fixed = group.split
        if group.kind == "matmul":
            assert group.product is not None
            fixed = n - (group.product.dims[-1] != ONE)
        behind = n - len(next((v.behind for v in group.values if v.kind == "reduce"), ()))
        merged: list[list[int]] = []
        for p in range(n):
            if merged and p not in (fixed, behind) and self._merges(p - 1, refs + results):
                merged[-1].append(p)
            else:
                merged.append([p])
        self.axes = [tuple(a) for a in merged]
        if fixed is not None:
            self.split = fixed
        else:
            self.split = self.axes[-1][0] if len(self.axes) > 1 else 0
        self.rows = [a for a in self.axes if a[0] < self.split]
        self.cols = [a for a in self.axes if a[0] >= self.split]
        self.variables: dict[tuple[int, ...], str] = {}
        for k, a in enumerate(self.rows):
            self.variables[a] = "r" if len(self.rows) == 1 else f"r{k}"
        for k, a in enumerate(self.cols):
            self.variables[a] = "j" if len(self.cols) == 1 else f"j{k}"
        self.one_row = group.kind == "matmul" or (group.kind == "row" and not self.rows)
        self.axis_of = {p: a for a in self.axes for p in a}
        self.adjacent = group.kind == "column" and self._adjacent(behind, refs)
        self.cuts: set[Value] = set()  # column values that later loops find in scratch
        self.stage = self.stages()

    # -- merging --------------------------------------------------------------------------------

    def _references(self) -> tuple[list[Reference], list[Reference]]:
        """Every memory access; apart, those that write results of reductions behind the loops."""
        refs: list[Reference] = []
        results: list[Reference] = []

        def note(at: Positions, tags: list[str], into: list[Reference] = refs) -> None:
            follow = [*at[1:], -1][: len(at)]
            into.append({p: (t, q) for p, t, q in zip(at, tags, follow, strict=True)})

        def visit(a: Access, at: Positions) -> None:
            v = a.value
            if v.kind in ("const", "scalar"):
                return
            if v in self.members or self.inline(v):
                where = carried(a, at)
                assert where is not None
                if v.kind == "iota":
                    self.barriers.update(where)
                elif v not in self.members:
                    for b, deeper in element_reads(v, where, self.group.domain):
                        visit(b, deeper)
                return
            note(*self._in_memory(a, at))

        for v in self.group.values:
            at = self.group.place[v]
            for a, where in element_reads(v, at, self.group.domain):
                visit(a, where)
            if v.kind == "gather":
                refs.append({t[0]: (t[1], -1) for t in self._gather_tags(v, at)})
            if v.store is not None or (v in self.stored and v.kind != "partial"):
                if v.store is not None:
                    tags = v.store.tags()
                else:
                    tags = contiguous_tags(v.dims, ONE)
                real = [tags[i] for i, c in enumerate(v.dims) if c != ONE]
                note(at, real, results if v.kind == "reduce" else refs)
            if v.kind == "random":
                tags = contiguous_tags(v.dims, ONE)
                note(self.group.place[v], [t for t in tags if t != "1"])
            if v.kind == "matmul":
                tags = contiguous_tags(v.dims, ONE)
                note(self.group.place[v], [t for t in tags if t != "1"])
        return refs, results

    def _in_memory(self, a: Access, at: Positions) -> tuple[Positions, list[str]]:
        """Positions and tags of an access's axes, in their order before a last step that moved
        them: only there can be seen which axis follows which."""
        order: tuple[int, ...] = tuple(range(len(a.dims)))
        tags = a.tags()
        if a.moves and a.moves[-1][0] == "permute":
            order = a.moves[-1][1]
            tags = Access(a.value, a.moves[:-1], a.dims).tags()
        real = [axis for axis, c in zip(order, a.dims, strict=True) if c != ONE]
        place = dict(zip(real, at, strict=True))
        return tuple(place[axis] for axis in sorted(real)), [tags[axis] for axis in sorted(real)]

    def _merges(self, p: int, refs: list[Reference]) -> bool:
        """Whether positions p and p + 1 are one axis for every access."""
        if p in self.barriers or p + 1 in self.barriers:
            return False
        for ref in refs:
            tag, follow = ref.get(p, ("0", -1))
            after = ref.get(p + 1, ("0", -1))[0]
            if tag == "0" and after == "0":
                continue
            if tag == "c" and follow == p + 1:
                continue
            return False
        return True

    def _adjacent(self, behind: int, refs: list[Reference]) -> bool:
        """Whether, for every access, the positions from `behind` on are one axis, and each row of
        them begins where the one before ends."""
        row = self.split - 1
        if len(self.rows) > 1 or self.cols[-1][0] != behind or self.barriers & {row, behind}:
            return False
        for ref in refs:
            tag, follow = ref.get(row, ("0", -1))
            if tag == "0" and ref.get(behind, ("0", -1))[0] == "0":
                continue
            if tag != "c" or follow != behind:
                return False
        return True

    # -- values ---------------------------------------------------------------------------------

    def inline(self, v: Value) -> bool:
        """Whether `v` is computed wherever it is read."""
        return v in self.inline_values

    def carried(self, a: Access, at: Positions) -> Positions | None:
        """Domain positions of the accessed value's axes."""
        return carried(a, at)

    def stages(self) -> dict[Value, int]:
        """The loop that computes each value: what reads a reduction or a cut comes later."""
        stage: dict[Value, int] = {}

        def of(v: Value) -> int:
            if v in stage:
                return stage[v] + (v.kind == "reduce" or v in self.cuts)
            if v in self.members or not self.inline(v):
                return 0
            return max((of(a.value) for a in v.inputs), default=0)

        for v in sorted(self.group.values, key=lambda x: x.id):
            stage[v] = max((of(a.value) for a in v.inputs), default=0)
        return stage

    # -- addresses ------------------------------------------------------------------------------

    def variable(self, p: int) -> str:
        """The loop variable of a position that merged with no other."""
        assert self.axis_of[p] == (p,), "a counted axis must stand alone"
        return self.variables[(p,)]

    def classes(self, axes: list[tuple[int, ...]]) -> tuple[int, ...]:
        """Axis classes of merged axes."""
        return tuple(self.group.domain[p] for a in axes for p in a)

    def level_of(self, axis: tuple[int, ...]) -> str:
        """Where an axis's variable lives."""
        return "col" if axis[0] >= self.split and not self.picking else "row"

    def address(self, a: Access, at: Positions) -> Terms:
        """Index of an access for a reader at positions `at`."""
        tags = a.tags()
        real = [i for i, c in enumerate(a.dims) if c != ONE]
        return self._terms([(p, tags[i], i) for p, i in zip(at, real, strict=True)])

    def contiguous(self, v: Value, at: Positions) -> Terms:
        """Row-major index over the value's own axes."""
        tags = [t for t in contiguous_tags(v.dims, ONE) if t != "1"]
        return self._terms([(p, t, None) for p, t in zip(at, tags, strict=True)])

    def _gather_tags(self, v: Value, at: Positions) -> list[tuple[int, str, int]]:
        x = v.inputs[0]
        tags = x.tags()
        real = [i for i, c in enumerate(v.dims) if c != ONE]
        out = []
        for p, i in zip(at, real, strict=True):
            if v.op == "gather":
                axis = i
                if i == v.attrs[0] or tags[i] in "01":
                    continue
                tag = "u" if tags[i] == "u" else "s"
            else:
                axis = i - len(v.inputs[1].dims) + 1
                if axis < 1 or tags[axis] in "01":
                    continue
                tag = "u" if tags[axis] == "u" else "s"
            out.append((p, tag, axis))
        return out

    def gathered(self, v: Value, at: Positions) -> Terms:
        """Index of a gathered element, without the gathered axis."""
        return self._terms([(p, t, a) for p, t, a in self._gather_tags(v, at)])

    def _terms(self, axes: list[tuple[int, str, int | None]]) -> Terms:
        out = []
        for k, (p, tag, axis) in enumerate(axes):
            merged = self.axis_of[p]
            if tag in "01" or p != merged[-1]:
                continue
            stride: int | None = None
            sizes: tuple[tuple[int, ...], ...] = ()
            if tag == "c":
                below = []
                for q, t, _ in axes[k + 1 :]:
                    below.append(self.group.domain[q])
                    if t != "c":
                        break
                if t == "u":
                    sizes = (tuple(below),)
                else:
                    stride = axis
            elif tag in "sn":
                stride = axis
            out.append(Term(self.variables[merged], stride, sizes, self.level_of(merged)))
        return Terms(tuple(out))

"""The compiler's own graph: values over axis classes instead of sizes.

An axis class is a number shared by all axes that the ops force to be equal; which number a class
has at run time is read from any one of its axes. Entry: `Value`, `Access`, `AxisClasses`.
Imports: ir, compiler.layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler.layout import Move, Tags, contiguous_tags, tags_through
from jitgrad.ir.dtype import DType

ONE = -1  # the class of axes of size 1
Dims = tuple[int, ...]


class AxisClasses:
    """Union-find over (snapshot node, axis)."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.where: list[tuple[int, int]] = []
        self.at: dict[tuple[int, int], int] = {}

    def add(self, node: int, axis: int) -> int:
        """A class of its own for one axis."""
        self.parent.append(len(self.parent))
        self.where.append((node, axis))
        self.at[node, axis] = len(self.parent) - 1
        return len(self.parent) - 1

    def find(self, c: int) -> int:
        """The representative of a class."""
        root = c
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[c] != root:
            self.parent[c], c = root, self.parent[c]
        return root

    def join(self, a: int, b: int) -> None:
        """Both axes have one size."""
        a, b = self.find(a), self.find(b)
        if a != b:
            self.parent[max(a, b)] = min(a, b)


@dataclass(eq=False, slots=True)
class Value:
    """One computation (or leaf) of the compiler's graph.

    kind: "leaf", "const", "scalar", "iota", "random", "map" (elementwise), "gather", "reduce",
    "partial" and "combine" (the two halves of a reduction to one element), "part" (the first half
    of a reduction of leading axes, in a kernel over rows; the second is a "combine" too), "matmul",
    "margin" (a sum of leading axes in a product's kernel), "routine" (a hand-written kernel over
    row-major operands).
    """

    id: int
    kind: str
    op: str
    dtype: DType
    dims: Dims
    inputs: list[Access]
    attrs: Any
    source: int  # snapshot node: slots and the user's line are read there
    mode: str = ""  # of a reduction: "row" or "column"; "early": see compiler.recompute
    store: Access | None = None  # a write: where the elements go, instead of an own buffer
    tags: Tags | None = None  # of a leaf
    after: list[Value] = field(default_factory=list)  # must run before, though not read
    behind: Dims = ()  # of a reduction in mode "column": what is kept behind the last reduced axis

    def __repr__(self) -> str:
        return f"%{self.id}={self.op}"

    @property
    def axes(self) -> list[int]:
        """Axes that are not of size 1."""
        return [i for i, c in enumerate(self.dims) if c != ONE]

    @property
    def space(self) -> Dims:
        """Classes of the axes that are not of size 1."""
        return tuple(c for c in self.dims if c != ONE)

    @property
    def half(self) -> bool:
        """Whether it is the first half of a reduction: in memory, results of chunks."""
        return self.kind in ("partial", "part")

    def memory_tags(self) -> Tags:
        """Tags of the value in memory: its leaf's, or row-major."""
        return self.tags if self.tags is not None else contiguous_tags(self.dims, ONE)


@dataclass(slots=True)
class Access:
    """A read of `value` through view steps; `dims` is what the reader sees."""

    value: Value
    moves: tuple[Move, ...]
    dims: Dims

    def tags(self) -> Tags:
        """Tags of the viewed memory; the lowering has made every chain viewable."""
        tags: Tags | None = self.value.memory_tags()
        for name, key, _ in self.moves:
            assert tags is not None
            tags = tags_through(name, key, tags)
        assert tags is not None, "a chain that is no view was not split"
        return tags

    def key(self) -> Any:
        """Equal for accesses that read the same elements in the same places."""
        return (
            self.value.id,
            tuple((n, k, r if n == "slice" else None) for n, k, r in self.moves),
            self.dims,
        )

    def injection(self) -> dict[int, int] | None:
        """Axis of `value` -> axis of the reader, for a chain that only adds, drops or moves axes
        of size 1 or repeats; None when elements move otherwise."""
        at: list[int | None] = [i if c != ONE else None for i, c in enumerate(self.value.dims)]
        for name, key, _ in self.moves:
            if name == "permute":
                at = [at[i] for i in key]
            elif name == "reshape":
                groups, ones = key
                new: list[int | None] = [None] * len(ones)
                for a, b in groups:
                    if len(a) != 1 or len(b) != 1:
                        if any(at[i] is not None for i in a):
                            return None
                        continue
                    new[b[0]] = at[a[0]]
                at = new
            elif name == "slice":
                for kind, source in zip(key[0], at, strict=True):
                    if kind != "f" and source is not None:
                        return None
        out = {source: i for i, source in enumerate(at) if source is not None}
        if len(out) != len(self.value.axes) or list(out) != sorted(out):
            return None
        return out


def reduced(v: Value) -> Dims:
    """Classes of the axes that a reduction of leading axes, or its first half, reduces."""
    dims = v.inputs[0].dims
    return tuple(dims[a] for a in v.attrs if dims[a] != ONE)


def memory_of(v: Value) -> Value:
    """The value whose buffer holds `v`."""
    while True:
        if v.kind == "alias":
            v = v.inputs[0].value
        elif v.store is not None:
            v = v.store.value
        else:
            return v


def viewable(value: Value, moves: tuple[Move, ...]) -> int:
    """How many of the steps are a view of the value's memory."""
    tags = value.memory_tags()
    for done, (name, key, _) in enumerate(moves):
        after = tags_through(name, key, tags)
        if after is None:
            return done
        tags = after
    return len(moves)

"""Groups of values that share a kernel, and how values are read inside one.

Entry: `Group`, `home`, `element_reads`, `carried`. Imports: ir, compiler.values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jitgrad.compiler.values import ONE, Access, Dims, Value
from jitgrad.ir.op import OPS

Positions = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Group:
    """Values computed by one kernel.

    kind: "map", "row", "column", "partial", "combine" (of parts), "matmul" or "routine".
    domain: axis classes iterated over; the first `split` are rows (None: not decided).
    place: value -> domain positions of its axes that are not of size 1.
    """

    id: int
    kind: str
    domain: Dims
    split: int | None
    values: list[Value] = field(default_factory=list)
    place: dict[Value, Positions] = field(default_factory=dict)
    before: int = 0  # bit set of groups this one needs
    reads: set[object] = field(default_factory=set)

    @property
    def product(self) -> Value | None:
        """The matrix product of the group, if it has one."""
        return next((v for v in self.values if v.kind == "matmul"), None)


def trivial(value: Value) -> bool:
    """Cheap to compute again wherever it is read: built from numbers and counters only."""
    if value.kind in ("const", "scalar", "iota"):
        return True
    if value.kind != "map" or value.store is not None or can_fail(value):
        return False
    depth = 0
    stack = [value]
    while stack:
        v = stack.pop()
        depth += 1
        if depth > 24:
            return False
        for a in v.inputs:
            w = a.value
            if w.kind in ("const", "scalar", "iota"):
                continue
            if w.kind == "leaf" and not w.space and not value.space:
                continue
            if w.kind != "map" or can_fail(w) or any(m[0] == "slice" for m in a.moves):
                return False
            if a.injection() is None:
                return False
            stack.append(w)
        if value.space and any(a.injection() is None for a in v.inputs if a.value.kind == "iota"):
            return False
    return True


def can_fail(value: Value) -> bool:
    """Whether the value's op can fail at run time."""
    return value.op in OPS and OPS[value.op].check is not None


def home(v: Value) -> tuple[str, Dims, int | None, Positions]:
    """Kind, domain, split and own positions of a value alone."""
    if v.kind == "reduce":
        dims = v.inputs[0].dims
        domain = tuple(c for c in dims if c != ONE)
        reduced = sum(dims[a] != ONE for a in v.attrs)
        if v.mode == "row":
            k = len(domain) - reduced
            return "row", domain, k, tuple(range(k))
        return "column", domain, reduced, tuple(range(reduced, len(domain)))
    if v.kind == "part":
        domain = tuple(c for c in v.inputs[0].dims if c != ONE)
        return (
            "part",
            domain,
            len(domain) - len(v.space),
            tuple(range(len(domain)))[-len(v.space) :],
        )
    if v.kind == "partial":
        return "partial", tuple(c for c in v.inputs[0].dims if c != ONE), None, ()
    if v.kind in ("matmul", "routine"):
        return v.kind, v.space, None, tuple(range(len(v.space)))
    return "map", v.space, None, tuple(range(len(v.space)))


def late(v: Value) -> bool:
    """Whether the value is complete only when its kernel is."""
    return v.kind in ("partial", "part") or (v.kind == "reduce" and v.mode == "column")


def same_time(a: list[Value], b: list[Value]) -> bool:
    """Whether no value that was copied to be early would wait for one that was not."""
    both = [v for v in a + b if v.kind != "partial"]
    return len({v.mode == "early" for v in both}) < 2


def same_lanes(v: Value, others: list[Value]) -> bool:
    """Whether reductions of leading axes may share their loops: what is kept behind is the same."""
    return all(x.behind == v.behind for x in others if x.kind == v.kind == "reduce")


def element_reads(v: Value, pos: Positions, domain: Dims) -> list[tuple[Access, Positions]]:
    """Operands read element by element, with the domain positions of their axes."""
    if v.kind in ("reduce", "partial", "part"):
        everything = tuple(range(len(domain)))
        return [(a, everything) for a in v.inputs]
    if v.kind == "map":
        return [(a, pos) for a in v.inputs]
    if v.kind == "gather":
        index = v.inputs[1]
        if v.op == "gather":
            return [(index, pos)]
        lead = len(index.dims)
        real = [i for i, c in enumerate(v.dims) if c != ONE]
        return [(index, tuple(p for p, i in zip(pos, real, strict=True) if i < lead))]
    return []


def carried(a: Access, pos: Positions | None) -> Positions | None:
    """Domain positions of the accessed value's axes when the reader's stand at `pos`."""
    if pos is None:
        return None
    if a.value.kind in ("const", "scalar"):
        return ()
    inject = a.injection()
    if inject is None:
        return None
    real = [i for i, c in enumerate(a.dims) if c != ONE]
    rank = {axis: k for k, axis in enumerate(real)}
    return tuple(pos[rank[inject[i]]] for i in a.value.axes)

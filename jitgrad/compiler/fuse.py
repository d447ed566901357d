"""Which values share a kernel.

A group iterates over a domain of axis classes, rows first, then columns. Values join the group of
a producer or of a sibling that reads the same memory when their index maps agree and the group
stays convex (no path leaves it and comes back). Nothing is recognised by name: softmax, layer norm
and cross entropy become one kernel because their reductions share (rows, columns).
Entry: `fuse(graph) -> list[Group]`. Imports: ir, compiler.values.
"""

from __future__ import annotations

from jitgrad.compiler.domains import fit, overlay
from jitgrad.compiler.groups import (
    Group,
    Positions,
    carried,
    element_reads,
    home,
    late,
    same_lanes,
    same_time,
    trivial,
)
from jitgrad.compiler.lower import Graph
from jitgrad.compiler.riding import ride
from jitgrad.compiler.values import Access, Dims, Value

MAX_VALUES = 96  # computed values in a group
EPILOGUE = 2  # operands as large as a matrix product that its epilogue may read
MAX_MEMORY = 40  # distinct loads and stores in a group


class Fusion:
    """State of one fusion."""

    def __init__(
        self, graph: Graph, enabled: bool, epilogues: bool = True, parts: bool = False
    ) -> None:
        self.graph = graph
        self.enabled = enabled
        self.epilogues = epilogues  # may a product's kernel compute what follows it
        self.parts = enabled and parts  # may other kernels make reductions of leading axes
        self.groups: dict[int, Group] = {}
        self.of: dict[Value, Group] = {}
        self.made = 0
        self.weight: dict[Value, bool] = {}
        self.uses: dict[Value, int] = {}
        self.outputs = set(graph.outputs)
        self.trivial = {v for v in graph.values if trivial(v)}
        for v in graph.values:
            for a in v.inputs:
                self.uses[a.value] = self.uses.get(a.value, 0) + 1
        for v in graph.outputs:
            self.uses[v] = self.uses.get(v, 0) + 1
        self.live = self._live()
        self.read_by: dict[Value, list[Value]] = {}
        for v in graph.values:
            if v in self.live:
                for a in v.inputs:
                    self.read_by.setdefault(a.value, []).append(v)

    def _live(self) -> set[Value]:
        seen: set[Value] = set()
        stack = list(self.graph.outputs)
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            stack.extend(a.value for a in v.inputs)
            stack.extend(v.after)
            if v.store is not None:
                stack.append(v.store.value)
        return seen

    # -- the walk -------------------------------------------------------------------------------

    def run(self) -> list[Group]:
        stored = self._stored_uses()
        for v in self.order_of_placing():
            if v not in self.live or v.kind in ("leaf", "const", "scalar", "iota", "empty"):
                continue
            if v.kind == "alias" or (v.kind == "partial" and self.short(v)):
                continue
            if v.kind == "combine" and self.short(v.inputs[0].value):
                v.inputs = v.inputs[0].value.inputs
            if v in self.trivial and v not in self.outputs and v not in stored:
                continue
            self.place(v)
        if self.parts:
            ride(self)
        return self.ordered()

    def order_of_placing(self) -> list[Value]:
        """Values, but reductions of leading axes and what needs them last: by then the kernels over
        rows that may begin them are known."""
        if not self.parts:
            return self.graph.values
        last: set[Value] = set()
        for v in self.graph.values:
            if (v.kind == "reduce" and v.mode == "column") or not last.isdisjoint(waits(v)):
                last.add(v)
        return sorted(self.graph.values, key=lambda v: v in last)

    def short(self, part: Value) -> bool:
        """Whether a reduction to one element runs over the row values of a kernel: they are few,
        so the second half of the reduction reads them all and the first half is left out."""
        if part.kind != "partial":
            return False
        access = part.inputs[0]
        group = self.of.get(access.value)
        if group is None or group.kind not in ("row", "map"):
            return False
        flat = all(t in ("1", "c", "u") for t in access.tags())
        return flat and len(group.place[access.value]) < len(group.domain)

    def _stored_uses(self) -> set[Value]:
        """Trivial values that some reader needs in memory."""
        return {
            a.value
            for w in self.graph.values
            if w in self.live
            for k, a in enumerate(w.inputs)
            if a.value in self.trivial
            and (
                w.kind in ("matmul", "routine", "alias")
                or (w.kind == "gather" and k == 0)
                or a.injection() is None
            )
        }

    def place(self, v: Value) -> None:
        """Put `v` into the best group it may join, or into a new one."""
        kind, domain, split, pos = home(v)
        needs = self.needs(v)
        if self.parts and kind == "column" and self.halve(v, needs):
            return
        if self.enabled and v.kind in ("map", "gather", "reduce", "partial", "combine"):
            for group in self.candidates(v):
                if self.join(v, group, kind, domain, split, pos, needs):
                    self.absorb(v, group)
                    return
        group = Group(self.made, kind, domain, split)
        self.made += 1
        self.groups[group.id] = group
        self.add(v, group, pos, needs)
        if self.enabled:
            self.absorb(v, group)

    def halve(self, v: Value, needs: list[Group]) -> bool:
        """Whether a kernel over rows, which computes or reads the operand of `v`, now begins it."""
        if v.behind != v.space:
            return False
        number = len(self.graph.values) + self.made
        part = Value(
            number, "part", v.op, v.dtype, v.dims, v.inputs, v.attrs, v.source, behind=v.behind
        )
        kind, domain, split, pos = home(part)
        for group in self.candidates(v):
            if self.leaves(v.inputs[0].value, group, v):
                continue
            if group.kind == "row" and self.join(part, group, kind, domain, split, pos, needs):
                v.kind, v.inputs = "combine", [Access(part, (), ())]
                rest = Group(self.made, "combine", v.space, None)
                self.made += 1
                self.groups[rest.id] = rest
                self.add(v, rest, tuple(range(len(v.space))), [group])
                return True
        return False

    def leaves(self, operand: Value, group: Group, v: Value) -> bool:
        """Whether `group` writes the operand of `v` into memory anyway, for something else."""
        if self.of.get(operand) is not group:
            return False
        inside = {v, *group.values}
        others = [r for r in self.readers(operand) if r not in inside]
        return operand in self.outputs or any(home(r)[0] != "column" for r in others)

    def needs(self, v: Value) -> list[Group]:
        """Groups whose results `v` reads, trivial values looked through."""
        out: dict[int, Group] = {}
        stack = [a.value for a in v.inputs] + list(v.after)
        if v.store is not None:
            stack.append(v.store.value)
        seen: set[Value] = set()
        while stack:
            w = stack.pop()
            if w in seen:
                continue
            seen.add(w)
            group = self.of.get(w)
            if group is not None:
                out[group.id] = group
            elif w.kind == "alias":  # the stores of the last write wait for those before
                stack.extend(w.after)
            else:
                stack.extend(a.value for a in w.inputs)
        return list(out.values())

    def candidates(self, v: Value) -> list[Group]:
        """Groups of producers, newest first, then groups that read what `v` reads."""
        found: dict[int, Group] = {}
        for a in v.inputs:
            for w in self._behind(a.value):
                group = self.of.get(w)
                if group is not None:
                    found[group.id] = group
        first = sorted(found.values(), key=lambda g: (g.kind == "map", -g.id))
        keys = {a.key() for a in v.inputs if a.value.space}
        rest = [
            g
            for g in self.groups.values()
            if g.id not in found and g.kind in ("map", "row", "partial") and g.reads & keys
        ]
        return first + rest[::-1]

    def _behind(self, w: Value) -> list[Value]:
        if w not in self.trivial or w in self.of:
            return [w]
        return [x for a in w.inputs for x in self._behind(a.value)]

    # -- joining --------------------------------------------------------------------------------

    def join(
        self,
        v: Value,
        group: Group,
        kind: str,
        domain: Dims,
        split: int | None,
        pos: Positions,
        needs: list[Group],
    ) -> bool:
        if len(group.values) >= MAX_VALUES or len(group.reads) >= MAX_MEMORY:
            return False
        if not same_time([v], group.values) or not same_lanes(v, group.values):
            return False
        if not group.domain and self.delays(group, needs, {v}):
            return False
        if group.product is not None and self.heavy(group.product):
            return False
        bit = 1 << group.id
        if any(p is not group and p.before & bit for p in needs):
            return False
        private = all(self.uses.get(w, 0) == 1 and w not in self.outputs for w in group.values)
        where = fit(group, kind, domain, split, pos, private)
        if where is None:
            return False
        new_kind, new_domain, new_split, new_pos = where
        # every value of the group that v reads must be read element by element
        for a, where_read in element_reads(v, new_pos, new_domain):
            for x, at in self.flows(a, where_read):
                if self.of.get(x) is group and (late(x) or at is None or at != group.place[x]):
                    return False
        if v.kind == "gather" and self.of.get(v.inputs[0].value) is group:
            return False
        if v.store is not None and self.of.get(v.store.value) is group:
            return False
        if any(self.of.get(x) is group for x in self.waits_for(v)):
            return False
        group.kind, group.domain, group.split = new_kind, new_domain, new_split
        self.add(v, group, new_pos, needs)
        return True

    def delays(self, group: Group, needs: list[Group], friends: set[Value]) -> bool:
        """Whether numbers of `group` that others read would have to wait for `needs` as well."""
        gained = 0
        for p in needs:
            gained |= p.before | (1 << p.id if p.domain else 0)
        if not gained & ~group.before & ~(1 << group.id):
            return False
        inside = friends | set(group.values)
        return any(r not in inside for x in group.values for r in self.readers(x))

    def heavy(self, product: Value) -> bool:
        """Whether the elementwise work behind a matrix product streams so many operands of its
        size (an optimizer's update, say) that it is better off as a kernel of its own."""
        if not self.epilogues:
            return True
        found = self.weight.get(product)
        if found is None:
            operands: set[Value] = set()
            seen = {product}
            stack = [product]
            while stack:
                for r in self.readers(stack.pop()):
                    if r.kind != "map" or r in seen or r.space != product.space:
                        continue
                    seen.add(r)
                    stack.append(r)
            inside = set(seen)
            stack = [a.value for r in seen - {product} for a in r.inputs]
            while stack:
                w = stack.pop()
                if w in inside or w in self.trivial or w.space != product.space:
                    continue
                inside.add(w)
                if w.kind == "map":
                    stack += [a.value for a in w.inputs]
                else:
                    operands.add(w)
            found = self.weight[product] = len(operands) > EPILOGUE
        return found

    def flows(self, a: Access, pos: Positions | None) -> list[tuple[Value, Positions | None]]:
        """Non-trivial values behind an access with the domain positions they are read at."""
        at = carried(a, pos)
        w = a.value
        if w in self.trivial and w not in self.of:
            out = []
            for b in w.inputs:
                out += self.flows(b, at)
            return out
        return [(w, at)]

    def add(self, v: Value, group: Group, pos: Positions, needs: list[Group]) -> None:
        group.values.append(v)
        group.place[v] = pos
        self.of[v] = group
        for a in v.inputs:
            if a.value.space and self.of.get(a.value) is not group:
                group.reads.add(a.key())
        self.order(group, needs)

    def order(self, group: Group, needs: list[Group]) -> None:
        gained = 0
        for p in needs:
            if p is not group:
                gained |= p.before | (1 << p.id)
        if gained & ~group.before:
            group.before |= gained
            bit = 1 << group.id
            for other in self.groups.values():
                if other.before & bit:
                    other.before |= group.before

    # -- merging groups -------------------------------------------------------------------------

    def absorb(self, v: Value, group: Group) -> None:
        """Merge groups of v's other producers into v's group where that is legal."""
        for a, at_v in element_reads(v, group.place[v], group.domain):
            for w, at in self.flows(a, at_v):
                other = self.of.get(w)
                if other is None or other is group or at is None:
                    continue
                self.merge(other, group, w, at)

    def merge(self, a: Group, b: Group, through: Value, at: Positions) -> bool:
        """Move the values of `a` into `b`; `through` (in a) is read by b at positions `at`."""
        movable = ("map", "row", "partial")
        if a.kind not in movable or b.kind not in (*movable, "column", "matmul"):
            return False
        if len(a.values) + len(b.values) > MAX_VALUES or len(a.reads | b.reads) > MAX_MEMORY:
            return False
        if not same_time(a.values, b.values):
            return False
        if not a.domain and self.delays(a, [b], set(b.values)):
            return False
        if b.product is not None:
            alike = a.kind == "map" and a.domain == b.domain and a.split is None
            if not alike or self.heavy(b.product):
                return False
        bit_a, bit_b = 1 << a.id, 1 << b.id
        for h in self.groups.values():
            if h is a or h is b:
                continue
            bit = 1 << h.id
            if (b.before & bit and h.before & bit_a) or (a.before & bit and h.before & bit_b):
                return False
        if any(x.store is not None for x in a.values + b.values) and a.kind != "map":
            return False
        plan = overlay(a, b, a.place[through], at)
        if plan is None:
            return False
        kind, domain, split, shift_a, shift_b = plan
        place = {x: tuple(shift_a[p] for p in pos) for x, pos in a.place.items()}
        place.update({x: tuple(shift_b[p] for p in pos) for x, pos in b.place.items()})
        if not self.consistent(a.values + b.values, place, domain):
            return False
        if kind == "column" and any(
            self.uses.get(x, 0)
            != sum(self.of.get(r) is b or self.of.get(r) is a for r in self.readers(x))
            or x in self.outputs
            for x in a.values
            if len(place[x]) != len(domain)
        ):
            return False
        b.values = sorted(a.values + b.values, key=lambda x: x.id)
        b.kind, b.domain, b.split, b.place = kind, domain, split, place
        b.reads |= a.reads
        for x in a.values:
            self.of[x] = b
        del self.groups[a.id]
        b.before = (a.before | b.before) & ~(bit_a | bit_b)
        for h in self.groups.values():
            if h is not b and h.before & (bit_a | bit_b):
                h.before = (h.before & ~bit_a) | bit_b | b.before
        return True

    def readers(self, x: Value) -> list[Value]:
        """Live values that read `x`, one entry a read."""
        return self.read_by.get(x, [])

    def consistent(self, values: list[Value], place: dict[Value, Positions], domain: Dims) -> bool:
        """Whether every value is read at the positions it is computed at."""
        members = set(values)
        for v in values:
            for a, at_v in element_reads(v, place[v], domain):
                for w, at in self.flows(a, at_v):
                    if w in members and (late(w) or at is None or at != place[w]):
                        return False
            if any(x in members for x in self.waits_for(v)):
                return False
            for w in self.whole_reads(v):
                if w in members:
                    return False
        return True

    def waits_for(self, v: Value) -> list[Value]:
        """Values that must be complete before `v` starts, though it does not read them: the stores
        into the memory it reads among them."""
        out = list(v.after)
        stack = [a.value for a in v.inputs]
        while stack:
            w = stack.pop()
            if w.kind == "alias":
                out += w.after
            elif w in self.trivial and w not in self.of:
                stack += [a.value for a in w.inputs]
        return out

    def whole_reads(self, v: Value) -> list[Value]:
        """Values that must be complete in memory before `v` starts."""
        if v.kind in ("matmul", "routine", "combine"):
            stack = [a.value for a in v.inputs]
        elif v.kind == "gather":
            stack = [v.inputs[0].value]
        else:
            return []
        out = []
        while stack:
            w = stack.pop()
            if w in self.trivial and w not in self.of:
                stack += [a.value for a in w.inputs]
            else:
                out.append(w)
        return out

    def ordered(self) -> list[Group]:
        """Groups, each after what it needs; ties by first value, so that the order is stable."""
        for g in self.groups.values():
            g.values.sort(key=lambda v: v.id)
        needs = {
            g: {p for v in g.values for p in self.needs(v) if p is not g}
            for g in self.groups.values()
        }
        out: list[Group] = []
        done: set[Group] = set()
        left = sorted(self.groups.values(), key=lambda g: g.values[-1].id)
        while left:
            ready = [g for g in left if needs[g] <= done]
            assert ready, "the groups form a cycle"
            done.update(ready)
            out += ready
            left = [g for g in left if g not in done]
        return out


def waits(v: Value) -> list[Value]:
    """Values that come before `v`."""
    into = [v.store.value] if v.store is not None else []
    return [*(a.value for a in v.inputs), *v.after, *into]


def fuse(graph: Graph, enabled: bool = True) -> list[Group]:
    """Groups in an order in which they can run."""
    return Fusion(graph, enabled).run()

"""Faults planted in jitgrad, to see that random programs find each. Entry: `FAULTS`.

Each is a context manager that makes one mistake somewhere between recording and running, of the
kind that compilers have been known to make.
"""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

from jitgrad.compiler import layout, lower, products, rules, schedule, snapshot
from jitgrad.frontend import composing, operands, storage, tape
from jitgrad.ir import apply
from jitgrad.runtime import bind, build, flush

FAULTS = {}


def fault(fn):
    """Register a planted fault; what was recorded before it, and under it, is forgotten."""

    @contextmanager
    def planted():
        _forget()
        try:
            with contextmanager(fn)():
                yield
        finally:
            _forget()

    FAULTS[fn.__name__.replace("_", " ")] = planted
    return planted


def _forget():
    """What composed functions recorded, what was scheduled, what was built."""
    composing.forget()
    flush.forget()
    build.forget()


@fault
def a_dropped_cast():
    """float64 to float32 is taken for nothing."""

    def careless(node, reads):
        pair = (reads[0].value.dtype.name, node.dtype.name)
        return reads[0] if pair == ("float64", "float32") else None

    with mock.patch.dict(rules.RULES, cast=[("careless", careless), *rules.RULES["cast"]]):
        yield


@fault
def a_swapped_view():
    """A permuted view takes the strides of the inverse permutation."""
    replay = layout.replay

    def careless(view, steps):
        back = []
        for name, attrs in steps:
            if name == "permute":
                order = [0] * len(attrs[0])
                for i, axis in enumerate(attrs[0]):
                    order[axis] = i
                shape, _, _ = replay(view, [*back, (name, attrs)])
                other, strides, offset = replay(view, [*back, (name, (tuple(order),))])
                if sorted(other) == sorted(shape):
                    view, back = (shape, strides, offset), []
                    continue
            view, back = replay(view, [(name, attrs)]), []
        return view

    with mock.patch.object(bind, "replay", careless):
        yield


@fault
def a_wrong_epilogue():
    """What follows a matrix product reads its first column only."""
    lines = products.epilogue_lines

    def careless(w, v, epilogue, m, n):
        return [
            text.split(" + ")[0] + "]" if "panel[line *" in text else text
            for text in lines(w, v, epilogue, m, n)
        ]

    with mock.patch.object(products, "epilogue_lines", careless):
        yield


@fault
def a_missed_write_ordering():
    """A store through a view does not wait for the memory it stores into to be filled."""
    needs = schedule.Fusion.needs

    def careless(self, v):
        found = needs(self, v)
        return [] if v.store is not None else found

    with mock.patch.object(schedule.Fusion, "needs", careless):
        yield


@fault
def two_draws_taken_for_one():
    """Random numbers of one shape are a common subexpression."""
    leaf = lower.Lowering.leaf

    def careless(self, i, node):
        if node.op.name != "uniform":
            return leaf(self, i, node)
        return self.value("random", node.op.name, node.dtype, self.dims[i], [], None, i)

    with mock.patch.object(lower.Lowering, "leaf", careless):
        yield


@fault
def a_number_in_the_wrong_slot():
    """The user's numbers of one dtype are a common subexpression."""
    leaf = lower.Lowering.leaf

    def careless(self, i, node):
        if node.op.name != "scalar":
            return leaf(self, i, node)
        return self.value("scalar", "scalar", node.dtype, (), [], None, i)

    with mock.patch.object(lower.Lowering, "leaf", careless):
        yield


@fault
def a_wrong_reduction_chunk():
    """The last chunk of a reduction is left out when it is not full."""
    number = bind.Bound.number

    def careless(self, spec):
        found = number(self, spec)
        return max(1, found - 1) if spec[0] == "chunks" else found

    with mock.patch.object(bind.Bound, "number", careless):
        yield


@fault
def a_broadcast_stride_mix_up():
    """An expanded axis is thought to merge with the axis before it."""
    with mock.patch.object(layout, "_break_before", lambda out, tags, axis: None):
        yield


@fault
def a_gradient_lost_for_an_operand_used_twice():
    """Of two gradients for the same tensor only the first arrives."""
    backward = tape.Edge.backward

    def careless(self, g, create):
        out = backward(self, g, create)
        if type(out) is tuple and len(out) == 2 and self.inputs[0] is self.inputs[1]:
            return out[0], None
        return out

    with mock.patch.object(tape.Edge, "backward", careless):
        yield


@fault
def a_stale_view_after_a_write():
    """A view remembers what it saw first."""
    read = storage.Storage.read
    seen = {}

    def careless(self, chain, site):
        if not chain or self.node is None:
            return read(self, chain, site)
        key = id(self), chain
        if key not in seen or seen[key][0] is not self:
            seen[key] = self, read(self, chain, site)
        return seen[key][1]

    with mock.patch.object(storage.Storage, "read", careless):
        yield


@fault
def a_wrong_promotion():
    """A tensor without dimensions counts as much as one with them."""
    result_type = apply.dt.result_type

    def careless(dims, scalars, numbers):
        return result_type([*dims, *scalars], [], numbers)

    operands.DTYPES_OF.clear()
    with mock.patch.object(apply.dt, "result_type", careless):
        yield
    operands.DTYPES_OF.clear()


@fault
def memory_given_away_too_early():
    """A temporary's room is reused one step before its last reader has run."""
    uses = schedule.uses

    def careless(steps, outputs):
        first, last = uses(steps, outputs)
        return first, {v: max(first[v], k - 1) for v, k in last.items()}

    with mock.patch.object(schedule, "uses", careless):
        yield


@fault
def a_slice_that_starts_elsewhere():
    """Where a slice starts is taken for a constant: the first of its kind decides."""
    starts = {}
    replay = layout.replay

    def careless(view, steps):
        out = []
        for name, attrs in steps:
            if name == "slice":
                key = (attrs[1], attrs[2])
                first = starts.setdefault(key, attrs[0])
                attrs = (first, *attrs[1:])
            out.append((name, attrs))
        return replay(view, out)

    with mock.patch.object(bind, "replay", careless):
        yield


@fault
def a_key_without_dtypes():
    """Programs that differ in dtypes alone share their kernels."""
    take = snapshot.take

    def careless(*args, **options):
        snap = take(*args, **options)
        parts, *rest = snap.key
        snap.key = (tuple((p[0], *p[2:]) for p in parts), *rest)
        return snap

    with mock.patch.object(snapshot, "take", careless):
        yield

"""What the graph tells about signs, whatever the numbers are: `nonpositive(access)`.

x - max(x), -|x| and -x * x are at most 0, or NaN; exponentials of them are made with less. A cast
tells nothing, so that integers, whose products may wrap, do not come in.
Imports: compiler.values.
"""

from __future__ import annotations

from collections.abc import Sequence

from jitgrad.compiler.values import Access, Value

_NONNEGATIVE = frozenset(["abs", "exp", "sqrt", "sigmoid"])
Sides = tuple[bool, bool]  # whether no element is above 0, and whether none is below


def nonpositive(a: Access) -> bool:
    """Whether no element of `a` is above 0; they may be NaN."""
    known: dict[Value, Sides] = {}  # each value once: products may share their factors
    stack = [a.value]
    while stack:
        v = stack[-1]
        new = [x.value for x in _factors(v) if x.value not in known]
        stack += new
        if not new:
            known[stack.pop()] = _sides(v, known)
    return known[a.value][0]


def _factors(v: Value) -> Sequence[Access]:
    """The operands whose signs decide that of `v`."""
    return v.inputs if v.kind == "map" and v.op in ("neg", "mul") else ()


def _sides(v: Value, known: dict[Value, Sides]) -> Sides:
    if v.kind == "const":
        return bool(v.attrs[0] <= 0), bool(v.attrs[0] >= 0)
    if v.kind != "map":
        return False, False
    if v.op == "neg":
        return known[v.inputs[0].value][::-1]
    if v.op == "mul":
        x, y = v.inputs
        if x.key() == y.key():
            return False, True
        if _negated(x, y) or _negated(y, x):
            return True, False
        (down, up), (low, high) = known[x.value], known[y.value]
        return (down and high) or (up and low), (up and high) or (down and low)
    return v.op == "sub" and _largest(v.inputs[1], v.inputs[0]), v.op in _NONNEGATIVE


def _negated(x: Access, y: Access) -> bool:
    """Whether `x` is -y."""
    return x.value.op == "neg" and not x.moves and x.value.inputs[0].key() == y.key()


def _largest(at: Access, x: Access) -> bool:
    """Whether each element of `at` is the maximum of numbers among which is that of `x`."""
    m = at.value
    if m.kind == "combine" and m.inputs[0].value.kind == "partial":
        m = m.inputs[0].value  # of all elements
    if m.kind not in ("reduce", "partial") or m.op != "max" or m.inputs[0].key() != x.key():
        return False
    along = at.injection()
    return along is not None and all(here == there for here, there in along.items())

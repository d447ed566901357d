"""What the graph tells about signs, whatever the numbers are: `nonpositive(access)`.

x - max(x), -|x| and -x * x are at most 0, or NaN; exponentials of them are made with less.
Imports: compiler.values.
"""

from __future__ import annotations

from jitgrad.compiler.values import Access


def nonpositive(a: Access) -> bool:
    """Whether no element of `a` is above 0; they may be NaN."""
    v = a.value
    if v.kind == "const":
        return bool(v.attrs[0] <= 0)
    if v.kind != "map":
        return False
    if v.op == "neg":
        return nonnegative(v.inputs[0])
    if v.op == "mul":
        x, y = v.inputs
        return _opposite(x, y) or _opposite(y, x)
    return v.op == "sub" and _largest(v.inputs[1], v.inputs[0])


def nonnegative(a: Access) -> bool:
    """Whether no element of `a` is below 0; they may be NaN."""
    v = a.value
    if v.kind == "const":
        return bool(v.attrs[0] >= 0)
    if v.kind != "map":
        return False
    if v.op == "mul":
        x, y = v.inputs
        return x.key() == y.key() or (nonnegative(x) and nonnegative(y))
    return v.op in ("abs", "exp", "sqrt", "sigmoid")


def _opposite(x: Access, y: Access) -> bool:
    """Whether one is at most 0 and the other at least, or they are -y and y."""
    if x.value.op == "neg" and not x.moves and x.value.inputs[0].key() == y.key():
        return True
    return nonpositive(x) and nonnegative(y)


def _largest(at: Access, x: Access) -> bool:
    """Whether each element of `at` is the maximum of numbers among which is that of `x`."""
    m = at.value
    if m.kind == "combine" and m.inputs[0].value.kind == "partial":
        m = m.inputs[0].value  # of all elements
    if m.kind not in ("reduce", "partial") or m.op != "max" or m.inputs[0].key() != x.key():
        return False
    along = at.injection()
    return along is not None and all(here == there for here, there in along.items())

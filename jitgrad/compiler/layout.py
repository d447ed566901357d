"""View algebra, twice: symbolic tags that decide what code is written, numbers that feed it.

A *tag* says what is known of one axis's stride:
    "1"  size 1: the stride does not matter
    "0"  stride 0 (broadcast)
    "u"  stride 1
    "c"  stride = size * stride of the next axis that is not of size 1 (the two merge)
    "s"  any stride of at least 1
    "n"  any stride, negative too
Entry: `tags_through` (symbolic) and `replay` (numbers). Imports nothing of jitgrad.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tags = tuple[str, ...]
Shape = tuple[int, ...]
# A view step: (op name, static key, where its numbers are at run time).
Move = tuple[str, Any, Any]


def contiguous_tags(shape: Sequence[Any], one: Any = 1) -> Tags:
    """Tags of row-major memory; `one` is what marks a size of 1 in `shape`."""
    out = []
    last = True
    for n in reversed(shape):
        if n == one:
            out.append("1")
        else:
            out.append("u" if last else "c")
            last = False
    return tuple(reversed(out))


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    out = []
    step = 1
    for n in reversed(shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


def numeric_tags(shape: Shape, strides: Sequence[int]) -> Tags:
    """Tags of memory with the given strides."""
    out: list[str] = []
    chain = None  # size * stride of the next axis
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n == 1:
            out.append("1")
            continue
        if s == 0:
            out.append("0")
        elif chain is not None and s == chain:
            out.append("c")
        else:
            out.append("u" if s == 1 else "s" if s > 0 else "n")
        chain = n * s
    return tuple(reversed(out))


def reshape_groups(old: Shape, new: Shape) -> tuple[tuple[Shape, Shape], ...]:
    """Minimal groups of axes (none of size 1) of `old` and `new` with equal products, in order;
    none where there are no elements."""
    a = [i for i, n in enumerate(old) if n != 1]
    b = [i for i, n in enumerate(new) if n != 1]
    if 0 in old:
        return ()
    out = []
    i = j = 0
    while i < len(a) and j < len(b):
        p, q = old[a[i]], new[b[j]]
        i0, j0 = i, j
        while p != q:
            if p < q:
                i += 1
                p *= old[a[i]]
            else:
                j += 1
                q *= new[b[j]]
        i, j = i + 1, j + 1
        out.append((tuple(a[i0:i]), tuple(b[j0:j])))
    return tuple(out)


def slice_key(shape: Shape, starts: Shape, steps: Shape, sizes: Shape) -> Tags:
    """Per axis: "f" the whole axis, "p" a part of it at step 1, "s" other steps, "n" negative."""
    return tuple(
        "f" if (s == 0 and k == 1 and m == n) else "p" if k == 1 else "s" if k > 0 else "n"
        for n, s, k, m in zip(shape, starts, steps, sizes, strict=True)
    )


def move_key(name: str, attrs: tuple[Any, ...], old: Shape, new: Shape) -> Any:
    """The part of a view step that code depends on; its numbers are read at run time."""
    if name == "permute":
        return attrs[0]
    if name == "expand":
        return tuple(a != b for a, b in zip(old, new, strict=True))
    if name == "reshape":
        return (reshape_groups(old, new), tuple(n == 1 for n in new))
    key = slice_key(old, *attrs)
    return (key, tuple(n == 1 for n in new))


def _alone(tags: Tags, axis: int) -> str:
    """The tag of an axis that is no longer chained to the next one: it keeps its direction."""
    if tags[axis] != "c":
        return tags[axis]
    chained = next((t for t in tags[axis + 1 :] if t not in "1c"), "s")
    return "n" if chained == "n" else "s"


def _break_before(out: list[str], tags: Tags, axis: int) -> None:
    """The nearest axis before `axis` that is not of size 1 no longer chains to it."""
    for i in range(axis - 1, -1, -1):
        if out[i] != "1":
            if out[i] == "c":
                out[i] = _alone(tags, i)
            return


def tags_through(name: str, key: Any, tags: Tags) -> Tags | None:
    """Tags after one view step; None when a reshape cannot be a view of such memory."""
    if name == "permute":
        real = [i for i, t in enumerate(tags) if t != "1"]
        after = dict(zip(real, [*real[1:], -1][: len(real)], strict=True))
        order = [i for i in key if tags[i] != "1"]
        follow = dict(zip(order, [*order[1:], -1][: len(order)], strict=True))
        return tuple(
            _alone(tags, i) if tags[i] == "c" and follow[i] != after[i] else tags[i] for i in key
        )
    if name == "expand":
        out = list(tags)
        for i, grown in enumerate(key):
            if grown:
                out[i] = "0"
                _break_before(out, tags, i)
        return tuple(out)
    if name == "reshape":
        groups, ones = key
        if not groups:  # no elements, or one: any view is one of row-major memory
            return contiguous_tags(ones, True)
        out = ["1"] * len(ones)
        for old, new in groups:
            head, last = [tags[i] for i in old[:-1]], tags[old[-1]]
            if any(t != "c" for t in head) and not (last == "0" and all(t == "0" for t in head)):
                return None
            for i in new[:-1]:
                out[i] = "0" if last == "0" else "c"
            out[new[-1]] = last
        return tuple(out)
    out = list(tags)
    kinds, ones = key
    for i, kind in enumerate(kinds):
        if kind == "f" or out[i] == "1":
            continue
        if kind in "sn" and out[i] != "0":
            out[i] = "n" if _alone(tags, i) == "n" else kind
        _break_before(out, tags, i)
    for i, one in enumerate(ones):
        if one:
            if out[i] != "1":
                _break_before(out, tags, i)
            out[i] = "1"
    return tuple(out)


View = tuple[Shape, tuple[int, ...], int]  # shape, strides, offset (elements)


def replay(view: View, steps: Sequence[tuple[str, tuple[Any, ...]]]) -> View:
    """Numbers of a chain of view steps over memory."""
    shape, strides, offset = view
    memory = 0 not in shape
    for name, attrs in steps:
        if name == "permute":
            order = attrs[0]
            shape = tuple(shape[i] for i in order)
            strides = tuple(strides[i] for i in order)
        elif name == "expand":
            new = attrs[0]
            strides = tuple(s if a == b else 0 for s, a, b in zip(strides, shape, new, strict=True))
            shape = new
        elif name == "reshape":
            strides = _reshape_strides(shape, strides, attrs[0])
            shape = attrs[0]
        else:
            starts, jumps, sizes = attrs
            if memory:  # an empty axis may start at its end, outside of the memory
                moved = zip(starts, strides, sizes, strict=True)
                offset += sum(a * s for a, s, n in moved if n)
            strides = tuple(k * s for k, s in zip(jumps, strides, strict=True))
            shape = sizes
    return shape, strides, offset


def _reshape_strides(old: Shape, strides: tuple[int, ...], new: Shape) -> tuple[int, ...]:
    if 0 in old:
        return contiguous_strides(new)
    out = [0] * len(new)
    for a, b in reshape_groups(old, new):
        step = strides[a[-1]]
        for i in reversed(b):
            out[i] = step
            step *= new[i]
    return tuple(out)

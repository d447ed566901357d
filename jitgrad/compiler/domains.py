"""How iteration domains combine when values or groups join.

Entry: `fit` (a value joins a group), `overlay` (two groups become one). Imports: compiler.groups.
"""

from __future__ import annotations

from jitgrad.compiler.groups import Group, Positions
from jitgrad.compiler.values import Dims

Overlay = tuple[str, Dims, int | None, dict[int, int], dict[int, int]]


def fit(
    group: Group, kind: str, domain: Dims, split: int | None, pos: Positions, private: bool
) -> tuple[str, Dims, int | None, Positions] | None:
    """How `group` would look with one more value: kind, domain, split, the value's positions.

    `private`: nothing outside the new value reads what the group computes.
    """
    if group.kind in ("routine", "combine") or kind in ("routine", "matmul"):
        return None
    if kind == "map":
        if domain == group.domain:
            return group.kind, group.domain, group.split, pos
        if group.kind in ("row", "map") and group.split is not None:
            rows = group.domain[: group.split]
            if domain == rows and rows:
                return group.kind, group.domain, group.split, pos
        # a row value's readers: its group grows columns
        if (
            group.kind == "map"
            and group.split is None
            and group.domain
            and (len(domain) > len(group.domain) and domain[: len(group.domain)] == group.domain)
        ):
            return "map", domain, len(group.domain), pos
        return None
    if kind == "row":
        if (
            group.kind in ("map", "row")
            and group.domain == domain
            and (group.split in (None, split))
        ):
            return "row", domain, split, pos
        if (
            group.kind == "map"
            and group.split is None
            and group.domain
            and (group.domain == domain[:split])
        ):
            return "row", domain, split, pos
        return None
    if kind == "part":
        if group.kind == "row" and group.domain == domain and group.split == split:
            return "row", domain, split, pos
        return None
    if kind == "partial":
        if group.kind in ("map", "partial") and group.domain == domain and group.split is None:
            return "partial", domain, None, pos
        return None
    if kind == "column":
        if group.kind == "column" and group.domain == domain and group.split == split:
            return "column", domain, split, pos
        if group.kind == "map" and group.domain == domain and group.split is None and private:
            return "column", domain, split, pos
        return None
    return None


def overlay(a: Group, b: Group, own: Positions, at: Positions) -> Overlay | None:
    """One domain for both groups: positions of a's axes and of b's axes in it."""
    link = dict(zip(own, at, strict=True))
    extra = [p for p in range(len(a.domain)) if p not in link]
    identity_b = {p: p for p in range(len(b.domain))}
    if not extra:
        if any(y <= x for x, y in zip(at, at[1:], strict=False)):
            return None
        if a.domain == b.domain:
            if a.split is not None and b.split is not None and a.split != b.split:
                return None
            kinds = {a.kind, b.kind} - {"map"}
            if len(kinds) > 1:
                return None
            if kinds == {"partial"} and (a.split, b.split) != (None, None):
                return None
            kind = kinds.pop() if kinds else "map"
            if kind == "column" and a.split is not None:
                return None
            split = b.split if b.split is not None else a.split
            return kind, b.domain, split, link, identity_b
        # a is of fewer axes: scalars anywhere if nothing is stored, else whole rows
        if not a.domain:
            return None
        if at != tuple(range(len(at))) or a.kind != "map" or a.split is not None:
            return None
        if b.kind == "row" and b.split == len(at):
            return "row", b.domain, b.split, link, identity_b
        if b.kind == "map" and b.split in (None, len(at)):
            return "map", b.domain, len(at), link, identity_b
        return None
    # a reduces: its columns meet b's remaining axes
    if a.kind != "row" or a.split is None or own != tuple(range(a.split)):
        return None
    if at != tuple(range(a.split)):
        return None
    rest = b.domain[a.split :]
    if rest == a.domain[a.split :] and b.kind in ("map", "row") and b.split in (None, a.split):
        return "row", b.domain, a.split, {p: p for p in range(len(a.domain))}, identity_b
    if not rest and b.kind == "map" and b.split is None:
        return "row", a.domain, a.split, {p: p for p in range(len(a.domain))}, identity_b
    return None

"""Do two recordings describe one program? If not, where do they part?

Entry: `difference(a, b)`. Imports: recordings.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.recording import Recording
from jitgrad.ir.node import Node


def difference(a: Recording, b: Recording) -> tuple[str, str, str] | None:
    """None, or (where and what, in the first, in the second)."""
    wires = a.wiring, b.wiring
    for i, (x, y) in enumerate(zip(a.facts, b.facts, strict=False)):
        if x != y or wires[0][i] != wires[1][i]:
            file, line, note = b.order[i].site
            where = f"{file}:{line}" + (f" ({note})" if note else "")
            return where, _text(x, a.order[i]), _text(y, b.order[i])
    if len(a.facts) != len(b.facts):
        longer = a if len(a.facts) > len(b.facts) else b
        file, line, _ = longer.order[min(len(a.facts), len(b.facts))].site
        return f"{file}:{line}", f"{len(a.facts)} operations", f"{len(b.facts)} operations"
    for what, x, y in (
        ("the tensors it reads", _sources(a), _sources(b)),
        ("what it returns", _shape(a.result), _shape(b.result)),
        ("the tensors it makes", [t.key() for t in a.tensors], [t.key() for t in b.tensors]),
        ("their values", _values([v for v, *_ in a.stores]),
         _values([v for v, *_ in b.stores])),
        ("what it writes", [(i, *_values([v])) for i, v, _ in a.writes],
         [(i, *_values([v])) for i, v, _ in b.writes]),
        ("the gradients it leaves", _boxes(a), _boxes(b)),
        ("the history of its results", _history(a), _history(b)),
        ("its random draws", _draws(a), _draws(b)),
        ("its host numbers", len(a.capture.events), len(b.capture.events)),
    ):  # fmt: skip
        if x != y:
            return what, str(x)[:200], str(y)[:200]
    return None


def _text(fact: Any, node: Node) -> str:
    if fact[0] in ("scalar", "host"):
        return f"the number {float(node.data):g}"
    return f"{fact[0]} {tuple(node.shape)} {node.dtype}"


def _sources(r: Recording) -> list[Any]:
    return [_source(s) for s in r.sources]


def _source(source: Any) -> Any:
    kind, what = source
    if kind == "external":
        return kind, _source(what)
    return kind, what if isinstance(what, int) else id(what)


def _shape(result: Any) -> Any:
    """A described result as comparable values."""
    kind = result[0]
    if kind == "atom":
        return kind, type(result[1]), repr(result[1])
    if kind == "same":
        return kind, id(result[1])
    if kind == "held":
        return kind, _source(result[1])
    if kind == "list":
        return kind, result[1], [_shape(r) for r in result[2]]
    if kind in ("dict", "fields"):
        return kind, result[1], [repr(k) for k in result[2]], [_shape(r) for r in result[3]]
    return result


def _values(values: list[Any]) -> list[Any]:
    return [("const", v.array().tobytes()) if kind == "const" else (kind, v) for kind, v in values]


def _boxes(r: Recording) -> list[Any]:
    return [
        (_source(s), had, c if c is None or c == "same" else _shape(c)) for s, had, c in r.boxes
    ]


def _history(r: Recording) -> Any:
    holders = [next((i for i, t in enumerate(r.capture.pattern.tensors) if t is h), id(h))
               for h in r.holders]  # fmt: skip
    return holders, r.outer, r.history and r.history.facts()


def _draws(r: Recording) -> list[Any]:
    return [(id(g), number) for g, _, number in r.draws]

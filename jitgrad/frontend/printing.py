"""PyTorch's text of a Tensor, formatted in NumPy: one flush of that Tensor, no kernels.

Entry: `text`, `set_printoptions`. Imports NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import default_float
from jitgrad.ir.node import walk


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None
    evaluate: bool = True


_options = _Options()
_PROFILES = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, math.inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
    evaluate: bool | None = None,
) -> None:
    """How Tensors are printed; `evaluate=False` shows pending ones without computing them."""
    o = _options
    if profile is not None:
        o.precision, o.threshold, o.edgeitems, o.linewidth = _PROFILES[profile]
    for name, value in [
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
        ("evaluate", evaluate),
    ]:
        if value is not None:
            setattr(o, name, value)
    o.sci_mode = sci_mode


class _Format:
    """The common format of the elements shown."""

    def __init__(self, shown: np.ndarray) -> None:
        self.floating = shown.dtype.kind == "f"
        self.whole, self.scientific, self.width = True, False, 1
        values = shown.reshape(-1)
        if not self.floating:
            self.width = max((len(str(v)) for v in values.tolist()), default=1)
            return
        finite = values[np.isfinite(values) & (values != 0)].astype(np.float64)
        if finite.size:
            size = np.abs(finite)
            low, high = size.min(), size.max()
            self.whole = bool((finite == np.ceil(finite)).all())
            spread = high / low > 1000 or high > 1e8
            self.scientific = bool(spread or (not self.whole and low < 1e-4))
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        self.width = max((len(self._one(v)) for v in finite.tolist()), default=1)
        special = values[~np.isfinite(values)].tolist()
        if special and finite.size:
            self.width = max(self.width, *(len(self._one(v)) for v in special))

    def _one(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{_options.precision}f}"

    def __call__(self, value: Any) -> str:
        return self._one(value).rjust(self.width)


def _edges(values: np.ndarray) -> np.ndarray:
    """The elements that a summary shows."""
    k = _options.edgeitems
    for axis, n in enumerate(values.shape):
        if n > 2 * k:
            keep = [*range(k), *range(n - k, n)]
            values = values.take(keep, axis)
    return values


def _vector(values: np.ndarray, indent: int, summary: bool, form: _Format) -> str:
    k, n = _options.edgeitems, len(values)
    per_line = max(1, (_options.linewidth - indent) // (form.width + 2))
    if summary and n > 2 * k:
        head, tail = values[:k].tolist(), values[n - k :].tolist()
        data = [*map(form, head), " ...", *map(form, tail)]
    else:
        data = [form(v) for v in values.tolist()]
    lines = [", ".join(data[i : i + per_line]) for i in range(0, len(data), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(values: np.ndarray, indent: int, summary: bool, form: _Format) -> str:
    if values.ndim == 0:
        return form(values.item())
    if values.ndim == 1:
        return _vector(values, indent, summary, form)
    k, n = _options.edgeitems, len(values)

    def part(i: int) -> str:
        return _nested(values[i], indent + 1, summary, form)

    if summary and n > 2 * k:
        parts = [*map(part, range(k)), "...", *map(part, range(n - k, n))]
    else:
        parts = [part(i) for i in range(n)]
    return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _waiting(t: Any) -> str:
    """A pending Tensor without its values."""
    node = t._storage.node
    ops = sum(bool(n.inputs) for n in walk([node]))
    facts = f"shape={tuple(t._shape)}, dtype={t._dtype}, device='{t.device}'"
    return f"tensor(<{ops} pending ops>, {facts})"


def text(t: Any) -> str:
    """What `print` shows."""
    node = t._storage.node
    if not _options.evaluate and node is not None and not node.realised:
        return _waiting(t)
    suffixes = []
    indent = len("tensor(")
    default = default_float()
    if t.is_meta:
        suffixes += [f"device='{t.device}'", f"size={tuple(t._shape)}"]
        if t._dtype is not default:
            suffixes.append(f"dtype={t._dtype}")
        return _with_suffixes("tensor(...", suffixes + _history(t), indent)
    values = t._values("print")
    if values.size == 0:
        if values.ndim != 1:
            suffixes.append(f"size={tuple(t._shape)}")
        if t._dtype is not default:
            suffixes.append(f"dtype={t._dtype}")
        body = "[]"
    else:
        if t._dtype not in (default, dt.int64, dt.bool_):
            suffixes.append(f"dtype={t._dtype}")
        summary = values.size > _options.threshold
        form = _Format(_edges(values) if summary else values)
        body = _nested(values, indent, summary, form)
    return _with_suffixes("tensor(" + body, suffixes + _history(t), indent)


def _history(t: Any) -> list[str]:
    if t._edge() is None:
        return []
    grad_fn = t.grad_fn
    return ["requires_grad=True" if grad_fn is None else f"grad_fn={grad_fn!r}"]


def _with_suffixes(body: str, suffixes: list[str], indent: int) -> str:
    last = len(body) - body.rfind("\n") + 1
    parts = [body]
    for suffix in suffixes:
        if last + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last += len(suffix) + 2
    return "".join(parts) + ")"

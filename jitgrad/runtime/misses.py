"""Why a schedule had to be made: the field of its key that differs from one seen before.

Entry: `note(snap, functions) -> Miss`, called on a miss alone. A key is compared with the nearest
of those that had the same ops, else of those whose results were asked for at the same lines; what
differs goes to `stats()["recompiles"]`. Machine code is never freed, so a process that keeps
making distinct kernels is told once what varies. Imports: compiler, runtime.
"""

from __future__ import annotations

import os
import struct
import threading
import warnings
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler.snapshot import Snapshot
from jitgrad.ir.node import Node
from jitgrad.runtime import fork, switches
from jitgrad.runtime.stats import counts

MANY = 1000  # distinct kernels, about 0.25 MB each
LIKE = 4  # keys compared with
FORMS = 2048  # op sequences remembered

Field = tuple[str, str, str, str]  # what, was, now, file:line
_LIGHT = {"const", "scalar", "reshape", "expand", "permute"}
_forms: OrderedDict[int, deque[Any]] = OrderedDict()
_kernels: set[str] = set()
_varying: Counter[str] = Counter()
_lock = threading.RLock()  # threads that miss at the same time build at the same time


@dataclass
class Miss:
    """What a schedule was made for: how many kernels are new, and what was not as before.

    `what` is empty where nothing like it was seen.
    """

    what: str = ""
    was: str = ""
    now: str = ""
    where: str = ""
    kernels: list[str] = field(default_factory=list)  # new to the process
    compiled: int = 0
    loaded: int = 0

    @property
    def text(self) -> str:
        """The difference in one line."""
        change = f": {self.was} -> {self.now}" if self.was or self.now else ""
        return f"{self.what}{change}" + (f" ({self.where})" if self.where else "")


def note(snap: Snapshot, functions: list[Any]) -> Miss:
    """Compare, remember, list; warn at the 1 000th distinct kernel."""
    new = {f.key: f for f in functions if f.key not in _kernels}
    parts = snap.key[0]
    key = (snap.key, switches.jit(), switches.fuse())
    sites = tuple([snap.nodes[i].site for i in snap.outputs])
    homes = [hash(tuple([p[0] for p in parts])), hash(sites)]
    with _lock:
        found = _compared(key, homes, snap.nodes)
    loaded = sum(f.from_cache for f in new.values())
    miss = Miss(*(found or ()))
    miss.kernels = sorted(f.name for f in new.values())
    miss.compiled, miss.loaded = len(new) - loaded, loaded
    if miss.what:
        counts.recompiles.append(
            {"function": "", "what": miss.what, "was": miss.was, "now": miss.now,
             "where": miss.where, "kernels": miss.kernels}
        )  # fmt: skip
    _count(new, miss)
    return miss


def _compared(key: Any, homes: list[int], nodes: list[Node]) -> Field | None:
    """What differs from the nearest key seen at the first of `homes` that has any; the key is seen
    at all of them from now on."""
    found: Field | None = None
    for home in homes:
        seen = _forms.get(home)
        if seen and found is None:
            found = difference(min(seen, key=lambda old: _distance(old, key)), key, nodes)
        if seen is None:
            seen = _forms[home] = deque(maxlen=LIKE)
        seen.append(key)
        _forms.move_to_end(home)
    while len(_forms) > FORMS:
        _forms.popitem(last=False)
    return found


def _count(new: dict[str, Any], miss: Miss) -> None:
    with _lock:
        before = len(_kernels)
        _kernels.update(new)
        if new:
            _varying[f"{miss.what} ({miss.where})" if miss.what else "new ops"] += len(new)
        many = len(_kernels)
        if not before < MANY <= many:
            return
        ((top, times),) = _varying.most_common(1)
    warnings.warn(
        f"jitgrad has built {many} distinct kernels, whose machine code stays in "
        f"memory until the process ends. What varies most: {top}, for {times} of them. "
        'jitgrad.stats()["recompiles"] lists the last causes',
        RuntimeWarning,
        stacklevel=2,
    )


def distinct() -> int:
    """Kernels that the flushes of this process have used."""
    return len(_kernels)


def _distance(old: Any, new: Any) -> int:
    a, b = old[0][0], new[0][0]
    return abs(len(a) - len(b)) + sum(x != y for x, y in zip(a, b, strict=False))


def difference(old: Any, new: Any, nodes: list[Node]) -> Field:
    """The first field in which two keys (structure, jit, fuse) differ."""
    for name, was, now in zip(("JITGRAD_JIT", "JITGRAD_FUSE"), old[1:], new[1:], strict=True):
        if was != now:
            return name, str(int(was)), str(int(now)), ""
    (old_parts, old_outputs, old_donated), (parts, outputs, donated) = old[0], new[0]
    same_ops = [p[0] for p in old_parts] == [p[0] for p in parts]
    was_leaves, leaves = ([p for p in ps if not p[2]] for ps in (old_parts, parts))
    if not same_ops and [p[0] for p in was_leaves] == [p[0] for p in leaves]:
        # Other ops followed from another input, as of size 1, which is not expanded.
        at = [i for i, p in enumerate(parts) if not p[2]]
        for a, b, i in zip(was_leaves, leaves, at, strict=True):
            if a != b:
                return _part(a, b, nodes[i])
    if not same_ops:
        return _other_ops(old_parts, parts, nodes)
    for a, b, node in zip(old_parts, parts, nodes, strict=True):
        if a != b:
            return _part(a, b, node)
    if old_outputs != outputs:
        where = _place(nodes[outputs[-1]])
        return "results wanted", str(len(old_outputs)), str(len(outputs)), where
    if old_donated != donated:
        return "writes in place", str(len(old_donated)), str(len(donated)), ""
    return "the schedule was dropped", "", "", ""


def _other_ops(old_parts: Any, parts: Any, nodes: list[Node]) -> Field:
    """The first op that is another; numbers and views follow from the rest."""
    was = [p[0] for p in old_parts if p[0] not in _LIGHT]
    now = [(p[0], n) for p, n in zip(parts, nodes, strict=True) if p[0] not in _LIGHT]
    for name, (other, node) in zip(was, now, strict=False):
        if name != other:
            return "new op sequence", name, other, _place(node)
    return "new op sequence", f"{len(was)} ops", f"{len(now)} ops", ""


def _part(a: Any, b: Any, node: Node) -> Field:
    """What differs between the same node of two programs."""
    where = _place(node)
    (name, was_dtype, was_inputs, was), (_, dtype, inputs, now) = a, b
    of = "the input" if name == "buffer" else name
    if was_dtype != dtype:
        return f"dtype of {of}", was_dtype, dtype, where
    if name == "const":
        return "constant", _constant(was), _constant(now), where
    if was != now and name in ("buffer", "iota", "uniform", "normal", "random_bits"):
        was, now = (s if name == "buffer" else s[1:] for s in (was, now))
        if was[0] != now[0]:
            return f"rank of {of}", str(was[0]), str(now[0]), where
        small, tiny = dict(was[1] or ()), dict(now[1] or ())
        for axis in sorted({*small, *tiny}):
            if small.get(axis) != tiny.get(axis):
                size = tiny.get(axis, small.get(axis))
                before, after = (str(s.get(axis, "more")) for s in (small, tiny))
                return f"size {size} on axis {axis} of {of}", before, after, where
        return f"layout of {of}", _layout(was), _layout(now), where
    if was != now:
        return f"form of {name}", _short(was), _short(now), where
    return f"operands of {name}", _short(was_inputs), _short(inputs), where


def _layout(static: Any) -> str:
    if len(static) < 3 or set(static[2]) <= {"u", "c", "1"}:
        return "contiguous"
    return "broadcast" if "0" in static[2] else "strided"


def _constant(packed: Any) -> str:
    number = struct.unpack("d", packed)[0] if isinstance(packed, bytes) else packed[1]
    return str(number)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _place(node: Node) -> str:
    file, line, note = node.site
    return f"{os.path.basename(file)}:{line}" + (f" ({note})" if note else "")


fork.guard(_lock)

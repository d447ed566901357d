"""`DeviceWriter`: elements as a CUDA thread reads, computes and writes them.

A thread takes WIDE neighbouring columns at once. Accesses that step through memory with the column
become one wide access before (`fetch`) or after (`spill`) the loop over them; all others stay in
the loop. Imports: compiler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jitgrad.compiler.groups import Group
from jitgrad.compiler.loops import indent
from jitgrad.compiler.nest import Terms
from jitgrad.compiler.source import BYTES, TAB, Writer
from jitgrad.compiler.values import Access, Value

MOST = 24  # wide accesses of a kernel: each keeps WIDE registers
# Functions so large that the loop over a thread's columns would stay a loop, and its arrays memory.
LARGE = frozenset(
    ["lgamma", "digamma", "polygamma", "erfinv", "pow", "sin_f64", "cos_f64", "tan_f64", "normal"]
)
_ACCESS = 16  # bytes of the widest access


# Variables of the loops around the elements.
_NAMES = {
    "error", "cuda", "WIDE", "first", "left", "k", "lane", "team", "units", "base", "end", "line",
    "lines", "part", "parts", "span", "width", "tiles", "per_team", "begin", "group", "groups",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Once:
    """Conditions under which one thread writes what many compute: a number, a value of a row."""

    top: str = "cuda.grid(1) == 0"
    row: str = ""


class DeviceWriter(Writer):
    """State while one CUDA kernel is written."""

    def __init__(self, group: Group, stored: set[Value], inline: set[Value], wide: bool) -> None:
        super().__init__(group, stored, inline)
        self.wide = wide and len(self.nest.cols) == 1
        self.once = Once()
        self.before: list[str] = []  # wide reads ahead of the loop that is written
        self.after: list[str] = []  # wide writes behind it
        self.sizes: list[int] = []  # bytes of the elements of wide accesses
        self.slots: dict[str, tuple[str, int]] = {}  # rows of scratch: type, bytes
        self.taken |= _NAMES

    # -- wide accesses --------------------------------------------------------------------------

    @property
    def pays(self) -> bool:
        """Whether wide accesses are worth their registers in what was written."""
        large = any(f in LARGE or f.rpartition("_")[0] in LARGE for f in self.functions)
        return 0 < len(self.sizes) <= MOST and not large

    @property
    def count(self) -> int:
        """Elements that a thread takes at once: those of the largest type fill one access."""
        return _ACCESS // max(self.sizes) if self.sizes else 1

    def private(self, stem: str, suffix: str, size: int) -> str:
        """An array of the thread's own for one wide access."""
        name = self.fresh(f"{stem}_v")
        self.sizes.append(size)
        self.top.append(f"{name} = {self.function(f'private_{suffix}')}(WIDE)")
        return name

    def adjacent(self, terms: Terms) -> bool:
        """Whether the element of the next column is the next in memory."""
        cols = [t for t in terms.parts if t.level == "col"]
        return (
            self.wide and len(cols) == 1 and cols[0].stride is None and not cols[0].sizes
        )  # fmt: skip

    def start(self, pointer: str, access: Access | None, terms: Terms) -> str:
        """Index of the element of the thread's first column."""
        rows = Terms(tuple(t for t in terms.parts if t.level != "col"))
        index, _ = self.index(pointer, access, rows)
        return "first" if index == "0" else f"{index} + first"

    def fetched(self, pointer: str, suffix: str, size: int, start: str) -> str:
        """Source of the current column's element, read with its neighbours."""
        name = self.private(pointer, suffix, size)
        fetch = self.function(f"fetch_{suffix}")
        self.before.append(f"{fetch}({name}, {pointer}, {start}, left)")
        return f"{name}[k]"

    def spilled(self, pointer: str, suffix: str, size: int, start: str, value: str) -> None:
        """Write the current column's element with its neighbours."""
        name = self.private(pointer, suffix, size)
        spill = self.function(f"spill_{suffix}")
        self.put(f"{name}[k] = {value}", "col")
        self.after.append(f"{spill}({pointer}, {start}, {name}, left)")

    def element(self, pointer: str, access: Access | None, terms: Terms) -> tuple[str, str]:
        if access is None or not self.adjacent(terms):
            return super().element(pointer, access, terms)
        dtype, start = access.value.dtype, self.start(pointer, access, terms)
        return self.fetched(pointer, dtype.suffix, dtype.itemsize, start), "col"

    def assign(self, pointer: str, v: Value, terms: Terms, name: str, level: str) -> None:
        if level == "col" and self.adjacent(terms):
            start = self.start(pointer, v.store, terms)
            self.spilled(pointer, v.dtype.suffix, v.dtype.itemsize, start, name)
            return
        if level == "col":
            super().assign(pointer, v, terms, name, level)
            return
        index, _ = self.index(pointer, v.store, terms)
        self.put(f"if {self.once.top if level == 'top' else self.once.row}:", level)
        self.put(f"{TAB}{pointer}[{index}] = {name}", level)

    # -- scratch --------------------------------------------------------------------------------

    def scratch_row(self, stem: str, dtype: str, fixed: int = 0) -> str:
        """A row of the team's memory: as long as it must be, for shared memory is short."""
        classes, size = self.nest.classes(self.nest.cols), BYTES[dtype]
        name = self.fresh(f"{stem}_row")
        if not self.scratch:
            self.top.append("room = 0")
        self.top.append(f"{name} = {self.function(f'view_{dtype}')}(scratch, room)")
        self.top.append(f"room = room + ({self.size(classes)} * {size} + 63) // 64 * 64")
        self.scratch.append((("size", classes), size))
        self.slots[name] = dtype, size
        return name

    def kept_element(self, slot: str) -> str:
        if not self.wide:
            return super().kept_element(slot)
        return self.fetched(slot, *self.slots[slot], "first")

    def keep(self, slot: str, name: str) -> None:
        if not self.wide:
            super().keep(slot, name)
        else:
            self.spilled(slot, *self.slots[slot], "first", name)

    # -- expressions that a device writes otherwise ---------------------------------------------

    def combine(self, v: Value) -> str:
        """All threads of the one block reduce what earlier blocks left."""
        pointer, n = self.combined(v)
        suffix = v.inputs[0].value.dtype.suffix
        return f"{self.function(f'block_{v.op}_{suffix}')}({pointer}, {n})"

    def fail(self, v: Value, bad: str, value: str, level: str) -> None:
        """Note the failure and leave out what would have read there; the others go on, as they
        may wait for this thread."""
        number = len(self.checks)
        self.checks.append(v.source)
        self.put(f"if {bad}:", level)
        report = self.function("report")
        self.put(f"{TAB}{report}(error, {number}, np.int64({value}))", level)
        self.put(f"{TAB}{'return' if level == 'top' else 'continue'}", level)

    # -- loops and index arithmetic -------------------------------------------------------------

    def strides(self, name: str, start: str, stop: str, step: str) -> str:
        """The head of a loop whose step is known at the launch."""
        return f"for {name} in {self.function('strides')}({start}, {stop}, {step}):"

    def quotient(self, a: str, n: str) -> str:
        return f"{self.function('over')}({a}, {n})"

    def columns(self, body: list[str]) -> list[str]:
        """`body` for each of the thread's columns from `first` on, `left` of them and more."""
        used = any(re.search(r"\bj\b", line) for line in body)
        inner = ["j = first + k", *body] if used else body
        lines = [*self.before]
        if inner:
            lines += ["for k in range(WIDE):", f"{TAB}if k < left:", *indent(inner, 2)]
        lines += self.after
        self.before, self.after = [], []
        return lines

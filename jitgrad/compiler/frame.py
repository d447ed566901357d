"""What the expressions of a kernel are put into: parameters, names, levels, addresses of elements.

A line is written at the outermost level at which its operands are known: "top", once a call; "row",
once a row; "col", in the loop over the columns. Entry: `Frame`. Imports: compiler, ir.
"""

from __future__ import annotations

from jitgrad.compiler.groups import Group
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.names import literal
from jitgrad.compiler.nest import Nest, Term, Terms
from jitgrad.compiler.values import Access, Value
from jitgrad.ir.dtype import DType

_WORDS = {
    "0": "ZERO", "0.0": "ZERO", "1": "ONE", "1.0": "ONE", "-1": "MINUS_ONE", "-1.0": "MINUS_ONE",
    "2": "TWO", "2.0": "TWO", "0.5": "HALF", "np.inf": "INF", "-np.inf": "MINUS_INF",
    "np.nan": "NAN", "True": "YES", "False": "NO",
}  # fmt: skip
_RESERVED = {
    "scratch", "lo", "hi", "np", "range", "min", "max", "bool", "abs", "copy", "i", "j", "r", "u",
    "fail", "at", "m", "end", "base", "n", "s", "a", "out", "sum", "any", "all", "round", "lambda",
}  # fmt: skip


class Frame:
    """A kernel without expressions, while it is written."""

    def __init__(self, group: Group, stored: set[Value], inline: set[Value]) -> None:
        self.group = group
        self.nest = Nest(group, stored, inline)
        self.params: list[tuple[str, str]] = []
        self.specs: list[Spec] = []
        self.spec_names: dict[object, str] = {}
        self.functions: set[str] = set()
        self.runs: set[str] = set()
        self.constants: dict[tuple[str, str], str] = {}
        self.names: dict[str, int] = {}  # by stem, how many there are
        self.taken: set[str] = set()
        self.top: list[str] = []
        self.row: list[str] = []
        self.loop: list[str] | None = None
        self.memo: dict[object, str] = {}
        self.loop_memo: dict[object, str] = {}

    # -- names and parameters -------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        """A name that no other variable of the kernel has."""
        n = self.names.get(stem, 0)
        name = f"{stem}{n}" if n or stem in _RESERVED else stem
        while name in self.taken:  # the third `exp` is not `exp2`
            n += 1
            name = f"{stem}{n}"
        self.names[stem] = n + 1
        self.taken.add(name)
        return name

    def param(self, key: object, stem: str, kind: str, spec: Spec) -> str:
        """The parameter for `key`, made on first use."""
        if key not in self.spec_names:
            name = self.fresh(stem)
            self.spec_names[key] = name
            self.params.append((name, kind))
            self.specs.append(spec)
        return self.spec_names[key]

    def size(self, classes: tuple[int, ...]) -> str:
        """The product of some sizes as a parameter."""
        if not classes:
            return "1"
        return self.param(("size", classes), "n", "i64", ("size", classes))

    def quotient(self, a: str, n: str) -> str:
        """a // n of numbers that count elements: none is negative."""
        return f"{a} // {n}"

    def stride(self, access: Access, axis: int, stem: str) -> str:
        key = ("stride", access.key(), axis)
        return self.param(key, f"{stem}_s{axis}_", "i64", ("stride", access, axis))

    def pointer(self, access: Access) -> str:
        kind = access.value.dtype.suffix + "*"
        return self.param(("memory", access.key()), "x", kind, ("memory", access))

    def constant(self, value: float, dtype: DType) -> str:
        text = literal(value, dtype)
        key = (dtype.suffix, text)
        if key not in self.constants:
            name = _WORDS.get(text.partition("(")[2][:-1] or text) or f"C{len(self.constants)}"
            if name in self.constants.values():
                name = f"{name}_{dtype.suffix.upper()}"
            self.constants[key] = name
        return self.constants[key]

    def function(self, name: str) -> str:
        self.functions.add(name)
        return name

    def over_run(self, name: str) -> str:
        """A reduction of a contiguous run: `kernels.reduce` has pairs' names for runs."""
        self.runs.add(name)
        return f"run_{name}"

    # -- levels ---------------------------------------------------------------------------------

    def put(self, line: str, level: str) -> None:
        if level == "top":
            self.top.append(line)
        elif level == "row":
            self.row.append(line)
        else:
            assert self.loop is not None
            self.loop.append(line)

    def level(self, at: tuple[int, ...]) -> str:
        """The outermost level at which domain positions `at` are known."""
        if any(p >= self.nest.split for p in at) and not self.nest.picking:
            return "col"
        return "row" if at or self.nest.one_row else "top"

    def remember(self, key: object, level: str, name: str) -> str:
        (self.loop_memo if level == "col" else self.memo)[key] = name
        return name

    def recall(self, key: object) -> str | None:
        return self.memo.get(key) or self.loop_memo.get(key)

    # -- addresses ------------------------------------------------------------------------------

    def element(self, pointer: str, access: Access | None, terms: Terms) -> tuple[str, str]:
        """Source of an element in memory, and the level at which it is known."""
        index, level = self.index(pointer, access, terms)
        return f"{pointer}[{index}]", level

    def index(self, stem: str, access: Access | None, terms: Terms) -> tuple[str, str]:
        """Source of an element index, and the level at which it is known."""
        row = [self.term(stem, access, t) for t in terms.parts if t.level == "row"]
        col = [self.term(stem, access, t) for t in terms.parts if t.level == "col"]
        level = "col" if col else "row" if row else "top"
        if len(row) > 1 or (row and "*" in row[0]):
            key = ("row index", stem, tuple(t for t in terms.parts if t.level == "row"))
            name = self.memo.get(key)
            if name is None:
                name = self.fresh(f"{stem}_at")
                self.row.append(f"{name} = {' + '.join(row)}")
                self.memo[key] = name
            row = [name]
        return " + ".join(row + col) or "0", level

    def term(self, stem: str, access: Access | None, t: Term) -> str:
        factors = [t.index]
        if t.stride is not None:
            assert access is not None
            factors.append(self.stride(access, t.stride, stem))
        factors += [self.size(c) for c in t.sizes]
        return " * ".join(f for f in factors if f != "1")

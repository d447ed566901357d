"""Python functions written at run time: straight-line code for one recorded program.

What does not change from call to call is decided while the lines are written, not while they run.
Entry: `Script`. Its text stands in `linecache`, so tracebacks and pdb show it. Imports nothing.
"""

from __future__ import annotations

import itertools
import linecache
import os
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

# Inside the package as far as anybody who looks for the user's line can tell.
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_numbers = itertools.count(1)


class Script:
    """One generated module: its lines, and the objects that they name."""

    def __init__(self, title: str) -> None:
        self.names: dict[str, Any] = {}
        self._title = title
        self._lines: list[str] = []
        self._depth = 0
        self._known: dict[tuple[str, int], str] = {}
        self._count: Counter[str] = Counter()

    def line(self, *texts: str) -> None:
        """Append lines at the present depth."""
        self._lines += ["    " * self._depth + text for text in texts]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines inside are one level deeper, below `head`."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def bind(self, prefix: str, value: Any) -> str:
        """The name by which lines refer to `value`: always the same one."""
        key = prefix, id(value)
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = f"{prefix}{self._count[prefix]}"
            self._count[prefix] += 1
            self.names[name] = value
        return name

    def use(self, **values: Any) -> None:
        """Objects under names of the caller's choice."""
        self.names.update(values)

    @property
    def text(self) -> str:
        """The whole module."""
        return "\n".join([f'"""{self._title}"""', "", *self._lines, ""])

    def build(self, name: str) -> FunctionType:
        """The function `name`; its globals are the objects named, not itself: there is no cycle."""
        text = self.text
        file = os.path.join(_FOLDER, f"<{self._title} {next(_numbers)}>")
        exec(compile(text, file, "exec"), self.names)
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        function: FunctionType = self.names.pop(name)
        weakref.finalize(function, linecache.cache.pop, file, None).atexit = False
        return function

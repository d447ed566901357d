"""Lines that test whether a call's arguments are of a known pattern, and take them apart.

Entry: `Match(script, pattern, args, kwargs).write()`. They hold for the arguments whose
`Pattern.key` is equal (but for the order of keywords), and for no others. Imports: patterns.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jitgrad.frontend.argtree import ATOMS, LEAF, PLAIN, Pattern, array_key, facts
from jitgrad.frontend.record import Base
from jitgrad.frontend.tape import Leaf
from jitgrad.runtime.script import Script

_FEW = 4  # tensors whose storages are compared pair by pair


class Match:
    """Writes the test; Tensors become t0, t1, ... and their storages s0, s1, ..."""

    def __init__(self, script: Script, pattern: Pattern, miss: str) -> None:
        """`miss` is the statement that ends the function when the test fails."""
        self.script = script
        self.pattern = pattern
        self.miss = miss
        self.count = 0  # tensors so far
        self.containers: list[str] = []  # as `pattern.containers`
        self.numbers: dict[int | str, str] = {}  # those that may have any value

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The lines, for these arguments of the pattern."""
        test = [f"len(args) != {len(args)}"]
        test.append(f"len(kwargs) != {len(kwargs)}" if kwargs else "kwargs")
        self._unless(" or ".join(test))
        names = [f"x{i}" for i in range(len(args))]
        if names:
            self.script.line(f"{', '.join(names)}, = args")
        for i, value in enumerate(args):
            self._top(i, f"x{i}", value)
        for i, (key, value) in enumerate(kwargs.items(), len(args)):
            self.script.line(f"x{i} = kwargs.get({key!r}, missing)")
            self._top(key, f"x{i}", value)
        if self.count > 1:
            self._aliases()
        self._shared()

    def _top(self, place: int | str, name: str, value: Any) -> None:
        """An argument given by position or name."""
        if place in self.pattern.slots:
            self.numbers[place] = name
            self._unless(f"type({name}) is not float")
        else:
            self._any(name, value, top=True)

    def _unless(self, test: str) -> None:
        with self.script.block(f"if {test}:"):
            self.script.line(self.miss)

    def _any(self, name: str, value: Any, top: bool = False) -> None:
        bind, kind = self.script.bind, type(value)
        if len(self.containers) < len(self.pattern.containers):
            if value is self.pattern.containers[len(self.containers)]:
                self.containers.append(name)
        if isinstance(value, Base):
            self._tensor(name, value, batch=top and self.count in self.pattern.batches)
        elif kind is float:
            # -0.0 is not 0.0, and nan is itself.
            plain = value and math.isfinite(value)
            test = f"{name} != {value!r}" if plain else f"repr({name}) != {repr(value)!r}"
            self._unless(f"type({name}) is not float or {test}")
        elif kind in ATOMS:
            if value is None or value is Ellipsis or kind is bool:
                self._unless(f"{name} is not {value!r}")
            else:
                want = repr(value) if kind in (int, str, bytes) else bind("value", value)
                self._unless(f"type({name}) is not {bind('kind', kind)} or {name} != {want}")
        elif isinstance(value, (tuple, list)):
            self._unless(f"type({name}) is not {bind('kind', kind)} or len({name}) != {len(value)}")
            inner = [f"{name}_{i}" for i in range(len(value))]
            if inner:
                self.script.line(f"{', '.join(inner)}, = {name}")
            for part, element in zip(inner, value, strict=True):
                self._any(part, element)
        elif isinstance(value, dict):
            self._dict(name, value)
        elif isinstance(value, (np.ndarray, np.generic)):
            self.script.use(array_key=array_key)
            same = f"type({name}) is {bind('kind', kind)} and array_key({name}) =="
            self._unless(f"not ({same} {bind('value', array_key(value))})")
        elif kind is slice:
            self._unless(f"type({name}) is not slice")
            for part in ("start", "stop", "step"):
                self.script.line(f"{name}_{part} = {name}.{part}")
                self._any(f"{name}_{part}", getattr(value, part))
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            self._unless(f"type({name}) is not {bind('kind', kind)}")
            for field in dataclasses.fields(value):
                self.script.line(f"{name}_{field.name} = getattr({name}, {field.name!r}, None)")
                self._any(f"{name}_{field.name}", getattr(value, field.name, None))
        else:
            self._unless(f"{name} is not {bind('object', value)}")

    def _dict(self, name: str, value: dict[Any, Any]) -> None:
        kind = self.script.bind("kind", type(value))
        self._unless(f"type({name}) is not {kind} or len({name}) != {len(value)}")
        if not value:
            return
        keys = [f"{name}_key{i}" for i in range(len(value))]
        inner = [f"{name}_{i}" for i in range(len(value))]
        self.script.line(f"{', '.join(keys)}, = {name}", f"{', '.join(inner)}, = {name}.values()")
        for i, (key, element) in enumerate(value.items()):
            self._any(keys[i], key)
            self._any(inner[i], element)

    def _tensor(self, name: str, t: Any, batch: bool) -> None:
        bind, i = self.script.bind, self.count
        self.count += 1
        known = facts(t)
        shape, history = known.shape, known.history
        cls, dtype = bind("class_", type(t)), bind("dtype", t._dtype)
        test = f"type({name}) is not {cls}"
        if batch:
            test += (
                f" or {name}._view is None or {name}._dtype is not {dtype} "
                f"or {name}._shape != {shape} or {name}._track.edge is not None"
            )
        elif known.place is None and history in (PLAIN, LEAF):
            self.script.use(Leaf=Leaf)
            edge = "is not None" if history == PLAIN else ".__class__ is not Leaf"
            gap = " " if history == PLAIN else ""
            test += (
                f" or {name}._view is not None or {name}._dtype is not {dtype} "
                f"or {name}._shape != {shape} or {name}._track.edge{gap}{edge}"
            )
        else:
            self.script.use(facts=facts)
            test += f" or facts({name}) != {bind('facts', known)}"
        self._unless(test)
        self.script.line(f"t{i} = {name}", f"s{i} = t{i}._storage")
        if batch or known.place is None:
            self._unless(f"s{i}.node is None")  # memory that NumPy holds
        if batch:
            self.script.line(f"strides{i}, offset{i} = t{i}._place()")
            self._unless(f"strides{i} != {t._place()[0]}")

    def _shared(self) -> None:
        """The same lists, dicts and dataclasses are one, and others are not."""
        pairs = [
            (c, name)
            for c, name in zip(self.pattern.containers, self.containers, strict=True)
            if not isinstance(c, tuple)
        ]
        first: dict[int, str] = {}
        tests = [f"{n} is not {m}" for c, n in pairs if (m := first.setdefault(id(c), n)) != n]
        if len(first) > 1:
            tests.append(
                f"len({{{', '.join([f'id({n})' for n in first.values()])}}}) != {len(first)}"
            )
        if tests:
            self._unless(" or ".join(tests))

    def _aliases(self) -> None:
        """The same Tensors share storages, and the same are one."""
        tensors = self.pattern.tensors
        first: dict[int, int] = {}
        tests = []
        for i, t in enumerate(tensors):
            j = first.setdefault(id(t._storage), i)
            if j < i:
                same = "is not" if t is tensors[j] else "is"
                tests.append(f"s{i} is not s{j} or t{i} {same} t{j}")
        apart = [f"s{i}" for i in first.values()]
        if len(apart) <= _FEW:
            tests += [f"{a} is {b}" for i, a in enumerate(apart) for b in apart[:i]]
        else:
            listed = ", ".join([f"id({s})" for s in apart])
            tests.append(f"len({{{listed}}}) != {len(apart)}")
        if tests:
            self._unless(" or ".join(tests))

"""`Loop`: a Body applied turn after turn, recorded as one, however many turns there are.

A turn reads what its `reads` say: the same memory each time, one slice of it, or what the turn
before left. Results are the last values of what is carried, and values of all turns, stacked: each
is a node of op "loop". Nothing expands a Loop: it is computed by itself (`runtime.looping`), after
all that it reads.
Entry: `Loop`, `waiting`. Imports: ir only.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet, ref

from jitgrad.ir.call import Body
from jitgrad.ir.node import Node
from jitgrad.ir.op import Op
from jitgrad.ir.site import Site


def _alone(*_: Any) -> Any:
    raise AssertionError("a Loop is computed by itself")


def _loop(*, loop: Any, part: Any) -> None:
    """A result of a Loop."""


_OPTIONS = {"numpy": _alone, "shape": _alone, "promote": _alone, "gradient": None}
LOOP = Op("loop", _loop, {"name": "loop", "cost": "keep", **_OPTIONS})

# What turn u reads, whose place along an axis is u, or counted from the end if the Loop is
# `reverse`. Numbers i and j are those of inputs.
#   ("same", i)             the input
#   ("slice", i, axis)      its slice at the turn's place
#   ("carry", i, at)        the input, in later turns what the turn before left at position `at`
#   ("ahead", i, j)         slice of j at the place of the next turn; in the last turn input i
#   ("draw", i, step, more)  random numbers: draw `more` + `step` * u after that of input i
Read = tuple[Any, ...]

waiting: WeakSet[Loop] = WeakSet()  # those not computed yet


class Loop:
    """`times` turns of `body`.

    Attributes:
        inputs: nodes. `reads`: what stands for each input of the body.
        given: (position, input) of each of its numbers, and of what is the same at every turn.
        after: the Loop whose gradient this is; None of others.
    """

    __slots__ = (
        "__weakref__", "after", "body", "given", "inputs", "parts", "reads", "reverse", "site",
        "times",
    )  # fmt: skip

    def __init__(
        self, body: Body, times: int, reverse: bool, inputs: tuple[Node, ...],
        reads: tuple[Read, ...], given: tuple[tuple[int, int], ...], site: Site,
        after: Loop | None = None,
    ) -> None:  # fmt: skip
        self.body, self.times, self.reverse = body, times, reverse
        self.inputs, self.reads, self.given = inputs, reads, given
        self.site, self.after = site, after
        self.parts: dict[tuple[str, int], Any] = {}  # weak references to the results asked for
        waiting.add(self)

    def __repr__(self) -> str:
        return f"{self.times}*{self.body.name}"

    def last(self, at: int) -> Node:
        """What the last turn leaves of carried input `at` of the body."""
        return self._part(("last", at), self.position(at), ())

    def stack(self, at: int) -> Node:
        """The values at position `at` of the body, of all turns, by place."""
        return self._part(("stack", at), at, (self.times,))

    def position(self, at: int) -> int:
        """Where in the body the new value of carried input `at` is."""
        return int(self.reads[at][2])

    def _part(self, part: tuple[str, int], at: int, lead: tuple[int, ...]) -> Node:
        weak = self.parts.get(part)
        node = None if weak is None else weak()
        if node is None:
            shape, dtype, _ = self.body.facts[at]
            node = Node(LOOP, self.inputs, (self, part), (*lead, *shape), dtype, "cpu", self.site)
            self.parts[part] = ref(node)
        return node

    def alive(self) -> list[tuple[tuple[str, int], Node]]:
        """The results that somebody holds, as (which, node)."""
        found = [(part, weak()) for part, weak in self.parts.items()]
        return sorted([(part, node) for part, node in found if node is not None])

    def memory(self) -> list[Node]:
        """The inputs that must be in memory; the others are numbers."""
        out = {}
        reads = [*self.reads, *[("same", i) for _, i in self.given]]
        for kind, i, *more in reads:
            for x in (self.inputs[k] for k in ((i, *more) if kind == "ahead" else (i,))):
                if kind != "draw" and not (kind == "same" and x.op.name == "scalar"):
                    out[id(x)] = x
        return list(out.values())

    def done(self) -> None:
        """Its results are in memory. Its inputs stay: another thread may be reading them."""
        waiting.discard(self)

    def form(self) -> Any:
        """What two Loops share that do the same to other inputs."""
        return self.body.form(), self.times, self.reverse, self.reads, self.given

"""What must hold for a recording to describe the next call too.

Entry: `Conditions(recording).write(script, args, kwargs)`: lines that return a `Miss` unless all
holds. Imports: guards, recordings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.frontend.argmatch import Match
from jitgrad.frontend.argtree import facts
from jitgrad.frontend.guards import MISSING, Guards, content
from jitgrad.frontend.recording import Recording
from jitgrad.frontend.state import local, rebound
from jitgrad.frontend.tape import Leaf
from jitgrad.ir import apply
from jitgrad.runtime import switches
from jitgrad.runtime.script import Script

GRADIENT = "whether a gradient is None"
SHARED = "memory that an argument shares with a tensor of the function"
OVERLAP = "memory of NumPy that two tensors share"
Reason = tuple[str, str, str]  # what changed, what it was, what it is
UNREADABLE = -2  # a guarded value that cannot even be read


class Miss:
    """Returned instead of a result: the call is another one than was recorded."""

    __slots__ = ("at", "conditions")

    def __init__(self, conditions: Conditions | None, at: int) -> None:
        self.conditions = conditions
        self.at = at

    def reason(self) -> Reason | None:
        """What no longer holds; None if the arguments or modes are of another pattern."""
        return None if self.conditions is None else self.conditions.reason(self.at)


OTHER = Miss(None, 0)  # another pattern


class Conditions:
    """Guards on what Python held, and on the Tensors: storages, histories, gradients, sharing."""

    def __init__(self, r: Recording) -> None:
        self.recording: Recording | None = r  # until the lines are written
        self.guards = Guards(list(r.watch.found.values()))
        self.said: list[Reason] = []  # of the conditions that are no guards
        self.numbers: dict[int | str, str] = {}  # arguments of any value: their names there

    def write(self, script: Script, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The lines, for a function of `args` and `kwargs`; `args` are of the recorded pattern."""
        assert self.recording is not None
        r, self.recording = self.recording, None
        self._modes(script)
        match = Match(script, r.capture.pattern, "return other")
        match.write(args, kwargs)
        self.numbers = match.numbers
        with script.block("try:"):
            self.guards.write(script)
            self._gradients(script, r)
            self._arguments(script, r)
            script.line("if rebound[0] != last[0] and (at := tensors()) >= 0: return miss(at)")
        script.line(
            "except (KeyError, IndexError, AttributeError, TypeError, ValueError):",
            f"    return miss({UNREADABLE})",
        )
        last = [rebound[0]]
        script.use(
            other=OTHER, miss=lambda at: Miss(self, at), missing=MISSING,
            rebound=rebound, last=last, tensors=self._tensors(r, last),
        )  # fmt: skip

    def reason(self, at: int) -> Reason:
        """What condition `at` says."""
        if at == UNREADABLE:
            at = self.guards.failing()
        if 0 <= at < len(self.guards.found):
            return self.guards.reason(at)
        return self.said[at - len(self.guards.found)] if at >= 0 else ("a tensor", "", "elsewhere")

    def _says(self, *reason: str) -> int:
        """The number of a new condition."""
        self.said.append(reason)  # type: ignore[arg-type]  # all callers give three
        return len(self.guards.found) + len(self.said) - 1

    def _modes(self, script: Script) -> None:
        state = local.state
        default = apply._default["float"]
        kernels = switches.switched().kernels
        script.use(local=local, default=apply._default, float_type=default)
        script.use(switched=switches.switched, kernels=kernels)
        script.line(
            "state, switches = local.state, switched()",
            f"if (state.capture is not None or state.grad is not {state.grad} or "
            f"state.inference is not {state.inference} or state.eager is not {state.eager} or "
            'default["float"] is not float_type or switches.kernels is not kernels): return other',
        )

    def _gradients(self, script: Script, r: Recording) -> None:
        """Gradients are there, or not, as they were."""
        for (kind, box), had, _ in r.boxes:
            if kind != "box" or had is None:
                continue
            name = script.bind("box", box)
            test = f"(x := {name}.value) is not None"
            if had:
                test = (
                    f"(x := {name}.value) is None or x._view is not None "
                    "or x._track.edge is not None"
                )
            at = self._says(GRADIENT, str(not had), str(had))
            script.line(f"if {test}: return miss({at})")

    def _arguments(self, script: Script, r: Recording) -> None:
        tensors = r.capture.pattern.tensors
        used = {id(what) for kind, what in map(own, r.sources) if kind == "keep"}
        apart = [i for i, t in enumerate(tensors) if id(t._storage) not in used]
        if used and apart:
            script.use(used=used)
            test = " or ".join([f"id(s{i}) in used" for i in apart])
            script.line(f"if {test}: return miss({self._says(SHARED, 'no', 'yes')})")
        for i, t in enumerate(tensors):
            if id(t._storage) in used:
                at = self._says(SHARED, "yes", "no")
                script.line(f"if s{i} is not {script.bind('kept', t._storage)}: return miss({at})")
        if r.watch.tagged or r.watch.computed:
            at = self._says("attributes of an argument", "none", "some")
            for i in range(len(tensors)):
                script.line(f"if t{i}.__dict__: return miss({at})")
        self._external(script, r)
        for (kind, i), had, _ in r.boxes:
            if kind == "box of" and had is not None:
                at = self._says(GRADIENT, str(not had), str(had))
                absent = "is None" if had else "is not None"
                script.line(f"if t{i}._box is None or t{i}._box.value {absent}: return miss({at})")
        for i, t in enumerate(tensors):
            if type(t._track.edge) is Leaf:
                at = self._says("hooks on an argument", "none", "some")
                script.line(
                    f"edge = t{i}._track.edge", f"if edge.hooks or edge.after: return miss({at})"
                )

    def _external(self, script: Script, r: Recording) -> None:
        """Tensors over arrays of NumPy lie apart: what is written to one, no other one sees."""
        found = [own(source) for source in r.sources if source[0] == "external"]
        names = [f"s{x}" for kind, x in found if kind == "arg"]
        names += [script.bind("kept", x) for kind, x in found if kind == "keep"]
        tests = [
            f"overlap({a}.external, {b}.external)" for i, a in enumerate(names) for b in names[:i]
        ]
        if tests:
            script.use(overlap=np.may_share_memory)
            at = self._says(OVERLAP, "no", "yes")
            script.line(f"if {' or '.join(tests)}: return miss({at})")

    def _tensors(self, r: Recording, last: list[int]) -> Any:
        """A function: which condition fails on a Tensor that guards have seen, -1 if none does.

        Called when some Tensor got another storage, history or hooks.
        """
        script = Script("tensors of a compiled call")
        script.use(content=content, last=last, rebound=rebound)
        used = {id(what) for kind, what in map(own, r.sources) if kind == "keep"}
        boxes = {id(what) for (kind, what), *_ in r.boxes if kind == "box"}
        holders = {id(t) for t in r.holders}
        with script.block("def tensors():"):
            for t in r.watch.tensors.values():
                owned = t._box is not None and id(t._box) in boxes
                if id(t._storage) not in used and not owned and id(t) not in holders:
                    self._form(script, t)
                else:
                    self._tensor(script, t, owned)
            script.line("last[0] = rebound[0]", "return -1")
        return script.build("tensors")

    def _form(self, script: Script, t: Any) -> None:
        """Of a Tensor whose values are not used: what Python sees of it without them."""
        script.use(facts=facts)
        known = script.bind("facts", facts(t))
        at = self._says(f"shape, dtype or history of {self._where(t)}", "as recorded", "changed")
        script.line(f"if facts({script.bind('tensor', t)}) != {known}: return {at}")

    def _where(self, t: Any) -> str:
        labels = [guard.label for guard in self.guards.found if guard.value is t]
        return labels[0] if labels else f"a tensor of shape {tuple(t._shape)}"

    def _tensor(self, script: Script, t: Any, owned: bool) -> None:
        name, edge = script.bind("tensor", t), t._track.edge
        seen = script.bind("edge", edge)
        tests = {
            "memory": f"{name}._storage is not {script.bind('kept', t._storage)}",
            "requires_grad": f"{name}._track.edge is not {seen}",
        }
        if type(edge) is Leaf:
            tests["hooks"] = f"{seen}.hooks or {seen}.after"
            if edge.hooks or edge.after:
                hooks = script.bind("hooks", content([edge.hooks, edge.after]))
                tests["hooks"] = f"content([{seen}.hooks, {seen}.after]) != {hooks}"
        if owned:
            tests["memory of the gradient"] = f"{name}._box is not {script.bind('box', t._box)}"
        where = self._where(t)
        for what, test in tests.items():
            was = ("as recorded", "changed")
            if what == "requires_grad":
                was = ("False", "True") if edge is None else ("True", "False or computed")
            at = self._says(f"{what} of {where}", *was)
            script.line(f"if {test}: return {at}")


def own(source: tuple[str, Any]) -> tuple[str, Any]:
    """Where an input comes from, be it memory of NumPy or not."""
    return source[1] if source[0] == "external" else source

"""What must hold for a recording to describe the next call too.

Entry: `Conditions(recording).broken(tensors)`. Imports: guards, recordings.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.guards import Guards, content
from jitgrad.frontend.recording import Recording
from jitgrad.frontend.tape import Leaf

GRADIENT = "whether a gradient is None"
Reason = tuple[str, str, str]  # what changed, what it was, what it is


class Conditions:
    """Guards on what Python held, and on the Tensors: storages, histories, gradients, sharing."""

    def __init__(self, r: Recording) -> None:
        tensors = r.capture.pattern.tensors
        used = set()
        for kind, what in r.sources:
            if kind == "external":
                kind, what = what
            if kind == "keep":
                used.add(id(what))
        self.used = used
        self.plain_args = [i for i, t in enumerate(tensors) if id(t._storage) not in used]
        self.same_args = [(i, t._storage) for i, t in enumerate(tensors) if id(t._storage) in used]
        self.arg_grads = [(s[1], had) for s, had, _ in r.boxes if s[0] == "box of"]
        self.arg_leaves = [i for i, t in enumerate(tensors) if type(t._track.edge) is Leaf]
        self.guards = Guards(list(r.watch.found.values()), self._tensors(r))
        self.check = self.guards.check

    def _tensors(self, r: Recording) -> list[tuple[str, dict[str, Any], Reason]]:
        """Of the Tensors that guards have seen: (when it fails, its names, what to say)."""
        out: list[tuple[str, dict[str, Any], Reason]] = []
        boxes = {id(s[1]): (s[1], had) for s, had, _ in r.boxes if s[0] == "box"}
        for t in r.watch.tensors.values():
            owned = t._box is not None and id(t._box) in boxes
            if id(t._storage) not in self.used and not owned:
                continue
            edge = t._track.edge
            names = {"t": t, "s": t._storage, "e": edge, "b": t._box}
            text = "{t}._storage is not {s} or {t}._track.edge is not {e}"
            if type(edge) is Leaf:
                if edge.hooks or edge.after:
                    names["c"] = content([edge.hooks, edge.after])
                    text += " or content([{e}.hooks, {e}.after]) != {c}"
                else:
                    text += " or {e}.hooks or {e}.after"
            if owned:
                text += " or {t}._box is not {b}"
            what = f"memory, requires_grad or hooks of a tensor of shape {tuple(t._shape)}"
            out.append((text, names, (what, "as recorded", "changed")))
        for box, had in boxes.values():
            text = "(x := {b}.value) is not None"
            if had:
                text = (
                    "(x := {b}.value) is None or x._view is not None or x._track.edge is not None"
                )
            out.append((text, {"b": box}, (GRADIENT, str(not had), str(had))))
        return out

    def broken(self, tensors: list[Any]) -> Reason | None:
        """What no longer holds, of values or of these Tensor arguments; None if all does."""
        at = self.check()
        if at != -1:
            return self.guards.reason(at)
        used = self.used
        for i in self.plain_args:
            if id(tensors[i]._storage) in used:
                return "memory that an argument shares with a tensor of the function", "no", "yes"
        for i, storage in self.same_args:
            if tensors[i]._storage is not storage:
                return "memory that an argument shares with a tensor of the function", "yes", "no"
        for i, had in self.arg_grads:
            box = tensors[i]._box
            if box is None or (box.value is not None) != had:
                return GRADIENT, str(not had), str(had)
        for i in self.arg_leaves:
            edge = tensors[i]._track.edge
            if edge.hooks or edge.after:
                return "hooks on an argument", "none", "some"
        return None

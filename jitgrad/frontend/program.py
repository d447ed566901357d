"""A recorded function that runs without Python: one generated function, one native call.

The function tests that the call is the one recorded, hands addresses and numbers to the kernels,
runs them and puts the results where they belong. Entry: `Program(recording, ...)`, made when two
recordings agree; it computes the second. Imports: recordings, runtime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.frontend.conditions import Conditions, own
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.pending import flush
from jitgrad.frontend.recording import Recording
from jitgrad.frontend.results import Results
from jitgrad.frontend.retracing import Retrace
from jitgrad.frontend.storage import Storage
from jitgrad.runtime import threads
from jitgrad.runtime.replay import Replay
from jitgrad.runtime.script import Script

_KINDS = ("keep", "box", "arg", "box of", "batch", "external")


class Program:
    """See the module.

    `call(args, kwargs)` is the result of a call, or a `Miss`: then nothing has happened.
    """

    def __init__(
        self, recording: Recording, conditions: Conditions, args: Any, kwargs: Any, owner: str
    ) -> None:
        r = recording
        order = sorted(range(len(r.sources)), key=lambda i: _KINDS.index(r.sources[i][0]))
        self.sources = [r.sources[i] for i in order]
        self.tensors = r.capture.pattern.tensors  # while the lines are written
        self.numbers: list[str] = []  # expressions
        self.draws: list[tuple[str, str]] = []
        self.script = script = Script(f"replay of {owner}")
        indices = self._scalars(r)
        self.replay = Replay(r.roots, [r.inputs[i] for i in order], indices)
        slots = {i: at for at, i in enumerate(order)}
        self.trace: Retrace | None = None
        if r.history is not None:
            self.trace = Retrace(r.history, [node for _, node, _ in r.draws])
        self.results = Results(script, r, self.replay.at, slots, self._storage, self.trace)
        with script.block("def replay(args, kwargs):"):
            self._write(r, conditions, args, kwargs)
        self.call = script.build("replay")
        self.text = script.text
        del self.script, self.results, self.tensors, self.sources
        if self.trace is not None:
            self.trace.forget()

    def release(self) -> None:
        """Give memory back that is kept for the next call: another program runs now."""
        with threads.execution_lock:
            own = self.call.__globals__
            for name in self.kept:
                own[name] = None

    # ---- numbers

    def _scalars(self, r: Recording) -> dict[int, int]:
        """Scalar nodes and draws -> index of what stands for them in `numbers` and `draws`."""
        bind = self.script.bind
        found: dict[int, int] = {}
        known: dict[Any, int] = {}
        for node in r.order:
            if node.op.name == "scalar" and type(node.data) is HostFloat:
                number = node.data
                if number.rule is not None:
                    what = f"{bind('host', number)}.get()"
                else:
                    what = f"{bind('event', number.event)}.values[{number.at}]"
                found[id(node)] = known.setdefault(what, len(known))
        self.numbers = list(known)
        for g, node, number in r.draws:
            name = bind("generator", g)
            found[id(node)] = len(self.draws)
            self.draws.append((f"{name}._seed", f"({name}._draw + {number})"))
        return found

    # ---- where inputs come from

    def _storage(self, at: int) -> str:
        """The storage of input `at`, as an expression."""
        kind, what = own(self.sources[at])
        if kind == "keep":
            return self.script.bind("kept", what)
        return f"held{at}" if kind in ("box", "box of") else f"s{what}"

    def _address(self, at: int) -> str:
        """Where input `at` lies, as an expression."""
        kind, what = self.sources[at]
        storage = self._storage(at)
        if kind == "batch":
            size = self.tensors[what]._dtype.itemsize
            return f"{storage}.node.data.ptr + ({storage}.node.offset + offset{what}) * {size}"
        return f"{storage}.node.data.ptr"

    # ---- the lines

    def _write(self, r: Recording, conditions: Conditions, args: Any, kwargs: Any) -> None:
        script, replay = self.script, self.replay
        script.use(**replay.names(), lock=threads.execution_lock, settle=_settle)
        self.kept = ["steady", *replay.kept(self.results.traded)]
        script.use(**dict.fromkeys(self.kept))
        script.line(f"global {', '.join(self.kept)}")
        conditions.write(script, args, kwargs)
        with script.block("with lock:"):
            self._inputs()
            for event in r.capture.events:
                name = script.bind("event", event)
                if event is r.capture.given:
                    numbers = [f"{conditions.numbers[at]}, " for at in r.capture.numbered]
                    script.line(f"{name}.values = ({''.join(numbers)})")
                else:
                    script.line(f"{name}.values = {name}.fn()")
            replay.write_memory(script)
            self._addresses()
            replay.write_numbers(script, self.numbers, self.draws)
            if self.trace is not None:
                drawn = [f"({', '.join(self.draws[i])}), " for i in self.trace.drawn]
                script.line(f"drawn = ({''.join(drawn)})")
            for g, first in r.capture.generators.values():
                if g._draw > first:
                    script.line(f"{script.bind('generator', g)}._draw += {g._draw - first}")
            replay.write_run(script)
            self.results.write()
            replay.write_kept(script)
        script.line("return result")

    def _inputs(self) -> None:
        """Addresses of the inputs: a0, a1, ...; those that stay are compared with the last ones."""
        line, at = self.script.line, range(len(self.sources))
        for i in at:
            kind, what = self.sources[i]
            if kind in ("box", "box of"):
                box = self.script.bind("box", what) if kind == "box" else f"t{what}._box"
                line(f"held{i} = {box}.value._storage")
            elif kind == "external":
                self.script.use(ascontiguousarray=np.ascontiguousarray)
                line(f"array{i} = ascontiguousarray({self._storage(i)}.external)")
                line(f"a{i} = array{i}.ctypes.data")
        nodes = [i for i in at if self.sources[i][0] != "external"]
        self.steady = {i for i in nodes if self.sources[i][0] == "keep"} - self.results.updated
        if not nodes:
            return
        with self.script.block("while True:"):
            with self.script.block("try:"):
                for i in nodes:
                    if i not in self.steady:
                        line(f"a{i} = {self._address(i)}")
                steady = [f"{self._address(i)}, " for i in sorted(self.steady)]
                if steady:
                    line(f"addresses = ({''.join(steady)})")
                line("break")
            line("except AttributeError:  # something is pending")
            storages = [f"{self._storage(i)}, " for i in nodes]
            line(f"    settle(({''.join(storages)}))")

    def _addresses(self) -> None:
        """Where kernels look for them."""
        replay, script = self.replay, self.script
        first = replay.inputs
        if self.steady:
            with script.block("if addresses != steady:"):
                script.line("steady = None  # Ctrl-C may come in between")
                script.line("".join([f"a{i}, " for i in sorted(self.steady)]) + "= addresses")
                replay.write_addresses(script, lambda i: f"a{i}" if i in self.steady else None)
                script.line("steady = addresses")
        replay.write_addresses(
            script,
            lambda i: (
                None if i in self.steady else f"out{i - first}.ptr" if i >= first else f"a{i}"
            ),
        )


def _settle(storages: tuple[Storage, ...]) -> None:
    """Compute those that are pending."""
    waiting = [s.node for s in storages if s.node is not None and not s.node.realised]
    assert waiting, "an input of a compiled function has no memory"
    flush(waiting)

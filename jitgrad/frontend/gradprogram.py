"""The gradient of a compiled function as a program: saved values and the gradient of the result
in, contributions to the gradients of what it used out.

Entry: `Gradient`. Imports: runtime.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend.pending import flush
from jitgrad.ir.node import Node
from jitgrad.ir.op import OPS
from jitgrad.runtime import threads
from jitgrad.runtime.replay import Replay
from jitgrad.runtime.script import Script

_BUFFER = OPS["buffer"]
_SITE = ("<compiled>", 0, "backward")


class Gradient:
    """See the module. A call takes (values, draws, gradient of the result)."""

    def __init__(
        self, inputs: list[Node], random: list[Node], grads: list[Node], label: str
    ) -> None:
        """Computes `grads`, which lie over `inputs` (the values, then the gradient) and `random`
        draws. Later calls have other memory in place of that of `inputs`."""
        roots = list({id(n): n for n in grads if not n.realised}.values())
        replay = Replay(roots, inputs, {id(n): i for i, n in enumerate(random)})
        script = Script(f"gradient of {label}")
        kept = replay.kept(set())
        script.use(**replay.names(), lock=threads.execution_lock, node=_node)
        script.use(**dict.fromkeys(kept))
        with script.block("def gradient(values, draws, g):"):
            script.line(f"global {', '.join(kept)}", "switches = switched()")
            names = [f"n{i}" for i in range(len(inputs) - 1)]
            if names:
                script.line(f"{', '.join(names)}, = values")
            names.append("g")
            with script.block("with lock:"):
                for i, (name, n) in enumerate(zip(names, inputs, strict=True)):
                    size = n.dtype.itemsize
                    moved = f" + {name}.offset * {size}" if n.strides is not None else ""
                    script.line(f"a{i} = {name}.data.ptr{moved}")
                replay.write_memory(script)
                first = replay.inputs
                replay.write_addresses(
                    script, lambda i: f"out{i - first}.ptr" if i >= first else f"a{i}"
                )
                drawn = [(f"draws[{i}][0]", f"draws[{i}][1]") for i in range(len(random))]
                replay.write_numbers(script, [], drawn)
                replay.write_run(script)
                replay.write_kept(script)
            made = {id(n): f"r{i}" for i, n in enumerate(roots)}
            for i, n in enumerate(roots):
                dtype = script.bind("dtype", n.dtype)
                script.line(f"r{i} = node({n.shape}, {dtype}, out{replay.at[i]})")
            made |= dict(zip(map(id, inputs), names, strict=True))
            script.line(f"return ({''.join([made[id(n)] + ', ' for n in grads])})")
        self._call = script.build("gradient")
        self._ones: dict[str, Node] = {}

    def __call__(self, values: Any, draws: Any, g: Node) -> tuple[Node, ...]:
        if g.op.name == "const" and not g.shape:  # loss.backward()
            one = self._ones.get(repr(g.data))
            g = self._ones.setdefault(repr(g.data), self.whole(g)) if one is None else one
        out: tuple[Node, ...] = self._call(values, draws, self.whole(g))
        return out

    @staticmethod
    def whole(g: Node) -> Node:
        """`g` computed."""
        if not g.realised:
            flush((g,))
        assert g.strides is None and not g.offset, "a gradient is the whole of its memory"
        return g


def _node(shape: Any, dtype: Any, memory: Any) -> Node:
    return Node(_BUFFER, (), (), shape, dtype, "cpu", _SITE, memory)

"""When recorded ops are computed: reads, full flushes, and the cut of chains that grow.

Entry: `flush(nodes)`, `flush_all()`, `soft_flush()`, `read(node, why)`. Imports: ir, runtime.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from weakref import ref

from jitgrad.frontend.meta import no_values
from jitgrad.frontend.recovery import recover
from jitgrad.frontend.state import Place, State, local, site
from jitgrad.ir.node import Node, walk
from jitgrad.ir.site import Site

LINKS = 64  # a chain that grows from one source line is cut at this link
BOUND = 1_000_000  # ops recorded without a full flush: only a backstop

# Reads that made something run, by (what read, file, line); `observers` hear of each, and of every
# other flush, before it happens.
reads: Counter[tuple[str, str, int]] = Counter()
observers: list[Callable[[str, Site], None]] = []


def flush(nodes: Iterable[Node]) -> None:
    """Compute `nodes` and what is worth keeping below them."""
    runtime, recall, looping = _runtime()
    roots = runtime.pending(nodes)
    planned = [node for node in roots if node.device != "cpu"]
    if planned:
        runtime.flush(kept(planned))
        roots = [node for node in roots if node.device == "cpu"]
    for first, loop in looping.ahead(roots):
        flush(first)
        runtime.run_loop(loop)
        roots = runtime.pending(roots)
    if roots:
        held = held_by_user()
        sight = recall.look(roots, held)
        if sight is None or not runtime.again(sight):
            runtime.flush(kept(roots, held), sight)


@functools.cache
def _runtime() -> tuple[Any, Any, Any]:
    """What computes; imported when something is, for it brings the compiler."""
    from jitgrad.runtime import flush, looping, recall

    return flush, recall, looping


def held_by_user() -> set[int]:
    """The ids of pending nodes that live Tensors hold."""
    return {id(s.node) for s in _live(local.state)}


def kept(roots: list[Node], held: set[int] | None = None) -> list[Node]:
    """`roots`, and the pending results below them that would be costly to compute again.

    Those are results of ops with cost "keep" that a live tape will read in backward, directly or
    through cheap ops, or that the user still holds (`held`: see `held_by_user`).
    """
    held = held_by_user() if held is None else held
    out, have = list(roots), set(map(id, roots))
    needed: set[int] = set()
    for node in reversed(walk(roots)):
        if not node.inputs:
            if id(node) in held and id(node) not in have:  # a draw
                out.append(node)
            continue
        wanted = id(node) in needed
        if not wanted and node.keepers:
            node.keepers = [edge for edge in node.keepers if _saves(edge())]
            wanted = bool(node.keepers)
        if node.op.cost == "keep":
            if (wanted or id(node) in held) and id(node) not in have:
                out.append(node)
        elif wanted and id(node) not in have:
            needed.update(map(id, node.inputs))
    return out


def _saves(edge: Any) -> bool:
    return edge is not None and edge.saved is not None


def _live(state: State) -> list[Any]:
    """The live Storages of the thread whose values are pending, oldest first; forgets the others,
    which a loop that reads at every turn would else look at again and again."""
    weak, alive = [], []
    for w in state.pending:
        storage = w()
        if storage is not None and storage.node is not None and waits(storage.node):
            weak.append(w)
            alive.append(storage)
    state.recorded += len(state.pending) - len(weak)
    state.pending[:] = weak
    return alive


_DRAWS = frozenset(["iota", "uniform", "normal", "random_bits"])


def waits(node: Node) -> bool:
    """Whether there is something to compute (a number needs no computing)."""
    return bool(node.inputs) or node.op.name in _DRAWS


def flush_all(why: str = "flush_all") -> None:
    """Compute every live pending Tensor of the thread (optimizers do this at the end of a step).

    `why` is what `debug.sync` says of it.
    """
    state = local.state
    if state.capture is not None:
        state.capture.deferred = True
        return
    state.after_cut = False
    _flush_live(state, why)


def soft_flush(why: str = "soft flush") -> None:
    """The same where nobody asked for a value, so that loops which never read stay flat."""
    if local.state.capture is None:
        _flush_live(local.state, why)


def _flush_live(state: State, why: str) -> None:
    storages = _live(state)
    if storages and observers:
        _tell(why, site(state))
    state.pending.clear()
    state.limit = 1024
    state.recorded = 0
    state.epoch += 1
    try:
        flush([s.node for s in storages])
    except BaseException as error:  # Ctrl-C too
        recover(state, storages, error)
        del storages  # or who keeps the traceback keeps every Tensor that was pending
        raise


def sweep(state: State) -> None:
    """Forget dead and realised Storages; flush when far too much is pending."""
    live = {id(s): s for s in _live(state)}
    state.recorded += len(state.pending) - len(live)
    state.pending[:] = map(ref, live.values())
    state.limit = max(1024, 2 * len(state.pending))
    if state.recorded + len(state.pending) > BOUND:
        soft_flush(f"more than {BOUND} ops pending")


def grow(state: State, place: Place, depth: int) -> None:
    """Count one more result of `place`, `depth` ops deep; cut the chain at its 64th link."""
    if place.epoch != state.epoch or depth < place.depth:
        place.epoch = state.epoch
        place.count = 1
        place.depth = depth
        return
    place.count += 1
    if depth - place.depth >= LINKS - 1:
        cut(state, place, depth)


def cut(state: State, place: Place, depth: int) -> None:
    """Flush if `place` has added a link each time: it did not just run often.

    A place whose chain was cut before comes first (the others wait for one more link): so a loop
    of several lines is always cut at the same one.
    """
    limit = LINKS + 1 if state.after_cut and not place.cutter else LINKS
    if place.count >= limit and depth - place.depth >= limit - 1:
        place.cutter = state.after_cut = True
        soft_flush(f"chain of {LINKS} ops")


def _tell(why: str, where: Site) -> None:
    for observe in observers:
        observe(why, where)


def read(node: Node, why: str) -> None:
    """Compute `node` because the user looks at its value."""
    if node.device != "cpu" and why != "realize":
        raise no_values(why, node)
    if node.realised:
        return
    if node.op.name not in ("const", "scalar"):
        where = site(local.state)
        reads[why, where[0], where[1]] += 1
        _tell(why, where)
    try:
        flush([node])
    except BaseException as error:  # Ctrl-C too
        recover(local.state, _live(local.state), error)
        raise

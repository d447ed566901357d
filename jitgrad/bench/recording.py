"""What recording costs: lazily, with nothing computed, beside PyTorch's eager mode on tensors so
small that computing them costs nothing worth naming.

Entry: `costs`; `measure` is what its processes run. Recording is what a lazy call takes less the
flushes inside it: the ops of forward, backward and update, their Calls, and Python's share of the
step. Imports `client`, `subjects`, `workloads`.
"""

import statistics
import time

from jitgrad.bench.client import Failed, child
from jitgrad.bench.subjects import Torchlike
from jitgrad.bench.workloads import WORKLOADS, Case
from jitgrad.bench.workloads.networks import TINY

WARM = 100  # calls before the clock starts
# Operations written out one by one; the same to a sum and back; a training step, made of Calls.
CASES = (Case(WORKLOADS["gelu"], 1), Case(WORKLOADS["chain"], 1), Case(TINY, 1))
WHO = ("lazy", "torch")

_CODE = """
import json
from jitgrad.bench import recording
print(json.dumps(recording.measure({who!r}, {seconds})))
"""


def costs(runs, seconds, who=WHO):
    """By subject, then by case: `seconds` of a call and the `ops` in it.

    Medians of `runs` processes of each, taking turns. A subject that fails has {"failed": why}.
    """
    found = {name: [] for name in who}
    failed = {}
    for _ in range(runs):
        for name in who:
            if name in failed:
                continue
            try:
                code = _CODE.format(who=name, seconds=seconds)
                found[name].append(child(code, peer=name == "torch"))
            except Failed as why:
                failed[name] = {"failed": str(why)}
    return {name: failed.get(name) or _medians(found[name]) for name in who}


def _medians(answers):
    return {
        label: {
            "seconds": statistics.median(answer[label]["seconds"] for answer in answers),
            "ops": answers[-1][label]["ops"],
        }
        for label in answers[0]
    }


def measure(who, seconds):
    """What `costs` has of one subject, in this process."""
    if who == "lazy":
        import jitgrad as torch

        torch.set_mode("lazy")
        count, flushing = _recorded_ops, _Flushing()
    else:
        import torch  # type: ignore[no-redef]  # one of the two under PyTorch's name

        count, flushing = _dispatched_ops, None
    found = {}
    for case in CASES:
        torch.set_grad_enabled(case.workload.grad)
        step = case.workload.torch(Torchlike(torch), *case.arrays())
        times = _times(step, flushing, seconds)
        found[case.label] = {"seconds": statistics.median(times), "ops": count(step)}
    return found


def _times(step, flushing, seconds):
    """Calls of `step`, each less the flushes inside it."""
    for _ in range(WARM):
        step()
    times, clock = [], time.perf_counter
    end = clock() + seconds
    while clock() < end:
        before = 0.0 if flushing is None else flushing.seconds
        start = clock()
        step()
        took = clock() - start
        times.append(took if flushing is None else took - (flushing.seconds - before))
    return times


class _Flushing:
    """Adds up the seconds that this process spends on flushes nobody waits for a value of."""

    def __init__(self):
        from jitgrad.frontend import pending

        self.seconds = 0.0
        flush = pending._flush_live

        def timed(*args):
            start = time.perf_counter()
            try:
                return flush(*args)
            finally:
                self.seconds += time.perf_counter() - start

        pending._flush_live = timed


def _recorded_ops(step):
    """The ops that a call of `step` records: those that compute, inside Calls too, but neither
    numbers nor the movement (expanding, transposing) that is no work."""
    from jitgrad.bench.complete import complete
    from jitgrad.frontend import pending
    from jitgrad.ir.node import walk

    seen, flush = [], pending.flush

    def noting(nodes):
        nodes = list(nodes)
        seen.extend(node for node in walk(nodes) if node.inputs and node.op.kind != "movement")
        return flush(nodes)

    pending.flush = noting
    try:
        complete(step())
    finally:
        pending.flush = flush
    return len({id(node) for node in seen})


def _dispatched_ops(step):
    """The ops that PyTorch dispatches in a call of `step`."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        ops = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.ops += 1
            return func(*args, **(kwargs or {}))

    with Count() as count:
        step()
    return count.ops

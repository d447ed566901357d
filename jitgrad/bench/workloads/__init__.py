"""What is timed: each workload once for PyTorch's names and once for JAX's, with its bar.

Entry: `WORKLOADS`, `cases`. A new workload is a module here and its name below. Imports NumPy.
"""

from jitgrad.bench.workloads import chains, networks, products, rows
from jitgrad.bench.workloads.workload import Bar, Case, Workload

WORKLOADS = {
    workload.name: workload
    for workload in (
        chains.GELU,
        chains.CHAIN,
        rows.SOFTMAX,
        rows.CROSS_ENTROPY,
        rows.LAYER_NORM,
        products.MATMUL,
        networks.MLP,
        networks.AUTOENCODER,
    )
}


def cases(names=(), quick=False, sizes=()):
    """The cases that `names` choose: "gelu" all sizes (`quick`: the smallest), "gelu:1e5" one.

    With `sizes`, each name has these instead of its own.

    >>> [case.label for case in cases(["matmul", "gelu:1e5"])]
    ['matmul:1024', 'gelu:1e5']
    >>> [case.label for case in cases(["softmax", "gelu"], sizes=["37", "1e3"])]
    ['softmax:37', 'softmax:1e3', 'gelu:37', 'gelu:1e3']
    """
    chosen = []
    for name in names or WORKLOADS:
        name, _, size = name.partition(":")
        if name not in WORKLOADS:
            raise ValueError(f"no workload {name!r}; there are {', '.join(WORKLOADS)}")
        if size and sizes:
            raise ValueError(f"{name}:{size} names a size, and sizes are given")
        workload = WORKLOADS[name]
        own = workload.sizes[:1] if quick else workload.sizes
        some = [_size(text) for text in ([size] if size else sizes)] or own
        chosen += [Case(workload, size) for size in some]
    return list(dict.fromkeys(chosen))


def _size(text):
    try:
        size = int(float(text))
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise ValueError(f"size {text!r}: expected a positive number such as 64 or 1e5")
    return size


__all__ = ["WORKLOADS", "Bar", "Case", "Workload", "cases"]

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


def cases(names=(), quick=False):
    """The cases that `names` choose: "gelu" all sizes (`quick`: the smallest), "gelu:1e5" one.

    >>> [case.label for case in cases(["softmax", "gelu:1e5"])]
    ['softmax:4096', 'gelu:1e5']
    """
    chosen = []
    for name in names or WORKLOADS:
        name, _, size = name.partition(":")
        if name not in WORKLOADS:
            raise ValueError(f"no workload {name!r}; there are {', '.join(WORKLOADS)}")
        workload = WORKLOADS[name]
        sizes = (_size(size),) if size else workload.sizes[:1] if quick else workload.sizes
        chosen += [Case(workload, size) for size in sizes]
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

"""Who runs a workload: jitgrad's modes, its peers, and the ceilings; entry `SUBJECTS`.

A subject opens a case as a `Session` in the process it is alone in. The peers' packages are
imported when they are opened. Imports the public names and `runtime`.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitgrad.bench import ceilings, sgemm
from jitgrad.bench.clock import Spread
from jitgrad.bench.complete import complete, tensors
from jitgrad.bench.workloads import Case


@dataclass(frozen=True)
class Session:
    """A workload ready to run: `finish(step())` is one call with its result complete in memory."""

    step: Callable[[], Any]
    finish: Callable[[Any], Any]
    host: Callable[[Any], list[np.ndarray]]  # the result as arrays
    note: Callable[[], str] = lambda: ""  # what makes the times mean less than they seem to
    timer: Callable[[float], Spread] | None = None  # in place of repeated calls for so many seconds
    imported: float = field(default_factory=time.perf_counter)  # when the package was there


@dataclass(frozen=True)
class Subject:
    """A row of `SUBJECTS`."""

    name: str
    kind: str  # "jitgrad", "peer", "ceiling"
    package: str
    open: Callable[[Case, int], Session]
    runs: Callable[[Case], bool] = lambda case: True  # whether a case is for it

    @property
    def installed(self):
        """Whether its package can be imported."""
        return importlib.util.find_spec(self.package) is not None


def _same(fn):
    return fn


def _none(value):
    return []


@dataclass(frozen=True)
class Torchlike:
    """What a workload is written with: PyTorch's names, and what is to be compiled.

    `forward` wraps the function that is differentiated, as PyTorch's compiler wants it; `step` the
    whole step, as jitgrad's does. `fused` is the optimizer's argument of that name.
    """

    torch: Any
    fused: bool = True
    forward: Callable[[Any], Any] = _same
    step: Callable[[Any], Any] = _same

    def tensor(self, array, grad=False):
        """A copy of a NumPy array."""
        return self.torch.tensor(array, requires_grad=grad)


def _jitgrad(mode):
    def open_case(case, threads):
        import jitgrad

        imported = time.perf_counter()
        jitgrad.set_mode("eager" if mode == "eager" else "lazy")
        jitgrad.set_num_threads(threads)
        jitgrad.set_grad_enabled(case.workload.grad)
        wrapped = []

        def step(fn):
            wrapped.append(jitgrad.compile(fn))
            return wrapped[-1]

        api = Torchlike(jitgrad, step=step if mode == "compiled" else _same)
        run = case.workload.torch(api, *case.arrays())
        return Session(run, complete, _arrays, lambda: lazily(wrapped), imported=imported)

    return open_case


def _arrays(value):
    return [tensor.detach().numpy().copy() for tensor in tensors(value)]


def lazily(wrapped):
    """Why functions given to `compile` are not replayed, if they are not."""
    for fn in wrapped:
        for known in fn._known.values():
            if known.lazy:
                return f"compiled runs lazily: {known.lazy}"
    return ""


def _torch(compiled, fused):
    def open_case(case, threads):
        import torch

        imported = time.perf_counter()
        torch.set_num_threads(threads)
        torch.set_grad_enabled(case.workload.grad)
        api = Torchlike(torch, fused, forward=torch.compile if compiled else _same)
        run = case.workload.torch(api, *case.arrays())

        def host(value):
            value = value if isinstance(value, tuple) else (value,)
            return [tensor.detach().numpy().copy() for tensor in value]

        return Session(run, _same, host, imported=imported)

    return open_case


def _jax(case, threads):
    import jax

    imported = time.perf_counter()
    run = case.workload.jax(jax, *case.arrays())

    def host(value):
        return [np.array(leaf) for leaf in jax.tree_util.tree_leaves(value)]

    return Session(run, jax.block_until_ready, host, imported=imported)


def _numpy(case, threads):
    imported = time.perf_counter()
    return Session(case.workload.numpy(np, *case.arrays()), _same, _as_list, imported=imported)


def _numexpr(case, threads):
    import numexpr

    imported = time.perf_counter()
    numexpr.set_num_threads(threads)
    run = case.workload.numexpr(numexpr, *case.arrays())
    return Session(run, _same, _as_list, imported=imported)


def _as_list(value):
    return [array.copy() for array in (value if isinstance(value, tuple) else (value,))]


def _sgemm(make):
    def open_case(case, threads):
        imported = time.perf_counter()
        run = make(*case.arrays(), threads)
        return Session(run, _same, lambda value: [value.copy()], imported=imported)

    return open_case


def _copy(case, threads):
    imported = time.perf_counter()
    run = ceilings.copy(case.workload.nbytes(case.size), threads)
    return Session(run, _same, _none, imported=imported)


def _product(case, threads):
    imported = time.perf_counter()
    run, timer = ceilings.product(case.workload.flops(case.size), threads)
    return Session(run, _same, _none, timer=timer, imported=imported)


def _square(case):
    return case.workload.name == "matmul"


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("eager", "jitgrad", "jitgrad", _jitgrad("eager")),
        Subject("lazy", "jitgrad", "jitgrad", _jitgrad("lazy")),
        Subject("compiled", "jitgrad", "jitgrad", _jitgrad("compiled")),
        Subject("torch", "peer", "torch", _torch(compiled=False, fused=False)),
        Subject(
            "torch.fused",
            "peer",
            "torch",
            _torch(compiled=False, fused=True),
            lambda case: case.workload.optimizer,
        ),
        Subject("torch.compile", "peer", "torch", _torch(compiled=True, fused=True)),
        Subject("jax", "peer", "jax", _jax),
        Subject("numpy", "peer", "numpy", _numpy, lambda case: case.workload.numpy is not None),
        Subject(
            "numexpr", "peer", "numexpr", _numexpr, lambda case: case.workload.numexpr is not None
        ),
        Subject("sgemm.threaded", "ceiling", "scipy_openblas32", _sgemm(sgemm.threaded), _square),
        Subject("sgemm.per_core", "ceiling", "scipy_openblas32", _sgemm(sgemm.per_core), _square),
        Subject("copy", "ceiling", "jitgrad", _copy, lambda case: case.workload.nbytes is not None),
        Subject(
            "products",
            "ceiling",
            "scipy_openblas32",
            _product,
            lambda case: case.workload.flops is not None,
        ),
    )
}

"""`compare`: one function in every mode and in float64, down to the operation that differs first.

Imports: the public names, frontend, runtime, compiler, ir.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

import jitgrad
from jitgrad.bench.complete import complete, tensors
from jitgrad.bench.subjects import lazily
from jitgrad.debug.opbyop import OpByOp, Skipped
from jitgrad.debug.restoring import Saved
from jitgrad.frontend.compiling import uncompiled
from jitgrad.frontend.views import numpy_view
from jitgrad.ir.node import Node
from jitgrad.runtime import trace
from jitgrad.runtime.patched import outputs

MODES = ("eager", "lazy", "compiled")
_SILENT = {"buffer", "const", "scalar"}


@dataclass(frozen=True)
class Divergence:
    """The first operation, in the order they ran, whose result is another than it should be.

    Attributes:
        mode: where; `against`: "alone" (the operation by itself) or "float64".
        op, site: its name; file, line and note ("grad of tanh").
        kernel: the kernel that computed it.
        error: largest difference, as a part of the largest value expected.
    """

    mode: str
    against: str
    op: str
    site: tuple[str, int, str]
    kernel: str
    error: float

    def __str__(self) -> str:
        file, line, note = self.site
        where = f"{os.path.basename(file)}:{line}" + (f" ({note})" if note else "")
        if self.against == "float64":
            return f"first far from float64: {self.op} at {where}, by {self.error:.1e}"
        return (
            f"first in {self.mode}: {self.op} at {where} gives other bits in kernel "
            f"{self.kernel} than alone, by {self.error:.1e}"
        )


@dataclass
class Comparison:
    """What `compare` found; printing it shows all of it.

    Attributes:
        modes: by mode, "" or why it was not run as such.
        values: by mode and name, what was returned (`result[0]`) or changed (`net.weight`).
        differing: (name, mode) of values whose bits are not eager's.
        errors: by name, how far lazy is from the float64 run, as a part of the largest value.
        diverged: the first operation that is computed differently together with others, if any.
        imprecise: the first operation further from float64 than the tolerance, if any.
        ops: how many operations were computed again one by one.
    """

    tolerance: float
    modes: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    differing: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    diverged: Divergence | None = None
    imprecise: Divergence | None = None
    ops: int = 0

    @property
    def same(self) -> bool:
        """Whether all modes gave the same bits, and every operation those that it gives alone."""
        return not self.differing and self.diverged is None

    def __str__(self) -> str:
        names = list(self.values["eager"])
        width = max([10, *map(len, names)])
        lines = [f"{'':<{width}}  {'modes':<20}  from float64"]
        for name in names:
            wrong = [mode for other, mode in self.differing if other == name]
            bits = f"{', '.join(wrong)} differ" if wrong else "the same bits"
            error = f"{self.errors[name]:.1e}" if name in self.errors else "-"
            lines.append(f"{name:<{width}}  {bits:<20}  {error}")
        lines += [f"{mode}: {why}" for mode, why in self.modes.items() if why]
        if self.diverged is not None:
            lines.append(str(self.diverged))
        elif self.differing:
            lines.append("every kernel gave what its operations give: what was recorded differs")
        lines.append(
            str(self.imprecise)
            if self.imprecise is not None
            else f"all {self.ops} operations are within {self.tolerance:.0e} of float64"
        )
        return "\n".join(lines)


def compare(fn: Any, *args: Any, tolerance: float = 1e-4) -> Comparison:
    """Run `fn(*args)` eagerly, lazily, compiled and in float64, each from the same state.

    Compared bit for bit are what it returns and every Tensor that it can reach (arguments, closure,
    globals; parameters, their gradients). In lazy and compiled runs each operation is also computed
    alone, to name the first that a fused kernel computes differently; and in float64 from start to
    end, to name the first that is off by more than `tolerance` of its largest value (each step of a
    scan from what the one before it left). Afterwards all is as it was before: training steps can
    be compared. Of what `jitgrad.compile` returned, the function that it was given is compared.

    Example:
        >>> import jitgrad as jg
        >>> found = compare(lambda x: (x - x.mean()).tanh(), jg.arange(5.0))
        >>> found.same, found.diverged, found.imprecise
        (True, None, None)
        >>> big = jg.full((4,), 1e8)
        >>> print(compare(lambda x: (x + 1) - x, big).imprecise)
        first far from float64: sub at ...:1, by 1.0e+00
    """
    found, fn = Comparison(tolerance), uncompiled(fn)
    saved = Saved(fn, args)
    try:
        for mode in MODES:
            _run(mode, fn, args, saved, found)
    finally:
        saved.restore()
    for mode, values in found.values.items():
        for name, array in found.values["eager"].items():
            if name not in values or not _same(values[name], array):
                found.differing.append((name, mode))
    return found


def _run(mode: str, fn: Any, args: Any, saved: Saved, found: Comparison) -> None:
    """One mode, whose last call is watched; compiled functions record twice first."""
    work = jitgrad.compile(fn) if mode == "compiled" else fn
    checker = _Checker(mode, found)
    found.modes[mode] = ""
    with jitgrad.mode("eager" if mode == "eager" else "lazy"):
        try:
            for _ in range(2 if mode == "compiled" else 0):
                saved.restore()
                complete(work(*args))
            saved.restore()
            with trace.watching(None if mode == "eager" else checker):
                result = complete(work(*args))
                jitgrad.flush_all()
        except RuntimeError as error:
            if mode != "compiled":
                raise
            found.modes[mode] = f"not run: {error}"
            return
    if mode == "compiled" and lazily([work]):
        found.modes[mode] = lazily([work])
    named = {f"result[{i}]": t for i, t in enumerate(tensors(result))} | saved.tensors
    for name, t in saved.tensors.items():
        if t.is_leaf and t.grad is not None:
            named[f"{name}.grad"] = t.grad
    found.values[mode] = {name: np.array(t.detach().numpy()) for name, t in named.items()}
    if mode == "lazy":
        for name, t in named.items():
            double = checker.double_of(t)
            if double is not None:
                found.errors[name] = _error(found.values[mode][name], double)


class _Checker:
    """A launcher that holds every launch against its operations one by one, and float64."""

    def __init__(self, mode: str, found: Comparison) -> None:
        self.mode = mode
        self.found = found
        # What came out of earlier launches, in float64.
        self.doubles: WeakKeyDictionary[Node, np.ndarray] = WeakKeyDictionary()

    def __call__(self, plan: Any) -> Any:
        graph = OpByOp(plan)
        try:
            alone = {i: graph.array(i).copy() for i in plan.schedule.wanted}
            if self.mode == "lazy":
                self._double(graph, plan)
        except (IndexError, Skipped):  # an index error is the plan's to raise
            alone = {}
        failure = plan.program.run()
        if failure is None and self.found.diverged is None:
            for i, values in sorted(outputs(plan, plan.nodes).items()):
                if i in alone and not _same(values, alone[i]):
                    self.found.diverged = self._first(graph, plan, i, values)
                    break
        return failure

    def _double(self, graph: OpByOp, plan: Any) -> None:
        wanted = set(plan.schedule.wanted)
        for i, double in graph.doubles(self.doubles.get):
            node = graph.nodes[i]
            if i in wanted:
                self.doubles[node] = double
            if node.op.name in _SILENT:
                continue
            self.found.ops += 1
            if node.dtype.kind == "f" and node.op.kind != "movement" and not self.found.imprecise:
                error = _error(graph.array(i), double)
                if not error <= self.found.tolerance:
                    self.found.imprecise = self._divergence("float64", plan, i, error)

    def _first(self, graph: OpByOp, plan: Any, last: int, values: np.ndarray) -> Divergence:
        """The first operation below `last` that differs when it is computed with those below it."""
        for i in graph.below(last):
            together = graph.fused(i)
            if not _same(together, graph.array(i)):
                return self._divergence("alone", plan, i, _error(together, graph.array(i)))
        return self._divergence("alone", plan, last, _error(values, graph.array(last)))

    def _divergence(self, against: str, plan: Any, i: int, error: float) -> Divergence:
        node = plan.nodes[i]
        kernels = [s.name for s in plan.schedule.steps if any(i in part for part in s.sources)]
        return Divergence(
            self.mode, against, node.op.name, node.site, ", ".join(kernels) or "-", error
        )

    def double_of(self, t: Any) -> np.ndarray | None:
        """A Tensor's values in float64, if a launch computed them."""
        node = t._storage.node
        double = None if node is None else self.doubles.get(node)
        if double is None or t._view is None:
            return double
        return numpy_view(double, t._view.chain)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have the same bits; any NaN is as good as another."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind == "f":
        a, b = (np.where(np.isnan(x), np.array(np.nan, x.dtype), x) for x in (a, b))
    return a.tobytes() == b.tobytes()


def _error(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, as a part of the largest finite value expected; inf if one is not
    finite where the other is."""
    a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(b[finite]).max()) or 1.0
    return float(np.abs(a[finite] - b[finite]).max()) / scale

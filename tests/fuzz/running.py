"""Running a program in every way there is, and comparing. Entry: `disagreement(program, ways)`.

Ways must give the same bits; the reference must be met within what rounding explains: it is run
again with every result perturbed by about one rounding, and what that moves is allowed.
"""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.runtime import build, flush
from tests.fuzz.generate import direction, reference_input
from tests.fuzz.reference import Ref, World
from tests.fuzz.reference_torch import Functional, Torch

REPEATS, MORE = 2, 24  # perturbed runs of the reference: always, and before it is called wrong
ROOM = 16  # how much further than those one may be
FLOOR = {"float32": 3e-6, "float64": 1e-12}  # relative to the largest element


@dataclass(frozen=True)
class Way:
    """One way to run a program."""

    name: str
    mode: str = "lazy"
    fuse: bool = True
    jit: bool = False
    together: bool = False  # all outputs computed by one flush
    captured: bool = False  # by `jitgrad.compile`: recorded twice, then replayed
    calls: int = 1  # of the function, which is to give the same each time

    @contextmanager
    def chosen(self):
        """The switches and the mode."""
        before = {k: os.environ.get(k) for k in ("JITGRAD_JIT", "JITGRAD_FUSE")}
        os.environ.update(JITGRAD_JIT=str(int(self.jit)), JITGRAD_FUSE=str(int(self.fuse)))
        try:
            with torch.mode(self.mode):
                yield
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


EAGER, LAZY = Way("eager", "eager"), Way("lazy", calls=2)  # the second flushes a known graph
UNFUSED = Way("unfused", fuse=False, together=True)
CAPTURED = Way("captured", captured=True, calls=3)
MACHINE = (
    Way("eager machine code", "eager", jit=True),
    Way("lazy machine code", jit=True, calls=2),
    Way("captured machine code", jit=True, captured=True, calls=3),
)


def ways_of(program, code=False):
    """The ways to run it: a program that reads values cannot be captured."""
    captured = "read in the middle" not in program.features
    if code:
        return (EAGER, LAZY, *MACHINE[: 2 + captured])
    return (EAGER, LAZY, CAPTURED if captured and program.seed % 2 else UNFUSED)


class Disagreement(Exception):
    """Calls of one function that do not give the same."""


def function(program, module, functional):
    """The program's function over a module that stands for torch."""
    names = {"torch": module, "F": functional, "np": np}
    exec(compile(program.text(), "<program>", "exec"), names)
    return names["program"]


def run(program, way):
    """What the program gives: {name: array}, or {"error": text}."""
    with way.chosen():
        try:
            return outcome(program, way)
        except Exception as error:  # the engine's own failures are findings too
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            if flush.kept()[0] > 500:
                flush.forget()
                build.forget()


def outcome(program, way):
    """Run the program in the mode that is set."""
    run = function(program, torch, F)
    if way.captured:
        run = torch.compile(run)
    with warnings.catch_warnings():
        if way.captured:
            warnings.simplefilter("ignore")  # that it cannot be replayed
        calls = [called(run, program, way) for _ in range(way.calls)]
    for number, other in enumerate(calls[1:], 2):
        for name, value in calls[0].items():
            if not same_bits(value, other[name]):
                raise Disagreement(
                    f"{name}: call 1 {shown(value)}, call {number} {shown(other[name])}"
                )
    return calls[-1]


def called(run, program, way):
    """One call with new inputs: {name: array}."""
    inputs = []
    for item in program.inputs:
        x = (torch.from_numpy if item.external else torch.tensor)(item.array())
        inputs.append(x.requires_grad_() if item.grad else x)
    seen = []
    torch.manual_seed(program.seed)
    results = run(seen, *inputs)
    if way.together:
        torch.flush_all()
    out = {f"seen[{i}]": np.asarray(x) for i, x in enumerate(seen)}
    for i, (name, x) in enumerate(zip(program.outputs, results, strict=True)):
        out[f"{name} (output {i})"] = x.detach().numpy()
    for item, x in zip(program.inputs, inputs, strict=True):
        if item.grad:
            out[f"{item.name}.grad"] = None if x.grad is None else x.grad.detach().numpy()
    return out


def reference(program, noise=None):
    """The reference's answer, and the derivative of what backward was called on."""
    world = World(noise)
    module = Torch(world)
    module.manual_seed(program.seed)
    inputs = [reference_input(world, item) for item in program.inputs]
    seen = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        results = function(program, module, Functional(module))(seen, *inputs)
    out = {f"seen[{i}]": np.asarray(x) for i, x in enumerate(seen)}
    for i, (name, x) in enumerate(zip(program.outputs, results, strict=True)):
        assert isinstance(x, Ref)
        out[f"{name} (output {i})"] = x.v
    return out, world.tangent


def same_bits(a, b):
    """Whether two results are equal to the last bit (any nan is as good as another)."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind == "f":
        words = f"i{a.dtype.itemsize}"
        same = np.ascontiguousarray(a).view(words) == np.ascontiguousarray(b).view(words)
        return bool(np.all(same | (np.isnan(a) & np.isnan(b))))
    return bool(np.array_equal(a, b))


def disagreement(program, code=False):
    """None, or a text that says which ways differ and where."""
    ways = ways_of(program, code)
    first = run(program, ways[0])
    for way in ways[1:]:
        other = run(program, way)
        if "error" in first or "error" in other:
            return f"{ways[0].name}: {first.get('error')}; {way.name}: {other.get('error')}"
        for name, value in first.items():
            if not same_bits(value, other[name]):
                return f"{name}: {ways[0].name} {shown(value)}, {way.name} {shown(other[name])}"
    return against_reference(program, first)


def shown(value):
    """A result in one line."""
    if value is None:
        return "None"
    text = np.array2string(value, threshold=24, floatmode="unique").replace("\n", "")
    return f"{value.dtype}{list(value.shape)} {text}"


def against_reference(program, got):
    """None, or where the result is further from the reference than rounding explains."""
    want, slope = reference(program)
    noise = np.random.default_rng(program.seed)
    runs = [reference(program, noise) for _ in range(REPEATS)]
    problem = compared(program, got, want, slope, runs)
    if problem is not None:  # look again at how far rounding may carry
        runs += [reference(program, noise) for _ in range(MORE)]
        problem = compared(program, got, want, slope, runs)
    return problem


def compared(program, got, want, slope, runs):
    """The first result outside its room."""
    for name, value in want.items():
        have = got[name]
        if have.shape != value.shape or (have.dtype != value.dtype and "output" in name):
            return f"{name}: {have.dtype}{list(have.shape)}, reference {shown(value)}"
        with np.errstate(all="ignore"):
            moved = [np.abs(r[0][name] * 1.0 - value * 1.0) for r in runs]
            room = ROOM * np.max([np.nan_to_num(m, nan=np.inf) for m in moved], 0)
            finite = np.abs(value[np.isfinite(value)])
            scale = float(finite.max()) if finite.size else 0.0
            floor = FLOOR["float32" if any_single(program) else "float64"]
            if value.dtype.kind == "f":
                room = room + floor * (1 + scale)
            gap = np.abs(have * 1.0 - value * 1.0)
            fine = (gap <= room) | (have == value) | (np.isnan(have * 1.0) & np.isnan(value * 1.0))
            fine |= np.isinf(room)
        if not np.all(fine):
            return f"{name}: {shown(have)}, reference {shown(value)}, allowed {room.max():.3g}"
    return gradients(program, got, slope, [r[1] for r in runs])


def gradients(program, got, slope, slopes):
    """Whether the gradients along the inputs' directions sum to the reference's derivative."""
    total = size = 0.0
    single = False
    for item in program.inputs:
        g = got.get(f"{item.name}.grad")
        if g is None:
            continue
        if g.shape != item.shape or g.dtype != item.dtype:
            return f"{item.name}.grad: {g.dtype}{list(g.shape)} for {item.dtype}{list(item.shape)}"
        with np.errstate(all="ignore"):
            parts = g.astype(np.float64) * direction(item)
            total, size = total + float(parts.sum()), size + float(np.abs(parts).sum())
        single |= g.dtype == np.float32
    if not all(map(np.isfinite, [total, slope, *slopes])):
        return None  # where a derivative is infinite there is nothing to compare
    room = ROOM * max(abs(s - slope) for s in slopes)
    room += (1e-4 if single or any_single(program) else 1e-10) * (1e-2 + size + abs(slope))
    if abs(total - slope) <= room:
        return None
    return f"gradients: {total!r} along the direction, reference {slope!r}, allowed {room:.3g}"


def any_single(program):
    """Whether anything in the program is computed in float32."""
    return any(i.dtype == "float32" or not i.dtype.startswith("f") for i in program.inputs)

"""Random programs. Entry: `generate(seed, long)`.

Lines are drawn from `statements` and run on the reference at once, so the state of every variable
is known when the next line is chosen, without asking jitgrad.
"""

from __future__ import annotations

import importlib
import random
import warnings

import numpy as np

from tests.fuzz.program import Input, Line, Program
from tests.fuzz.reference import Ref, Track, World
from tests.fuzz.reference_torch import Functional, Torch
from tests.fuzz.registry import AXIS_SIZES, STATEMENTS, State

# Statements register themselves, in this order: a seed means the same program in every process.
for _part in ("", "_views", "_modes", "_layers", "_scan"):
    importlib.import_module(f"tests.fuzz.statements{_part}")

SIZE, WILD = 64, 1e4  # most elements of a result, largest number
DTYPES = ["float32"] * 5 + ["float64"] * 2 + ["int64", "int32", "uint8", "bool"]


def generate(seed, long=False):
    """A program; `long` gives it inputs of several reduction chunks and few lines."""
    for attempt in range(100):
        rng = random.Random(seed * 1009 + attempt)
        found = attempt_at(rng, seed, long)
        if found is not None:
            return found
    raise AssertionError(f"no program for seed {seed}")


def attempt_at(rng, seed, long):
    """A program, or None when a write went wild."""
    special = rng.random() < 0.08
    inputs = some_inputs(rng, seed, long, special)
    features = {"special values"} if special else set()
    world = World()
    torch = Torch(world)
    env = {i.name: reference_input(world, i) for i in inputs}
    names = {"torch": torch, "F": Functional(torch), "seen": [], **env}
    torch.manual_seed(seed % 97)
    state = State(rng, env, [i.name for i in inputs if i.external])
    lines = []
    weights = [w for _, w, _ in STATEMENTS]
    wanted = rng.randrange(2, 5) if long else rng.randrange(4, 14)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(4 * wanted):
            if len(lines) == wanted:
                break
            fn, _, kinds = rng.choices(STATEMENTS, weights)[0]
            state.extra = set()
            line = one(state, fn, kinds, names, env, world, limit(long), special)
            if line == "wild":
                return None
            if line is not None:
                lines.append(line)
        if not lines:
            return None
        for end in endings(state, long):
            line = one(state, lambda _, end=end: end[0], end[1], names, env, world, 4, special)
            if isinstance(line, Line):
                lines.append(line)
    made = [n for n in env if n.startswith("v")]
    if not made:
        return None
    outputs = rng.sample(made, min(len(made), rng.randrange(1, 5)))
    outputs += [i.name for i in inputs if rng.random() < 0.2]
    for line in lines:
        features |= line.features
    return Program(seed % 97, inputs, tuple(lines), tuple(outputs), frozenset(features))


def limit(long):
    """The most elements of a result."""
    return 50_000 if long else SIZE


def some_inputs(rng, seed, long, special):
    """Two to five inputs, the first of them floating with a gradient."""
    out = []
    for k in range(rng.randrange(2, 6)):
        rank = rng.choice([0, 1, 1, 2, 2, 2, 3, 3])
        shape = tuple(rng.choice(AXIS_SIZES) for _ in range(rank))
        if rng.random() < 0.5 and out:  # related shapes broadcast and multiply
            shape = rng.choice(out).shape
            if rng.random() < 0.5:
                shape = tuple(1 if rng.random() < 0.5 else n for n in shape)
        if rng.random() < 0.02:
            shape = (*shape, 0)
        if long and k < 2:
            shape = rng.choice([(4097,), (3, 4099), (9001, 1), (130, 70), (2, 5000), (66, 65)])
        elif rng.random() < 0.06:
            shape = rng.choice([(130,), (2, 67), (70, 2)])
        dtype = rng.choice(DTYPES) if k else rng.choice(["float32", "float32", "float64"])
        grad = dtype.startswith("float") and (k == 0 or rng.random() < 0.4)
        external = not grad and rng.random() < 0.15
        seen = special and dtype.startswith("float") and rng.random() < 0.7
        out.append(Input(f"x{k}", seed * 16 + k, shape, dtype, grad, external, seen))
    return tuple(out)


def reference_input(world, item):
    """The reference's tensor of an input: its tangent is the direction of the derivative."""
    values = item.array()
    if item.grad:
        return Ref(world, values, direction(item), Track(True, True))
    return Ref(world, values)


def direction(item):
    """The fixed direction of one input."""
    return np.random.default_rng(item.seed + 7).standard_normal(item.shape)


def one(state, fn, kinds, names, env, world, most, special):
    """Make one line and run it: the Line, None if it does not work out, "wild" beyond repair."""
    count = state.count
    text = fn(state)
    if not text:
        return None
    line = Line(text, frozenset(kinds | state.extra))
    draw, grad = world.draw, world.grad
    before = dict(env)
    try:
        exec(text, names)
        fine = all(usable(names[n], most, special) for n in line.makes())
        broken = not fine and bool({"write", "no_grad"} & kinds)
    except (ValueError, RuntimeError, IndexError):
        fine, broken = False, "no_grad" in kinds
    if not fine:
        state.count, world.draw, world.grad = count, draw, grad
        for n in line.makes():
            names.pop(n, None)
            if n in before:
                names[n] = before[n]
        return "wild" if broken else None
    for n in sorted(line.makes()):  # their order decides what is picked later
        env[n] = names[n]
    if "write" in kinds and not all(usable(x, 1 << 30, special) for x in env.values()):
        return "wild"
    return line


def usable(x, most, special):
    """Whether a result is small and tame enough to go on with."""
    if not isinstance(x, Ref) or x.v.size > most or x.v.ndim > 4:
        return False
    if x.v.dtype.kind == "b" or special or not x.v.size:
        return True
    if x.v.dtype.kind == "u":
        return True
    return bool(np.isfinite(x.v).all() and np.abs(x.v).max() < WILD)


def endings(state, long):
    """Lines at the end: a reduction of something long, a backward over several results."""
    rng = state.rng
    if long:
        large = max(state.env, key=lambda n: state.env[n].v.size)
        yield f"{state.made()} = {large}.{rng.choice(['sum', 'amax'])}()", frozenset(["reduction"])
    live = [n for n, x in state.env.items() if n[0] == "v" and x.track.live and x.v.size]
    if not live or rng.random() < 0.15:
        return
    parts = rng.sample(live, min(len(live), rng.randrange(1, 3)))
    forms = ["{v}.sum()", "({v} * {v}).mean()", "{v}.mean()", "({v} * 2).sum()"]
    text = " + ".join(rng.choice(forms).format(v=v) for v in parts)
    yield f"({text}).backward()", frozenset(["backward"])

"""Random numbers: a seed and a draw number, fixed when the draw is recorded.

Element i of a draw depends on (seed, draw number, i) alone: never on mode, fusion or threads.
Entry: `rand`, `randn`, `randint`, `randperm`, `bernoulli`, `manual_seed`, `Generator`.
Imports: ir.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend.arguments import factory, shape_of
from jitgrad.frontend.composing import composed
from jitgrad.frontend.creation import like, source, tensor
from jitgrad.frontend.hostscalar import refuse
from jitgrad.frontend.inplace import copy_
from jitgrad.frontend.meta import DEVICE as META
from jitgrad.frontend.record import Base, cast, check_writable
from jitgrad.frontend.state import local
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.types import device_name, slot
from jitgrad.ir import apply
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType

_U64 = (1 << 64) - 1


class Generator:
    """A seed and how many draws were made from it.

    >>> g = Generator().manual_seed(3)
    >>> g.initial_seed()
    3
    """

    def __init__(self, device: Any = "cpu") -> None:
        if device_name(device) == META:
            raise RuntimeError("Generator: nothing is drawn on device 'meta'")
        self._seed = 67280421310721
        self._draw = 0

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`."""
        refuse("manual_seed()")
        self._seed = int(seed) & _U64
        self._draw = 0
        return self

    def seed(self) -> int:
        """Start again from a seed of the operating system."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def initial_seed(self) -> int:
        """The seed."""
        capture = local.state.capture
        if capture is not None:
            capture.attribute(self, "_seed", "seed of a generator")
        return self._seed

    def next_draw(self) -> tuple[int, int]:
        """The seed and a new draw number."""
        self._draw += 1
        return self._seed, self._draw - 1

    def get_state(self) -> Tensor:
        """Seed and draw number, as bytes."""
        return tensor(np.array([self._seed, self._draw], np.uint64).view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Go back to what `get_state` gave."""
        refuse("set_state() of a generator")
        self._seed, self._draw = map(int, new_state.numpy().copy().view(np.uint64))
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


def draw(
    kind: str, shape: tuple[int, ...], dtype: DType, generator: Any = None, device: Any = "cpu"
) -> Tensor:
    """A Tensor of one new draw: "uniform", "normal" or "random_bits"."""
    on = device_name(device)
    if on == META:  # what is never drawn takes no number
        return source(apply.make_source(kind, on, shape=shape, dtype=dtype, seed=0, draw=0))
    generator = generator or default_generator
    seed, number = generator.next_draw()
    node = apply.make_source(kind, shape=shape, dtype=dtype, seed=seed, draw=number)
    if local.state.capture is not None:
        local.state.capture.drew(generator, node, number)
    return source(node)


def _floating(name: str, dtype: DType | None) -> DType:
    dtype = dtype or apply.default_float()
    if dtype.kind != "f":
        raise NotImplementedError(f"{name}: not implemented for {dtype}")
    return dtype


@factory("out", "layout", "pin_memory")
def rand(
    *size: Any, generator: Any = None, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return draw("uniform", shape_of("rand", size), _floating("rand", dtype), generator, device)


@factory("out", "layout", "pin_memory")
def randn(
    *size: Any, generator: Any = None, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """Standard normal numbers."""
    return draw("normal", shape_of("randn", size), _floating("randn", dtype), generator, device)


rand_like, randn_like = like(rand), like(randn)


@factory("out", "layout", "pin_memory")
def randint(
    *args: Any,
    low: Any = None,
    high: Any = None,
    size: Any = None,
    generator: Any = None,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`."""
    given = list(args)
    if given and not isinstance(given[-1], (int, np.integer)):
        size = given.pop()
    if len(given) == 2:
        low, high = given
    elif given:
        high = given[0]
    low = 0 if low is None else int(low)
    high = int(high)
    if low >= high:
        raise RuntimeError(f"randint: expects low < high, but found low = {low} >= high = {high}")
    bits = draw("random_bits", shape_of("randint", (size,)), dt.int64, generator, device)
    return cast(ops.remainder(bits, high - low) + low, dtype or dt.int64)


@factory("out", "layout", "pin_memory")
def randperm(
    n: int, *, generator: Any = None, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    bits = draw("random_bits", (int(n),), dt.int64, generator, device)
    order = ops.RECORDERS["argsort"](bits, axis=0, descending=False)
    return cast(order, dtype or dt.int64)


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None) -> Tensor:
    """1 with the probabilities in `input` (or `p`), else 0."""
    chance: Any = input.detach() if p is None else p
    dtype = input._dtype if input._dtype.kind == "f" else apply.default_float()
    drawn = draw("uniform", input._shape, dtype, generator, input.device)
    return cast(ops.lt(drawn, chance), input._dtype)


@factory("out", "layout", "pin_memory")
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Normal numbers with the given means and standard deviations."""
    _check_std("normal", std)
    given = [x for x in (mean, std) if isinstance(x, Base)]
    if size is not None:
        shape = shape_of("normal", (size,))
    else:
        if not given:
            raise TypeError("normal: size must be given when mean and std are numbers")
        shape = apply.broadcast_shapes("normal", *[x._shape for x in given])
    device = given[0].device if device is None and given else device
    z = draw("normal", shape, _floating("normal", dtype), generator, device)
    return (z * std + mean).detach()


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Indices drawn with the given weights along the last axis."""
    x = input.detach()
    if replacement:
        total = x.sum(-1, keepdim=True)
        edges = (x / total).cumsum(-1)
        shape = (*x._shape[:-1], num_samples)
        points = draw("uniform", shape, x._dtype, generator, x.device)
        below = ops.le(edges.unsqueeze(-2), points.unsqueeze(-1)).sum(-1)
        return below.clamp(max=x._shape[-1] - 1)
    if num_samples > x._shape[-1]:
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} samples without replacement from the "
            f"{x._shape[-1]} weights of a tensor of shape {tuple(x._shape)}"
        )
    # The largest of weights / exponential draws are a sample without replacement.
    noise = -ops.log(draw("uniform", x._shape, x._dtype, generator, x.device) + 1e-38)
    return (x / noise).topk(num_samples, -1).indices


def _check_std(name: str, std: Any) -> None:
    if not isinstance(std, Base) and std < 0:
        raise RuntimeError(f"{name}: expects std >= 0, but found std {std}")


# ---- in place


def _drawn(self: Tensor, kind: str, dtype: DType, generator: Any) -> Tensor:
    return draw(kind, self._shape, dtype, generator, self.device)


def _fill(self: Tensor, name: str, values: Any) -> Tensor:
    check_writable(self, name)
    return copy_(self, values)


def uniform_(self: Tensor, from_: Any = 0.0, to: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with uniform numbers in [from, to)."""
    if from_ > to:
        raise RuntimeError(f"uniform_: expects from <= to, got {from_} > {to}")
    u = _drawn(self, "uniform", _floating("uniform_", self._dtype), generator)
    return _fill(self, "uniform_", _between(u, slot(float(from_)), slot(float(to) - float(from_))))


@composed
def _between(u: Any, low: Any, span: Any) -> Any:
    return u * span + low


def normal_(self: Tensor, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    _check_std("normal_", std)
    z = _drawn(self, "normal", _floating("normal_", self._dtype), generator)
    return _fill(self, "normal_", z * std + mean)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 of probability `p`, else 0."""
    chance = p.detach() if isinstance(p, Base) else p
    dtype = self._dtype if self._dtype.kind == "f" else apply.default_float()
    u = _drawn(self, "uniform", dtype, generator)
    return _fill(self, "bernoulli_", ops.lt(u, chance))


def random_(self: Tensor, from_: int = 0, to: Any = None, *, generator: Any = None) -> Tensor:
    """Fill with integers in [from, to)."""
    if to is None:
        from_, to = 0, from_ or (1 << 24 if self._dtype.kind == "f" else 127)
    if from_ >= to:
        raise RuntimeError(f"random_: expects from < to, but got from = {from_} >= to = {to}")
    bits = _drawn(self, "random_bits", dt.int64, generator)
    return _fill(self, "random_", ops.remainder(bits, to - from_) + from_)


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with exponential numbers of rate `lambd`."""
    u = _drawn(self, "uniform", _floating("exponential_", self._dtype), generator)
    return _fill(self, "exponential_", -ops.log1p(-u) / lambd)

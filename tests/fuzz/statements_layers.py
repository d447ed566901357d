"""Statements that compute what layers do: products with an epilogue, rows normed and weighted.

Imported for its effect on `registry.STATEMENTS`.
"""

from __future__ import annotations

import math

import numpy as np

from tests.fuzz.registry import broadcastable, statement

NUMBERS = 64  # most that are written out


def weights(s, shape, dtype):
    """A tensor of this shape and dtype: a variable, one seen otherwise, numbers, or a draw."""
    size = math.prod(shape)
    same = s.pick(lambda v: v.v.dtype == dtype and v.shape == shape)
    if same and s.choose(True, True, False):
        return same
    as_many = s.pick(lambda v: v.v.dtype == dtype and v.v.size == size)
    if as_many and s.choose(True, False):
        return f"{as_many}.reshape({', '.join(map(str, shape))})"
    if size > NUMBERS:
        s.extra.add("random draw")
        return f"torch.randn({', '.join(map(str, shape))}, dtype=torch.{dtype})"
    numbers = np.array([s.rng.randrange(-100, 101) / 64 for _ in range(size)]).reshape(shape)
    return f"torch.tensor({numbers.tolist()}, dtype=torch.{dtype})"


def product(s, x):
    """A matrix product with `x` as one operand: (its text, its shape)."""
    shape, dtype = s.shape(x), s.env[x].v.dtype
    batch = tuple(s.choose(1, n) for n in shape[:-2])
    batch = s.choose((), batch, batch, (2, *batch), (2, *batch), (3, 1, *batch)[-3:])
    width = s.choose(1, 2, 3, 4)
    if len(shape) > 1 and s.choose(True, False, False):
        other = *batch, width, shape[-2]
        text = f"({operand(s, other, dtype)} @ {x})"
        return text, np.matmul(np.empty(other), np.empty(shape)).shape
    other = *batch, shape[-1], width
    text = f"({x} @ {operand(s, other, dtype)})"
    return text, np.matmul(np.empty(shape), np.empty(other)).shape


def operand(s, shape, dtype):
    """Weights as they are or scaled, or transposed where they are read."""
    turned = s.choose(True, False)
    text = weights(s, (*shape[:-2], shape[-1], shape[-2]) if turned else shape, dtype)
    if s.choose(True, False, False):
        text = f"({text} * 0.5 + 0.25)"
    return f"{text}.transpose(-1, -2)" if turned else text


@statement(6, "matmul", "epilogue")
def layer(s):
    x = s.floating(least=1)
    if not x or not s.env[x].v.size:
        return None
    dtype = s.env[x].v.dtype
    p, shape = product(s, x)
    if len(shape) > 2:
        s.extra.add("batched matmul")

    def fits(v):
        same = v.v.dtype == dtype and broadcastable(v.shape, shape)
        return same and np.broadcast_shapes(v.shape, shape) == shape

    bias = weights(s, shape[-1:], dtype)
    rest = s.pick(fits) or weights(s, shape, dtype)
    return f"{s.made()} = " + s.choose(
        f"{p} + {bias}", f"({p} + {bias}).relu()", f"F.gelu({p} + {bias})", f"F.gelu({p})",
        f"F.gelu({p} + {bias}, approximate='tanh')", f"({p} + {bias}).tanh() + {rest}",
        f"{p}.relu() * 0.5 + {rest}", f"{rest} - F.gelu({p} + {bias})", f"{rest} + {p}",
        f"({p} + {bias}).sigmoid() * {p}",
    )  # fmt: skip


@statement(6, "weighted rows")
def weighted_rows(s):
    x = s.floating(least=1)
    if not x or not s.env[x].v.size:
        return None
    n, dtype, v = s.shape(x)[-1], s.env[x].v.dtype, s.made()
    w, b = weights(s, (n,), dtype), weights(s, (n,), dtype)
    rest = s.pick(lambda r: r.v.dtype == dtype and r.shape == s.shape(x))
    return s.choose(
        f"{v} = F.layer_norm({x}, ({n},), {w}, {b})",
        f"{v} = F.layer_norm({x} + {rest}, ({n},), {w}, {b})",
        f"{v} = F.layer_norm({x}, ({n},), {w}).relu()",
        f"{v} = F.rms_norm({x}, ({n},), {w}, 1e-5)",
        f"{v} = {rest} + F.rms_norm({x}, ({n},), {w}, 1e-5)",
        f"{v} = {x} * ({x}.square().mean(-1, True) + 0.1).rsqrt() * {w} + {b}",
        f"{v} = {x} - {x}.mean(-1, True)\n"
        f"{v} = {v} / ({v}.square().mean(-1, True) + 0.1).sqrt() * {w} + {b}",
    )

"""Statements that step through an axis with carried values.

Imported for its effect on `registry.STATEMENTS`.
"""

from __future__ import annotations

from tests.fuzz.registry import broadcastable, is_float, statement

# A step over rows x: carry h, weights {w} (which fit with a row), what is no step's own {v},
# its draws {r}, a number {k}.
_STEPS = (
    "h, x: (h * {k} + x, h)",
    "h, x: ((h + x * {w}).tanh(), (h * x).sum())",
    "h, x: (h * {k}, (x - h).relu() * {w})",
    "h, x: (torch.where(x > h, x, h * {k}), x > h)",
    "h, x: (x * {w}, h.sigmoid() + x)",
    "h, x: (h * {r} + x.sin(), h * {r})",
    "h, x: (F.dropout(h * 0.5 + x, 0.5), {v})",
)
_PRODUCTS = (  # of rows that are matrices
    "h, x: ((x @ (h.t() @ x)).tanh(), h.softmax(1))",
    "h, x: ((h @ (x.t() @ {w})).tanh(), (h * x).sum(0))",
)
_PAIRS = (  # of a carry of two values, the second of which counts
    "c, x: ((c[0].sigmoid() * {k}, c[1] + 1), (c[0] * c[1], c[1]))",
    "c, x: ((c[0] * {w}, c[1] + x.sum()), (c[0] * {w} + c[1], x))",
)


@statement(5, "recurrence")
def recurrence(s):
    x = s.floating(least=1)
    if not x:
        return None
    dim, dtype = s.axis(x), s.env[x].v.dtype
    row = (*s.shape(x)[:dim], *s.shape(x)[dim + 1 :])

    def fits(v):
        if not is_float(v) or v.v.dtype != dtype or not broadcastable(v.shape, row):
            return False
        return len(v.shape) <= len(row) and all(
            a in (1, b) for a, b in zip(v.shape[::-1], row[::-1], strict=False)
        )

    sizes = "".join(f"{n}, " for n in row) + f"dtype=torch.{dtype}"
    draw = f"torch.rand({sizes})" if row else "x.sigmoid()"
    numbers = {"w": s.pick(fits) or "0.5", "k": s.choose("0.5", "-1.0", "0.25"), "r": draw}
    numbers["v"] = numbers["w"] if numbers["w"] != "0.5" else "h"
    first = [f"{x}.select({dim}, 0)", f"{x}.amax({dim})", s.pick(_like(row, dtype))]
    init = s.choose(*filter(None, [*first, row and f"torch.zeros({sizes})"]))
    options = s.choose("", ", reverse=True")
    if s.rng.random() < 0.25:
        step = s.choose(*_PAIRS).format(**numbers)
        names = ", ".join(s.made() for _ in range(3))
        start = f"({init}, torch.tensor(0.0, dtype=torch.{dtype}))"
        made = f"torch.scan(lambda {step}, {start}, {x}.transpose({dim}, 0){options})"
        return f"{names} = (lambda c, y: (*c, y[0]))(*{made})"
    square = len(row) == 2 and numbers["w"] != "0.5" and s.shape(numbers["w"]) == row
    step = s.choose(*_STEPS, *_PRODUCTS * (2 * square)).format(**numbers)
    if dim:
        options += f", dim={dim}"
    return f"{s.made()}, {s.made()} = torch.scan(lambda {step}, {init}, {x}{options})"


def _like(row, dtype):
    return lambda v: v.shape == row and v.v.dtype == dtype

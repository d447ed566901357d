"""Statements that compute: elementwise and reductions.

Imported for its effect on `registry.STATEMENTS`.
"""

from __future__ import annotations

from tests.fuzz.registry import broadcastable, is_bool, is_float, is_int, partner, statement

# ---- elementwise


_UNARY = (
    "{x}.tanh()", "{x}.sigmoid()", "{x}.relu()", "-{x}", "{x}.abs()", "{x}.sin()", "{x}.cos()",
    "{x}.clamp(-2.0, 2.0).exp()", "({x}.abs() + 0.5).log()", "({x} * {x} + 0.1).sqrt()",
    "{x}.square()", "{x} ** 2", "{x}.clamp(-1.5, 1.5) ** 3", "({x}.abs() + 0.5) ** 0.5",
    "({x} * {x}).log1p()", "{x}.floor()", "{x}.sign()", "F.gelu({x})", "{x}.clamp(min=0.25)",
    "1.5 / ({x}.square() + 0.5)", "{x}.sigmoid() * {x}",
)  # fmt: skip


@statement(12)
def unary(s):
    x = s.floating()
    return x and f"{s.made()} = " + s.choose(*_UNARY).format(x=x)


@statement(12)
def binary(s):
    x = s.floating()
    y = x and partner(s, x, lambda v: not is_bool(v))
    if not y:
        return None
    text = s.choose(
        "{x} + {y}", "{x} - {y}", "{x} * {y}", "{y} - {x}", "{x} / ({y}.abs() + 0.5)",
        "torch.maximum({x}, {y})", "torch.minimum({y}, {x})", "{x} * {y} + {x}",
    )  # fmt: skip
    return f"{s.made()} = " + text.format(x=x, y=y)


@statement(3)
def with_number(s):
    x = s.pick(lambda v: not is_bool(v))
    number = s.choose("2", "-1", "0.5", "1.5", "3", "True")
    text = s.choose("{x} + {k}", "{k} - {x}", "{x} * {k}", "{k} * {x}", "{x} / 4")
    return x and f"{s.made()} = " + text.format(x=x, k=number)


@statement(3, "mixed dtypes", "broadcast")
def with_scalar(s):
    """A tensor without dimensions only lifts the category."""
    x, y = s.floating(least=1), s.pick(lambda v: is_float(v) and v.v.size)
    text = s.choose(
        "{x} * {y}.to(torch.float64).mean()", "{y}.to(torch.float64).amax() - {x}",
        "{x} + ({y} > 0).sum()", "{x} / ({y}.to(torch.float64).sum().tanh() + 2)",
    )  # fmt: skip
    return x and y and f"{s.made()} = " + text.format(x=x, y=y)


@statement(4, "integers")
def integer(s):
    x = s.pick(is_int)
    y = x and partner(s, x, is_int)
    if not y:
        return None
    text = s.choose(
        "{x} + {y}", "{x} * {y}", "{x} - {y}", "{x} // 3", "{x} % 5", "{x} & {y}", "{x} | {y}",
        "{x} ^ {y}", "{x} / 2", "-{x}", "torch.maximum({x}, {y})",
    )  # fmt: skip
    return f"{s.made()} = " + text.format(x=x, y=y)


@statement(4, "compare")
def compare(s):
    x = s.pick(lambda v: not is_bool(v))
    y = x and partner(s, x, lambda v: not is_bool(v))
    sign = s.choose("<", "<=", ">", ">=", "==", "!=")
    return y and f"{s.made()} = {x} {sign} {s.choose(y, y, '0', '0.5')}"


@statement(5, "where")
def where(s):
    x = s.floating()
    y = x and partner(s, x, lambda v: not is_bool(v))
    if not y:
        return None
    masks = s.pick(lambda v: is_bool(v) and broadcastable(v.shape, s.shape(x)))
    form = s.choose("where", "fill", "compare")
    if form == "compare" or not masks:
        return f"{s.made()} = torch.where({x} > {y}, {x}, {s.choose(y, '0.0', f'{y} * 2')})"
    if form == "fill":
        return f"{s.made()} = {x}.masked_fill({masks}, {s.choose('0', '-1.5', '2.0')})"
    return f"{s.made()} = torch.where({masks}, {x}, {y})"


@statement(4, "mixed dtypes")
def cast(s):
    x = s.pick()
    to = s.choose("float32", "float64", "float64", "int64", "int32", "bool")
    return x and f"{s.made()} = {x}.to(torch.{to})"


# ---- reductions


@statement(9, "reduction")
def reduction(s):
    x = s.pick(lambda v: not is_bool(v) and v.v.ndim)
    if not x:
        return None
    n = s.env[x].v.ndim
    axes = sorted(s.rng.sample(range(n), s.rng.randrange(1, n + 1)))
    dim = s.choose("", str(axes[0]), str(tuple(axes)) if len(axes) > 1 else str(axes[0]))
    keep = s.choose("", "", "True")
    kinds = ["sum", "sum", "amax", "amin", "argmax", "argmin"]
    kinds += ["mean", "mean", "prod", "logsumexp"] if is_float(s.env[x]) else ["any", "all"]
    kind = s.rng.choice(kinds)
    if kind in ("prod", "argmax", "argmin") and dim:
        dim = str(axes[0])
    if kind == "logsumexp" and not dim:
        dim = "0"
    args = ", ".join([dim, keep] if dim and keep else [dim] if dim else [])
    if kind == "prod":
        return f"{s.made()} = {x}.prod({args})" if dim else None
    return f"{s.made()} = {x}.{kind}({args})"


@statement(2, "reduction")
def extreme(s):
    x = s.floating(least=1)
    if not x:
        return None
    a, b = s.made(), s.made()
    return f"{a}, {b} = {x}.{s.choose('max', 'min')}({s.axis(x)}{s.choose('', ', True')})"


@statement(2, "reduction")
def truth(s):
    x = s.pick(lambda v: is_bool(v) and v.v.ndim)
    return x and f"{s.made()} = {x}.{s.choose('any', 'all', 'sum')}({s.choose('', '0')})"


@statement(4, "scan or sort")
def scan(s):
    x = s.pick(lambda v: not is_bool(v) and v.v.dtype.kind != "u" and v.v.ndim)
    if not x:
        return None
    if s.choose(True, False):
        return f"{s.made()} = {x}.cumsum({s.axis(x)})"
    a, b = s.made(), s.made()
    return f"{a}, {b} = {x}.sort({s.axis(x)}{s.choose('', ', True')})"


@statement(7, "softmax-like")
def normalised(s):
    x = s.floating(least=1)
    if not x:
        return None
    d, v = s.axis(x), s.made()
    n = s.shape(x)[-1]
    forms = [
        f"{v} = {x}.softmax({d})",
        f"{v} = {x}.log_softmax({d})",
        f"{v} = ({x} - {x}.amax({d}, True)).exp()\n{v} = {v} / {v}.sum({d}, True)",
        f"{v} = {x} / ({x}.square().mean({d}, True) + 0.1).sqrt()",
        f"{v} = {x} - {x}.logsumexp({d}, True)",
        f"{v} = F.layer_norm({x}, ({n},))",
    ]
    if s.shape(x)[d] > 1:
        forms.append(f"{v} = ({x} - {x}.mean({d}, True)) / ({x}.var({d}, keepdim=True) + 0.1)")
    if s.env[x].v.ndim == 2:
        rows, columns = s.shape(x)
        picks = [s.rng.randrange(columns) for _ in range(rows)] if columns else []
        forms += [f"{v} = F.cross_entropy({x}, torch.tensor({picks}))"] * 2 if picks else []
    return s.rng.choice(forms)

"""Statements a program is made of: `@statement(weight, feature...)` over a function of the state.

A statement function picks variables that are there and answers with a line of text; `State.made()`
names a new variable. Features are what the table of `python -m tests.fuzz` counts.
Entry: `STATEMENTS`.
"""

from __future__ import annotations

import numpy as np

STATEMENTS = []
AXIS_SIZES = (1, 2, 2, 3, 3, 4, 5)


def statement(weight, *features):
    """Register a statement."""

    def add(fn):
        STATEMENTS.append((fn, weight, frozenset(features)))
        return fn

    return add


class State:
    """The variables so far, as the reference has them, and the random choices."""

    def __init__(self, rng, env, external=()):
        self.rng = rng
        self.env = env
        self.external = external  # inputs that NumPy holds
        self.count = 0
        self.extra = set()  # features that depend on what was picked

    def made(self):
        """A new name."""
        self.count += 1
        return f"v{self.count}"

    def pick(self, test=None):
        """The name of a variable that passes `test`, rather a late one; None if there is none."""
        names = [n for n, x in self.env.items() if test is None or test(x)]
        if not names:
            return None
        k = max(self.rng.random(), self.rng.random())
        return names[int(k * len(names))]

    def floating(self, least=0):
        """A floating variable of at least so many axes."""
        return self.pick(lambda x: is_float(x) and x.v.ndim >= least)

    def outside(self, name):
        """Whether it is memory that NumPy holds."""
        return any(np.shares_memory(self.env[name].v, self.env[n].v) for n in self.external)

    def choose(self, *options):
        """One of the options."""
        return self.rng.choice(options)

    def axis(self, name):
        """An axis of a variable."""
        return self.rng.randrange(self.env[name].v.ndim)

    def shape(self, name):
        """Its shape."""
        return self.env[name].v.shape


def is_float(x):
    """Whether a Ref is floating."""
    return x.v.dtype.kind == "f"


def is_int(x):
    """Whether a Ref holds integers."""
    return x.v.dtype.kind in "iu"


def is_bool(x):
    """Whether a Ref holds truth values."""
    return x.v.dtype.kind == "b"


def broadcastable(a, b):
    """Whether two shapes fit."""
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def partner(s, name, test=lambda x: True):
    """A variable whose shape fits with that of `name`; notes broadcasting and mixed dtypes."""
    x = s.env[name]
    other = s.pick(lambda y: test(y) and broadcastable(x.shape, y.shape))
    if other is not None:
        y = s.env[other]
        if y.shape != x.shape:
            s.extra.add("broadcast")
        if y.v.dtype != x.v.dtype:
            s.extra.add("mixed dtypes")
    return other


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


# ---- views and arranging


@statement(12, "view")
def view(s):
    x = s.pick(lambda v: v.v.ndim)
    if not x:
        return None
    shape, n, v = s.shape(x), s.env[x].v.ndim, s.made()
    a, b = s.axis(x), s.axis(x)
    order = ", ".join(map(str, s.rng.sample(range(n), n)))
    forms = [
        f"{v} = {x}[{sliced(s, shape)}]",
        f"{v} = {x}[{sliced(s, shape)}]",
        f"{v} = {x}[{sliced(s, shape)}]",
        f"{v} = {x}.transpose({a}, {b})",
        f"{v} = {x}.permute({order})",
        f"{v} = {x}.reshape({reshaped(s, shape)})",
        f"{v} = {x}.reshape({reshaped(s, shape)})",
        f"{v} = {x}.unsqueeze({b})",
        f"{v} = {x}.narrow({a}, {shape[a] // 2}, {shape[a] - shape[a] // 2})",
        f"{v} = {x}.detach()",
    ]
    if 1 in shape:
        wide = tuple(s.rng.choice(AXIS_SIZES) if m == 1 else m for m in shape)
        forms += [f"{v} = {x}.expand{wide if n > 1 else f'({wide[0]})'}"] * 2
        forms.append(f"{v} = {x}.squeeze({shape.index(1)})")
        if wide != shape:
            s.extra.add("broadcast")
    if n == 2:
        forms.append(f"{v} = {x}.t()")
        if shape[0] == shape[1] and not s.outside(x):  # NumPy's memory: not to be written to
            forms.append(f"{v} = {x}.diagonal()")
    if shape[a] > 1:
        w = s.made()
        forms.append(f"{v}, {w} = {x}.chunk(2, {a})")
    return s.rng.choice(forms)


def sliced(s, shape):
    """A basic index that leaves something."""
    items = []
    for m in shape[: s.rng.randrange(1, len(shape) + 1)]:
        start = s.rng.randrange(m) if m else 0
        stop = s.rng.randrange(start + 1, m + 1) if m else 0
        items.append(
            s.rng.choice(
                [":", f"{start}:", f"{start}:{stop}", "::2", f"{start}::3", f":{stop}"]
                + ([str(start), str(start - m)] if m else [])
            )
        )
    if s.rng.random() < 0.25:
        items.insert(s.rng.randrange(len(items) + 1), "None")
    if s.rng.random() < 0.15:
        items = ["...", *items] if len(items) < len(shape) + ("None" in items) else items
    return ", ".join(items)


def reshaped(s, shape):
    """Another shape of as many elements."""
    total = int(np.prod(shape))
    forms = [(total,), (total, 1), (1, total), (*shape, 1)]
    for d in range(2, total):
        if total % d == 0:
            forms += [(d, total // d)] * 2
    found = s.rng.choice(forms)
    return ", ".join(map(str, (found[0], -1) if len(found) == 2 and total else found))


@statement(4, "join")
def join(s):
    x = s.pick(lambda v: v.v.ndim)
    if not x:
        return None
    d = s.axis(x)

    def fits(v):
        a, b = list(v.shape), list(s.shape(x))
        return len(a) == len(b) and a[:d] + a[d + 1 :] == b[:d] + b[d + 1 :]

    y, z = s.pick(fits), s.pick(lambda v: v.shape == s.shape(x))
    if s.env[y].v.dtype != s.env[x].v.dtype:
        s.extra.add("mixed dtypes")
    return f"{s.made()} = " + s.choose(
        f"torch.cat([{x}, {y}], {d})",
        f"torch.cat([{y}, {x}, {x}], {d})",
        f"torch.stack([{x}, {z}], {d})",
    )


@statement(2, "join")
def rearranged(s):
    x = s.pick(lambda v: v.v.ndim and (is_float(v) or is_int(v)))
    if not x:
        return None
    if s.env[x].v.ndim == 2 and s.choose(True, False):
        return f"{s.made()} = {x}.{s.choose('tril', 'triu')}({s.choose('', '1', '-1')})"
    return f"{s.made()} = {x}.flip({s.axis(x)})"


@statement(6, "matmul")
def matmul(s):
    x = s.floating(least=1)
    if not x:
        return None
    a = s.env[x]

    def fits(v):
        if v.v.dtype != a.v.dtype or not 0 < v.v.ndim < 4:
            return False
        try:
            return np.matmul(a.v, v.v).size <= 64
        except ValueError:
            return False

    if a.v.ndim == 2 and s.rng.random() < 0.4:
        form = s.choose("{x} @ {x}.t()", "{x}.t() @ {x}", "{x}.t().matmul({x}).tanh()")
        return f"{s.made()} = " + form.format(x=x)
    y = s.pick(fits)
    return y and f"{s.made()} = {x} @ {y}"


@statement(6, "index by tensor")
def indexed(s):
    x = s.pick(lambda v: v.v.ndim and v.v.shape[0] and v.v.size)
    if not x:
        return None
    shape, v = s.shape(x), s.made()
    d = s.axis(x)
    picks = [s.rng.randrange(-shape[0], shape[0]) for _ in range(s.rng.randrange(1, 4))]
    along = [s.rng.randrange(shape[-1]) for _ in range(s.rng.randrange(1, 4))]
    forms = [f"{v} = {x}[torch.tensor({picks})]", f"{v} = {x}[..., torch.tensor({along})]"]
    if len(shape) > 1:
        seconds = [s.rng.randrange(shape[1]) for _ in picks]
        forms.append(f"{v} = {x}[torch.tensor({picks}), torch.tensor({seconds})]")
    wide = tuple(s.rng.randrange(1, 4) if i == d else m for i, m in enumerate(shape))
    table = np.array([s.rng.randrange(shape[d]) for _ in range(int(np.prod(wide)))])
    forms.append(f"{v} = {x}.gather({d}, torch.tensor({table.reshape(wide).tolist()}))")
    if is_float(s.env[x]):
        table = np.array([s.rng.randrange(shape[d]) for _ in range(int(np.prod(shape)))])
        index = f"torch.tensor({table.reshape(shape).tolist()})"
        forms.append(f"{v} = {x}.scatter_add({d}, {index}, {x} * 2)")
    mask = s.pick(lambda m: is_bool(m) and m.shape == shape)
    if mask and s.env[mask].v.any():
        forms.append(f"{v} = {x}[{mask}]")
    found = s.rng.choice(forms)
    if mask and found.endswith(f"[{mask}]"):
        s.extra.add("read in the middle")  # the mask says how many
    return found


# ---- writes


def writable(v):
    """Whether PyTorch lets one write to it, with gradients recorded or not."""
    strides = zip(v.v.strides, v.shape, strict=True)
    return v.v.ndim and v.v.flags.writeable and all(k or n < 2 for k, n in strides)


@statement(12, "write")
def write(s):
    x = s.pick(lambda v: writable(v) and not v.track.leaf and not is_bool(v))
    return x and written(s, x)


@statement(3, "write")
def write_bool(s):
    x = s.pick(lambda v: writable(v) and is_bool(v))
    return x and f"{x}[{sliced(s, s.shape(x))}] = {s.choose('True', 'False')}"


@statement(4, "write", "no_grad")
def write_quietly(s):
    x = s.pick(lambda v: writable(v) and not is_bool(v))
    line = x and written(s, x)
    return line and f"with torch.no_grad():\n    {line}"


def written(s, x):
    """A write to `x`, whole or through a view."""
    a = s.env[x]
    if a.v.base is not None:
        s.extra.add("write through a view")
    numbers = ("2", "-1", "0.5") if is_float(a) else ("2", "-1", "3")
    if a.v.dtype == np.uint8:
        numbers = ("2", "3")
    small = s.pick(
        lambda v: (
            not is_bool(v)
            and (v.v.dtype.kind == "f") <= (a.v.dtype.kind == "f")
            and broadcastable(v.shape, a.shape)
            and np.broadcast_shapes(v.shape, a.shape) == a.shape
        )
    )
    k = s.rng.choice(numbers)
    forms = [f"{x}.mul_({k})", f"{x}.fill_({k})", f"{x} *= {k}", f"{x}.zero_()"]
    if small:
        if s.env[small].v.dtype != a.v.dtype:
            s.extra.add("mixed dtypes")
        forms += [
            f"{x} += {small}", f"{x}.add_({small})", f"{x}.copy_({small})", f"{x}.sub_({small})",
        ]  # fmt: skip
    if is_float(a):
        forms += [f"{x}.tanh_()", f"{x}.clamp_(-1.0, 1.0)", f"{x}.relu_()", f"{x}.div_(2)"]
    at = sliced(s, a.shape)
    through = [f"{x}[{at}] = {k}", f"{x}[{at}] *= {k}", f"{x}[{at}] = {x}[{at}] * {k}"]
    if is_float(a):
        through += [f"{x}[{at}].tanh_()", f"{x}[{at}].add_({k})"]
    if a.v.ndim == 2:
        through += [f"{x}.t()[{sliced(s, a.shape[::-1])}] = {k}"]
    if a.shape[0] and s.rng.random() < 0.2:
        picks = s.rng.sample(range(a.shape[0]), s.rng.randrange(1, a.shape[0] + 1))
        s.extra.add("index by tensor")
        return f"{x}[torch.tensor({picks})] = {k}"
    if s.rng.random() < 0.6:
        s.extra.add("write through a view")
        return s.rng.choice(through)
    return s.rng.choice(forms)


# ---- draws, modes, reads, gradients


@statement(5, "random draw")
def drawn(s):
    x = s.floating(least=1)
    if not x:
        return None
    v = s.made()
    if is_float(s.env[x]) and s.choose(True, False):
        return f"{v} = F.dropout({x}, {s.choose('0.25', '0.5')})"
    sizes = ", ".join(map(str, s.shape(x)))
    return f"{v} = " + s.choose(
        f"{x} + torch.rand({sizes})",
        f"{x} * torch.randn({sizes})",
        f"torch.rand({sizes}) - torch.rand({sizes})",
        f"torch.rand_like({x}) * {x}",
        f"torch.rand({sizes}, dtype=torch.float64)",
    )


@statement(4, "no_grad")
def quietly(s):
    x = s.floating()
    y = x and partner(s, x, is_float)
    if not y:
        return None
    v = s.made()
    return s.choose(
        f"with torch.no_grad():\n    {v} = {x} * {y}",
        f"{v} = {x}.detach() * {y}",
        f"with torch.no_grad():\n    {v} = {x}.tanh()\n    {v} += 1",
    )


@statement(6, "read in the middle")
def read(s):
    x = s.pick()
    if s.env[x].v.ndim == 0 and s.choose(True, False):
        return f"seen.append({x}.item())"
    if s.outside(x):
        return f"seen.append({x}.tolist())"  # an array of NumPy's memory changes with it
    return s.choose(f"seen.append({x}.detach().numpy())", f"seen.append({x}.tolist())")


@statement(1)
def flushed(s):
    return "torch.flush_all()"


@statement(4, "backward")
def backward(s):
    x = s.pick(lambda v: v.track.live and is_float(v) and v.v.size and not v.track.leaf)
    if not x:
        return None
    if s.env[x].v.ndim == 0:
        return f"{x}.backward(retain_graph=True)"
    return s.choose(
        f"{x}.sum().backward(retain_graph=True)",
        f"({x} * {x}).mean().backward(retain_graph=True)",
        f"{x}.backward(torch.ones_like({x}), retain_graph=True)",
    )

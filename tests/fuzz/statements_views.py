"""Statements that move and write: views, joins, indexing, matrix products, writes.

Imported for its effect on `registry.STATEMENTS`.
"""

from __future__ import annotations

import numpy as np

from tests.fuzz.registry import AXIS_SIZES, broadcastable, is_bool, is_float, is_int, statement

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

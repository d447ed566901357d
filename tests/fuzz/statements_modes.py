"""Statements about draws, modes, reads in the middle and gradients.

Imported for its effect on `registry.STATEMENTS`.
"""

from __future__ import annotations

from tests.fuzz.registry import is_float, partner, statement

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

"""PyTorch's methods and operators on the reference. Entry: `install()` completes `Ref`."""

from __future__ import annotations

import numpy as np

from tests.fuzz import reference_arranging as arranging
from tests.fuzz import reference_elementwise as elementwise
from tests.fuzz import reference_reductions as reductions
from tests.fuzz.reference import Ref, wide

SIGNS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
IN_PLACE = ("add", "sub", "mul", "div", "tanh", "exp", "relu", "neg", "clamp", "masked_fill")


def backward(x, gradient=None, retain_graph=False):
    """Add the derivative along the direction of what is differentiated."""
    if not x.track.live:
        raise RuntimeError("does not require grad")
    weight = 1.0 if gradient is None else wide(gradient)
    x.world.tangent += float(np.sum(x.dot * weight))


def in_place(fn):
    """The variant that writes into its first operand."""
    return lambda x, *args: x.assign(fn(x, *args))


def copy_(x, y):
    """Write y, converted and broadcast."""
    return x.assign(arranging.expanded(elementwise.to(y, x.v.dtype), x.shape))


def fill_(x, value):
    """Write a number everywhere."""
    x.put(x.v, x.dot, value)
    return x


def install():
    """Give Ref its operators and methods."""
    methods = elementwise.METHODS | reductions.METHODS | arranging.METHODS
    methods |= {name + "_": in_place(methods[name]) for name in IN_PLACE}
    methods |= {
        "backward": backward,
        "copy_": copy_,
        "fill_": fill_,
        "zero_": lambda x: fill_(x, 0),
        "item": lambda x: x.v.item(),
        "numpy": lambda x: x.v.copy(),
        "tolist": lambda x: x.v.tolist(),
    }
    for name, fn in methods.items():
        setattr(Ref, name, fn)
    for sign, name in SIGNS.items():
        fn = methods[name]
        setattr(Ref, f"__{sign}__", fn)
        setattr(Ref, f"__r{sign}__", lambda x, y, fn=fn: fn(y, x))
        setattr(Ref, f"__i{sign}__", in_place(fn))
    for name in elementwise.COMPARE:
        setattr(Ref, f"__{name}__", methods[name])
    Ref.__neg__, Ref.__pow__, Ref.__matmul__ = (methods[n] for n in ("neg", "pow", "matmul"))
    Ref.__getitem__, Ref.__setitem__ = arranging.getitem, arranging.setitem
    Ref.__hash__ = object.__hash__

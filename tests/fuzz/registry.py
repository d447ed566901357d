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

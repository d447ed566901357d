"""`ParamGroup`: the dict of one group's settings. Imports what a compiled function is told."""

from jitgrad.frontend.hostscalar import Told, changes


class ParamGroup(Told):
    """A dict whose changes inside a compiled function keep that one from being replayed.

    >>> group = ParamGroup(lr=0.1)
    >>> group["lr"] = 0.01
    >>> group
    {'lr': 0.01}
    """

    __slots__ = ()

    def __setitem__(self, key, value):
        changes("a parameter group")
        super().__setitem__(key, value)

    def __delitem__(self, key):
        changes("a parameter group")
        super().__delitem__(key)

    def __ior__(self, other):  # type: ignore[misc]  # one signature where dict has several
        self.update(other)
        return self

    def setdefault(self, key, default=None):
        """The value of a key, set to `default` first if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args, **kwargs):
        """As dict.update."""
        changes("a parameter group")
        super().update(*args, **kwargs)

    def pop(self, *args):
        """As dict.pop."""
        changes("a parameter group")
        return super().pop(*args)

    def popitem(self):
        """As dict.popitem."""
        changes("a parameter group")
        return super().popitem()

    def clear(self):
        """As dict.clear."""
        changes("a parameter group")
        super().clear()

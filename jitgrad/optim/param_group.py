"""`ParamGroup`: the dict of one group's settings. Imports nothing of jitgrad."""


class ParamGroup(dict):
    """A dict that counts its changes in `version`, which a compile guard compares.

    >>> group = ParamGroup(lr=0.1)
    >>> group["lr"] = 0.01
    >>> group, group.version
    ({'lr': 0.01}, 1)
    """

    __slots__ = ("version",)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.version = 0

    def __setitem__(self, key, value):
        self.version += 1
        super().__setitem__(key, value)

    def __delitem__(self, key):
        self.version += 1
        super().__delitem__(key)

    def __ior__(self, other):  # type: ignore[misc]
        self.update(other)
        return self

    def setdefault(self, key, default=None):
        """The value of a key, set to `default` first if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args, **kwargs):
        """As dict.update."""
        self.version += 1
        super().update(*args, **kwargs)

    def pop(self, *args):
        """As dict.pop."""
        self.version += 1
        return super().pop(*args)

    def popitem(self):
        """As dict.popitem."""
        self.version += 1
        return super().popitem()

    def clear(self):
        """As dict.clear."""
        self.version += 1
        super().clear()

    def __reduce__(self):
        return (type(self), (dict(self),))

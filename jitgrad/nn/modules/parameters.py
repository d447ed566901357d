"""Modules that hold parameters: `ParameterList`, `ParameterDict`."""

import operator

from jitgrad.frontend import Tensor
from jitgrad.nn.modules._registry import typename
from jitgrad.nn.modules.module import Module, _indent
from jitgrad.nn.parameter import Parameter


def _as_parameter(value):
    """Tensors become Parameters; other values stay what they are."""
    return (
        Parameter(value)
        if isinstance(value, Tensor) and not isinstance(value, Parameter)
        else value
    )


def _describe(value):
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    what = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"{what} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"


class ParameterList(Module):
    """A list of parameters; other values may stand in it too.

    >>> import jitgrad as jg
    >>> params = jg.nn.ParameterList([jg.zeros(2), jg.zeros(3)])
    >>> [name for name, _ in params.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _key(self, index):
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return str(index % len(self))

    def __getitem__(self, index):
        if isinstance(index, slice):
            out = type(self)()
            return out.extend(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, self._key(index))

    def __setitem__(self, index, value):
        setattr(self, self._key(index), _as_parameter(value))

    def __len__(self):
        return self._size

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values):
        return self.extend(values)

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value):
        """Add a value at the end; returns self."""
        index = self._size
        self._size = index + 1
        self[index] = value
        return self

    def extend(self, values):
        """Add values at the end; returns self."""
        if not hasattr(values, "__iter__") or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, "
                f"but got {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self):
        """A line for each value."""
        return "\n".join(f"  ({i}): {_indent(_describe(value))}" for i, value in enumerate(self))

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dict of parameters; other values may stand in it too.

    >>> import jitgrad as jg
    >>> params = jg.nn.ParameterDict({"gain": jg.ones(2)})
    >>> "gain" in params, [name for name, _ in params.named_parameters()]
    (True, ['gain'])
    """

    def __init__(self, parameters=None):
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def _attribute(self, key):
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}'). Open an issue on github if you need "
                "non-string keys."
            )
        return key

    def __getitem__(self, key):
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, self._attribute(key))

    def __setitem__(self, key, value):
        self._keys[key] = None
        setattr(self, self._attribute(key), _as_parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, self._attribute(key))

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(list(self._keys))

    def __contains__(self, key):
        return key in self._keys

    def __or__(self, other):
        return self.copy().update(other)

    def __ror__(self, other):
        return type(self)(other).update(self)

    def __ior__(self, other):
        return self.update(other)

    def copy(self):
        """A new ParameterDict of the same parameters."""
        return type(self)(dict(self.items()))

    def setdefault(self, key, default=None):
        """The value of a key, set to `default` first if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def get(self, key, default=None):
        """The value of a key, or `default`."""
        return self[key] if key in self else default

    def pop(self, key):
        """Take a value out and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Take the last pair out and return it."""
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self):
        """Take everything out."""
        for key in list(self._keys):
            del self[key]

    def fromkeys(self, keys, default=None):
        """A new ParameterDict with the same value for every key."""
        return type(self)(dict.fromkeys(keys, default))

    def keys(self):
        """The keys."""
        return self._keys.keys()

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def items(self):
        """Keys and values."""
        return ((key, self[key]) for key in self._keys)

    def update(self, parameters):
        """Add values from a mapping or from (key, value) pairs; returns self."""
        if not hasattr(parameters, "__iter__") or isinstance(parameters, Tensor):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, "
                f"but got {typename(parameters)}"
            )
        pairs = parameters.items() if hasattr(parameters, "items") else parameters
        for key, value in list(pairs):
            self[key] = value
        return self

    def extra_repr(self):
        """A line for each value."""
        return "\n".join(f"  ({key}): {_indent(_describe(v))}" for key, v in self.items())

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterDict should not be called.")

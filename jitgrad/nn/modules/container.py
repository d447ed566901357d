"""Modules that hold Modules: `Sequential`, `ModuleList`, `ModuleDict`."""

import itertools
import operator

from jitgrad.nn.modules._registry import typename
from jitgrad.nn.modules.module import Module, _indent


class _Indexed(Module):
    """Children named "0", "1", ...: what lists and sequences share."""

    def _key(self, index):
        """The name of an index, negative ones counted from the end."""
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return list(self._modules)[index]

    def _replace(self, modules):
        self._modules.clear()
        self._modules.update((str(i), module) for i, module in enumerate(modules))
        self._bump()

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._part(index)
        return self._modules[self._key(index)]

    def _part(self, index):
        """A container of the same type with some of the modules."""
        return type(self)(list(self)[index])

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __contains__(self, module):
        return any(module is own for own in self._modules.values())

    def __setitem__(self, index, module):
        if isinstance(index, slice):
            keys = list(self._modules)[index]
            for key, value in zip(keys, module, strict=True):
                setattr(self, key, value)
        else:
            setattr(self, self._key(index), module)

    def __delitem__(self, index):
        modules = list(self)
        del modules[index if isinstance(index, slice) else operator.index(index)]
        self._replace(modules)

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, module):
        """Add a module at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        """Add modules at the end; returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index):
        """Take a module out and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Indexed):
    """Modules called one after the other; also from an OrderedDict of names.

    >>> import jitgrad as jg
    >>> net = jg.nn.Sequential(jg.nn.Linear(4, 8), jg.nn.ReLU(), jg.nn.Linear(8, 2))
    >>> tuple(net(jg.zeros(3, 4)).shape), len(net), net[1]
    ((3, 2), 3, ReLU())
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(args):
                self.add_module(str(index), module)

    def forward(self, input):
        """The first module's input -> the last one's output."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _part(self, index):
        return type(self)(dict(list(self._modules.items())[index]))

    def __delitem__(self, index):
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            delattr(self, key)
        self._replace(list(self))

    def insert(self, index, module):
        """Put a module before `index`; returns self."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)
        return self

    def __add__(self, other):
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, "
                f"but {type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other):
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, "
                f"but {type(other)} is given."
            )
        return self.extend(other)

    def __mul__(self, times):
        _check_times(times)
        return Sequential(*itertools.chain.from_iterable([list(self)] * times))

    __rmul__ = __mul__

    def __imul__(self, times):
        _check_times(times)
        own = list(self)
        for _ in range(times - 1):
            self.extend(own)
        return self


def _check_times(times):
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: {Sequential} and {type(times)}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for {Sequential}")


class ModuleList(_Indexed):
    """A list of modules whose parameters are found.

    >>> import jitgrad as jg
    >>> layers = jg.nn.ModuleList([jg.nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def insert(self, index, module):
        """Put a module before `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)

    def extend(self, modules):
        """Add modules at the end; returns self."""
        if not hasattr(modules, "__iter__"):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, "
                f"but got {type(modules).__name__}"
            )
        return super().extend(modules)

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def __repr__(self):
        """As PyTorch prints it: equal neighbours once, with their count."""
        lines = []
        texts = [repr(module) for module in self]
        start = 0
        for text, run in itertools.groupby(texts):
            end = start + len(list(run))
            name, times = f"{start}", ""
            if end - start > 1:
                name, times = f"{start}-{end - 1}", f"{end - start} x "
            lines.append(f"({name}): {times}{_indent(text)}")
            start = end
        inside = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({inside})"


class ModuleDict(Module):
    """A dict of modules whose parameters are found.

    >>> import jitgrad as jg
    >>> layers = jg.nn.ModuleDict({"relu": jg.nn.ReLU()})
    >>> layers["tanh"] = jg.nn.Tanh()
    >>> list(layers)
    ['relu', 'tanh']
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]
        self._bump()

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def clear(self):
        """Take all modules out."""
        self._modules.clear()
        self._bump()

    def pop(self, key):
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module

    def keys(self):
        """The names."""
        return self._modules.keys()

    def values(self):
        """The modules."""
        return self._modules.values()

    def items(self):
        """Names and modules."""
        return self._modules.items()

    def update(self, modules):
        """Add modules from a mapping or from (name, module) pairs."""
        if not hasattr(modules, "__iter__"):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, "
                f"but got {typename(modules)}"
            )
        pairs = modules.items() if hasattr(modules, "items") else modules
        for pair in pairs:
            if len(pair) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element has length {len(pair)}; 2 is required"
                )
            self[pair[0]] = pair[1]

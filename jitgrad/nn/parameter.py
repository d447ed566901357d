"""Tensors that a Module owns: `Parameter` (trained) and `Buffer` (state that is not)."""

import jitgrad as jg
from jitgrad.frontend import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the Module it is assigned to.

    It shares memory with `data` and is a leaf of the gradient.

    >>> import jitgrad as jg
    >>> weight = jg.nn.Parameter(jg.zeros(2, 3))
    >>> weight.requires_grad, weight.is_leaf, tuple(weight.shape)
    (True, True, (2, 3))
    """

    __slots__ = ()

    def __new__(cls, data=None, requires_grad=True):
        return Tensor._make_subclass(cls, jg.empty(0) if data is None else data, requires_grad)

    def __init__(self, data=None, requires_grad=True):
        """All is done in `__new__`: the value belongs to the storage of `data`."""

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(jg.clone(self.detach()), self.requires_grad)
        return memo[id(self)]

    def __repr__(self):  # type: ignore[override]  # without tensor_contents, as PyTorch's
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that becomes a buffer of the Module it is assigned to.

    >>> import jitgrad as jg
    >>> module = jg.nn.Module()
    >>> module.total = jg.nn.Buffer(jg.zeros(3), persistent=False)
    >>> [name for name, _ in module.named_buffers()], list(module.state_dict())
    (['total'], [])
    """

    def __new__(cls, data=None, *, persistent=True):
        return Tensor._make_subclass(cls, jg.empty(0) if data is None else data, False)

    def __init__(self, data=None, *, persistent=True):
        """`persistent`: whether the buffer is part of `state_dict()`."""
        self.persistent = persistent

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(jg.clone(self.detach()), persistent=self.persistent)
        return memo[id(self)]

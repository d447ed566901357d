"""Layers that reshape: `Flatten`, `Unflatten`."""

import jitgrad as jg
from jitgrad.nn.modules.module import Module


class Flatten(Module):
    """Joins the dimensions start_dim..end_dim into one.

    >>> import jitgrad as jg
    >>> tuple(jg.nn.Flatten()(jg.zeros(5, 2, 3)).shape)
    (5, 6)
    """

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input):
        """(..., a, b, ...) -> (..., a * b, ...)."""
        return jg.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self):
        """Both ends."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one dimension into several; one of them may be -1.

    >>> import jitgrad as jg
    >>> tuple(jg.nn.Unflatten(1, (2, 3))(jg.zeros(5, 6)).shape)
    (5, 2, 3)
    """

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(dim, int):
            raise NotImplementedError("Unflatten: dim by name; named tensors are not supported")
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                "unflattened_size must be a tuple of ints, "
                f"but found type {type(unflattened_size).__name__}"
            )
        for index, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {index}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input):
        """(..., a * b, ...) -> (..., a, b, ...)."""
        return jg.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self):
        """Both arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

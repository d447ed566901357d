"""A Tensor's ways to the host: computing it, lending its memory to NumPy, Python numbers.

Entry: `Host`, the part of `Tensor` that reads values. Imports: runtime (through `pending`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.frontend import pending
from jitgrad.frontend.record import Base
from jitgrad.frontend.state import local
from jitgrad.frontend.views import numpy_view
from jitgrad.ir.node import Node


class Host(Base):
    """What reads values; every read that makes something run is counted with its line."""

    __slots__ = ()

    def realize(self) -> Any:
        """Compute the values now, without copying them to the host."""
        if local.state.capture is not None:
            pending.flush_all()
            return self
        node = self._storage.node
        if node is not None:
            pending.read(node, "realize")
        return self

    def _values(self, why: str) -> np.ndarray:
        """The values as an array that shares their memory."""
        storage = self._storage
        capture = local.state.capture
        if capture is not None:
            capture.value(storage, why)
        if storage.node is None:
            base = storage.external
        else:
            pending.read(storage.node, why)
            base = storage.node.array()
        return base if self._view is None else numpy_view(base, self._view.chain)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A read-only array over the values, which it keeps alive.

        A later write to the Tensor goes to other memory (memory that came from NumPy is shared).
        """
        if self.requires_grad and not force:
            raise RuntimeError(
                "numpy: Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy()"
            )
        out = _pinned(self._values("numpy"), self._storage.node)
        out.flags.writeable = False
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = self.numpy()
        if dtype is not None and out.dtype != dtype:
            return out.astype(dtype)
        return out.copy() if copy else out

    def __dlpack__(self, **options: Any) -> Any:
        values = self.numpy()
        try:
            return values.__dlpack__(**options)
        except BufferError:  # the receiver cannot be told that the memory is read-only
            return values.copy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(
                f"item: a Tensor with {self.numel()} elements (shape {tuple(self._shape)}) cannot "
                "be converted to Scalar"
            )
        return self._values("item").item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._values("tolist").tolist()

    def _number(self, why: str) -> Any:
        if self.numel() != 1:
            raise ValueError(
                f"{why}: only a Tensor of one element can be converted to a Python number, not "
                f"one of shape {tuple(self._shape)}"
            )
        return self._values(why).item()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            kind = "no values" if self.numel() == 0 else "more than one value"
            raise RuntimeError(
                f"bool: Boolean value of Tensor with {kind} is ambiguous (shape "
                f"{tuple(self._shape)}); use any() or all()"
            )
        return bool(self._number("bool"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        if self._dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError("index: only integer tensors of a single element can be an index")
        return int(self._number("index"))

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len: len() of a 0-d tensor")
        return self._shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("iter: iteration over a 0-d tensor")
        return (self.select(0, i) for i in range(self._shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())


class _Pin:
    """Lends memory to NumPy and keeps its owner alive with the array."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, values: np.ndarray, owner: Any) -> None:
        self.__array_interface__ = values.__array_interface__
        self.owner = (values, owner)


def _pinned(values: np.ndarray, node: Node | None) -> np.ndarray:
    if node is None or values.size == 0:
        return values.view()
    return np.asarray(_Pin(values, node.data))

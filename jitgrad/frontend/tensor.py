"""`Tensor`: what the user holds. Its methods come from the tables in `methods`; here is what makes
it a Tensor: its parts, its history, and its ways to the host.

Entry: `Tensor`. Imports: ir, runtime (through `pending`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from jitgrad.frontend import gradients
from jitgrad.frontend import record as recording
from jitgrad.frontend.arguments import check_options, strided
from jitgrad.frontend.host import Host
from jitgrad.frontend.record import make, wrap
from jitgrad.frontend.state import local, rebound
from jitgrad.frontend.storage import Storage, Track, View
from jitgrad.frontend.tape import Box, Handle, Leaf, Retain, add_hook
from jitgrad.frontend.types import CPU, META, Size, device
from jitgrad.frontend.views import contiguous_strides
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node


class Tensor(Host):
    """A multi-dimensional array that records what is done with it.

    >>> import jitgrad as jg
    >>> x = jg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> (x @ x).sum(0)
    tensor([22., 32.])
    """

    __slots__ = ("__dict__", "__weakref__")
    __array_priority__ = 1000  # NumPy's operators leave mixed operands to us

    _record = staticmethod(recording.record)

    if TYPE_CHECKING:  # the operators, which `methods` installs
        __getitem__: Any
        __setitem__: Any
        __add__: Any
        __sub__: Any
        __mul__: Any
        __truediv__: Any
        __neg__: Any

    def __new__(cls, *data: Any, device: Any = None) -> Tensor:
        from jitgrad.frontend.creation import legacy

        return _share(cls, legacy(data, device), False)

    def __init__(self, *_: Any, **__: Any) -> None:
        """`__new__` has made it."""

    @staticmethod
    def _from_node(node: Node) -> Tensor:
        return wrap(node)

    @staticmethod
    def _make_subclass(cls: Any, data: Tensor, require_grad: bool = False) -> Any:
        """A Tensor of class `cls` over the storage of `data`, a leaf."""
        return _share(cls, data, require_grad)

    # ---- parts

    @property
    def shape(self) -> Size:
        """Sizes of the axes."""
        return Size(self._shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        if dim is None:
            return Size(self._shape)
        return self._shape[_axis("size", dim, len(self._shape))]

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return self._dtype

    @property
    def device(self) -> device:
        """Where the values are."""
        node = self._storage.node
        return CPU if node is None or node.device == "cpu" else META

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    def dim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        out = 1
        for n in self._shape:
            out *= n
        return out

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self._dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each axis, in elements."""
        strides = self._place()[0]
        return strides if dim is None else strides[_axis("stride", dim, len(strides))]

    def storage_offset(self) -> int:
        """Position of the first element in the storage."""
        return self._place()[1]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        if memory_format is not None:
            check_options("is_contiguous", memory_format=memory_format)
        if self._view is None and self._storage.node is not None:
            return True
        want = contiguous_strides(self._shape)
        have = self._place()[0]
        return 0 in self._shape or all(
            n == 1 or a == b for n, a, b in zip(self._shape, have, want, strict=True)
        )

    def is_floating_point(self) -> bool:
        """Whether the elements are floating point numbers."""
        return self._dtype.kind == "f"

    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return False

    def is_signed(self) -> bool:
        """Whether the elements can be negative."""
        return self._dtype.is_signed

    @property
    def is_meta(self) -> bool:
        """Whether it has a shape and a dtype, but no values."""
        return self.device is META

    is_cuda = False
    is_sparse = False
    is_quantized = False
    is_mps = False
    is_nested = False
    layout = strided

    @property
    def _version(self) -> int:
        return self._storage.version

    def data_ptr(self) -> int:
        """Address of the first element; computes it."""
        return int(self._values("data_ptr").__array_interface__["data"][0])

    # ---- history

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded for backward."""
        return self._edge() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) recording operations on this leaf."""
        edge = self._edge()
        if (edge is not None) == bool(requires_grad):
            return self
        if edge is not None and type(edge) is not Leaf:
            raise RuntimeError(
                "requires_grad_: you can only change requires_grad flags of leaf variables; "
                "use detach() to cut a result off its history"
            )
        if requires_grad and self._dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad_: only Tensors of floating point dtype can require gradients, "
                f"not {self._dtype}"
            )
        _set_history(self, requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this Tensor."""
        edge = self._edge()
        return edge is None or type(edge) is Leaf

    @property
    def grad_fn(self) -> Any:
        """The Edge of the operation that made this Tensor, None for a leaf."""
        edge = self._edge()
        return None if type(edge) is Leaf else edge

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward has added up."""
        capture = local.state.capture
        if capture is not None:
            capture.grad_box(self)
        if self._box is None:
            if not self.is_leaf:
                warnings.warn(
                    f"grad: a Tensor of shape {tuple(self._shape)} that is not a leaf gets no "
                    ".grad from backward(); call retain_grad() on it first, or read the leaf's",
                    stacklevel=2,
                )
            return None
        return self._box.value

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: must be a Tensor or None, not {type(value).__name__}")
            if value._shape != self._shape or value._dtype is not self._dtype:
                raise RuntimeError(
                    f"grad: assigned grad has shape {tuple(value._shape)} and {value._dtype}, the "
                    f"Tensor {tuple(self._shape)} and {self._dtype}"
                )
        if self._box is None:
            self._box = Box()
        capture = local.state.capture
        if capture is not None:
            capture.grad_box(self, read=False)
        self._box.value = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def retain_grad(self) -> None:
        """Keep the gradient of this result in `.grad` too."""
        edge = self._edge()
        if edge is None:
            raise RuntimeError("retain_grad: the Tensor has requires_grad=False")
        if type(edge) is Leaf or self.retains_grad:
            return
        self._box = Box()
        add_hook(edge, Retain(self._box))

    @property
    def retains_grad(self) -> bool:
        """Whether `.grad` of this result will be kept."""
        hooks = getattr(self.grad_fn, "hooks", None) or {}
        return any(isinstance(h, Retain) and h.box is self._box for h in hooks.values())

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(grad)` when the gradient is known; what it returns replaces it."""
        edge = self._edge()
        if edge is None:
            raise RuntimeError(
                "register_hook: cannot register a hook on a tensor that doesn't require gradient"
            )
        return add_hook(edge, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(tensor)` each time backward has added to `.grad` of this leaf."""
        edge = self._edge()
        if type(edge) is not Leaf:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: post accumulate grad hooks cannot be "
                "registered on non-leaf tensors"
            )
        weak = ref(self)
        return add_hook(edge, lambda: hook(weak()), "after")

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this Tensor to `.grad` of the leaves it was made from."""
        grads = None if gradient is None else (gradient,)
        gradients.backward((self,), grads, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same values without history; shares the storage."""
        view = self._view and View(self._view.chain)
        return make(Tensor, self._storage, Track(), view, self._shape, self._dtype)

    def detach_(self) -> Tensor:
        """Cut this Tensor off its history."""
        _set_history(self, False)
        return self

    @property
    def data(self) -> Tensor:
        """The same values without history; shares the storage."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        edge = self._edge()
        if type(edge) is Leaf and (other._shape, other._dtype) != (edge.shape, edge.dtype):
            edge.shape, edge.dtype = other._shape, other._dtype
        rebound[0] += 1
        self._track = Track(edge)
        self._storage, self._shape, self._dtype = other._storage, other._shape, other._dtype
        self._view = other._view and View(other._view.chain, edge, edge)

    __hash__ = object.__hash__

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from jitgrad.frontend.printing import text

        return text(self) if tensor_contents is None else tensor_contents

    def __format__(self, spec: str) -> str:
        if not self._shape:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "deepcopy: only Tensors created explicitly by the user support the deepcopy "
                "protocol; use clone() or detach()"
            )
        if id(self) not in memo:
            copy = _share(type(self), self.detach().clone(), self.requires_grad)
            if self.grad is not None:
                copy.grad = self.grad.detach().clone()
            memo[id(self)] = copy
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("pickle: Tensors are not pickled; use jitgrad.save (safetensors)")


def _share(cls: Any, data: Tensor, requires_grad: bool) -> Any:
    view = data._view and View(data._view.chain)
    out = make(cls, data._storage, Track(), view, data._shape, data._dtype)
    if requires_grad:
        out.requires_grad_()
    return out


def _set_history(t: Tensor, leaf: bool) -> None:
    """Make `t` a leaf with or without gradient, apart from what shares its storage."""
    edge = None
    if leaf:
        if t._box is None:
            t._box = Box()
        edge = Leaf(t._shape, t._dtype, t._box)
    rebound[0] += 1
    t._track = Track(edge)
    if t._view is not None:
        t._view = View(t._view.chain, edge, edge)


def _axis(name: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError when there is no such axis."""
    span = max(ndim, 1)
    if not -span <= dim < span:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-span}, {span - 1}], "
            f"but got {dim})"
        )
    return dim % span


recording.tensor_class = Tensor

__all__ = ["Storage", "Tensor"]

"""Views and other shape methods: what moves elements without computing.

Entry: every function here becomes a Tensor method and, but for `view`-like ones, a public function
(see `methods`). Imports: the recorder.
"""

from __future__ import annotations

import math
from typing import Any

from jitgrad.frontend.arguments import check_options
from jitgrad.frontend.record import Base, general, label, view, wrap
from jitgrad.frontend.state import local, site
from jitgrad.frontend.tape import passing
from jitgrad.frontend.views import reshaped_strides
from jitgrad.ir.apply import broadcast_shapes
from jitgrad.ir.dtype import DType
from jitgrad.ir.op import OPS
from jitgrad.ops.arrange import diagonal_chain


def axis_of(name: str, dim: Any, ndim: int) -> int:
    """`dim` counted from the front; IndexError when there is no such axis."""
    span = max(ndim, 1)
    try:
        dim = dim.__index__()
    except (AttributeError, TypeError):
        raise TypeError(f"{name}: dim must be an integer, not {dim!r}") from None
    if not -span <= dim < span:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-span}, {span - 1}], "
            f"but got {dim})"
        )
    return dim % span


def axes_of(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Axes from None (all), one number or several."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not dim:
            return tuple(range(ndim))
        out = tuple(axis_of(name, d, ndim) for d in dim)
        if len(set(out)) != len(out):
            raise RuntimeError(f"{name}: dim {out[0]} appears multiple times in the list of dims")
        return tuple(sorted(out)) if ndim else ()
    return (axis_of(name, dim, ndim),) if ndim else ()


def _sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple(n.__index__() for n in given)


def _fill_in(name: str, shape: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """`new` with its -1 worked out; RuntimeError unless it has as many elements as `shape`."""
    total = math.prod(shape)
    if -1 in new:
        rest = math.prod(n for n in new if n != -1)
        if new.count(-1) > 1:
            raise RuntimeError(f"{name}: only one dimension can be inferred, got {new}")
        if rest == 0 or total % rest:
            raise RuntimeError(
                f"{name}: shape '{list(new)}' is invalid for input of size {total} (shape {shape})"
            )
        new = tuple(total // rest if n == -1 else n for n in new)
    if math.prod(new) != total or any(n < 0 for n in new):
        raise RuntimeError(
            f"{name}: shape '{list(new)}' is invalid for input of size {total} (shape {shape})"
        )
    return new


def _viewable(t: Any, new: tuple[int, ...]) -> bool:
    if t._view is None and t._storage.node is not None:
        return True
    return reshaped_strides(t._shape, t._place()[0], new) is not None


def view_(self: Any, *shape: Any, dtype: Any = None) -> Any:
    """The same elements under another shape, sharing the storage."""
    if dtype is not None or any(isinstance(n, DType) for n in shape):
        raise NotImplementedError("view: dtype")
    new = _fill_in("view", self._shape, _sizes(shape))
    if not _viewable(self, new):
        raise RuntimeError(
            f"view: size {new} is not compatible with input tensor's size {self._shape} and stride "
            f"{self.stride()} (at least one dimension spans across two contiguous subspaces); "
            "use .reshape(...) instead"
        )
    return label(view(self, "reshape", (new,)), "view")


def reshape(self: Any, *shape: Any) -> Any:
    """The same elements under another shape; shares the storage where strides allow."""
    new = _fill_in("reshape", self._shape, _sizes(shape))
    if _viewable(self, new):
        return label(view(self, "reshape", (new,)), "view")
    return general(OPS["reshape"], (self,), (new,))


def view_as(self: Any, other: Any) -> Any:
    """`view` with the shape of `other`."""
    return view_(self, other._shape)


def reshape_as(self: Any, other: Any) -> Any:
    """`reshape` to the shape of `other`."""
    return reshape(self, other._shape)


def flatten(self: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Axes `start_dim` to `end_dim` joined to one."""
    n = len(self._shape)
    start, end = axis_of("flatten", start_dim, n), axis_of("flatten", end_dim, n)
    if start > end:
        raise RuntimeError("flatten: start_dim cannot come after end_dim")
    if n == 0:
        return reshape(self, 1)
    shape = self._shape
    return reshape(self, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(self: Any, dim: int, sizes: Any) -> Any:
    """Axis `dim` split into axes of `sizes`."""
    axis = axis_of("unflatten", dim, len(self._shape))
    part = _fill_in("unflatten", (self._shape[axis],), tuple(sizes))
    return reshape(self, (*self._shape[:axis], *part, *self._shape[axis + 1 :]))


def ravel(self: Any) -> Any:
    """All elements along one axis."""
    return reshape(self, -1)


def permute(self: Any, *dims: Any) -> Any:
    """The axes in another order."""
    n = len(self._shape)
    dims = _sizes(dims)
    if len(dims) != n:
        raise RuntimeError(
            f"permute: {len(dims)} dims {dims} for shape {self._shape}, which has {n}"
        )
    order = tuple(axis_of("permute", d, n) for d in dims)
    if sorted(order) != list(range(n)):
        raise RuntimeError(
            f"permute: dims {order} do not name each of the {n} axes of shape {self._shape} once"
        )
    return view(self, "permute", (order,))


def transpose(self: Any, dim0: int, dim1: int) -> Any:
    """Two axes exchanged."""
    n = len(self._shape)
    a, b = axis_of("transpose", dim0, n), axis_of("transpose", dim1, n)
    order = list(range(n))
    if n:
        order[a], order[b] = b, a
    return label(view(self, "permute", (tuple(order),)), "transpose")


def t(self: Any) -> Any:
    """The transpose of a matrix; a vector as it is."""
    n = len(self._shape)
    if n > 2:
        raise RuntimeError(f"t: expects a tensor with <= 2 dimensions, but self is {n}D")
    return label(view(self, "permute", (tuple(reversed(range(n))),)), "t")


def movedim(self: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other positions, the rest in order."""
    n = len(self._shape)
    given = [(v,) if isinstance(v, int) else tuple(v) for v in (source, destination)]
    source, destination = (tuple(axis_of("movedim", d, n) for d in v) for v in given)
    if len(source) != len(destination) or len(set(source)) < len(source):
        raise RuntimeError("movedim: source and destination must be as many distinct dims")
    order = [i for i in range(n) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return view(self, "permute", (tuple(order),))


def squeeze(self: Any, dim: Any = None) -> Any:
    """Axes of size 1 removed: all, or those named."""
    axes = axes_of("squeeze", dim, len(self._shape))
    shape = tuple(n for i, n in enumerate(self._shape) if n != 1 or i not in axes)
    return label(view(self, "reshape", (shape,)), "squeeze" if dim is None else "squeeze1")


def unsqueeze(self: Any, dim: int) -> Any:
    """An axis of size 1 inserted at `dim`."""
    axis = axis_of("unsqueeze", dim, len(self._shape) + 1)
    out = view(self, "reshape", ((*self._shape[:axis], 1, *self._shape[axis:]),))
    return label(out, "unsqueeze")


def expand(self: Any, *sizes: Any, implicit: bool = False) -> Any:
    """Axes of size 1 repeated to `sizes` (-1 keeps one) without copying; new axes in front."""
    new = _sizes(sizes)
    lead = len(new) - len(self._shape)
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided {new} must be greater or equal to the number of "
            f"dimensions in the tensor {self._shape}"
        )
    full = tuple(
        (self._shape[i - lead] if i >= lead else -1) if n == -1 else n for i, n in enumerate(new)
    )
    for i, n in enumerate(full):
        have = self._shape[i - lead] if i >= lead else 1
        if n < 0 or have not in (1, n):
            raise RuntimeError(
                f"expand: The expanded size of the tensor ({n}) must match the existing size "
                f"({have}) at non-singleton dimension {i}. Target sizes: {list(new)}. "
                f"Tensor sizes: {list(self._shape)}"
            )
    out = view(self, "reshape", ((1,) * lead + self._shape,)) if lead else self
    return view(out, "expand", (full,))


def broadcast_to(self: Any, size: Any) -> Any:
    """`expand` to `size`."""
    return expand(self, *size)


def expand_as(self: Any, other: Any) -> Any:
    """`expand` to the shape of `other`."""
    return expand(self, other._shape)


def broadcast_tensors(*tensors: Any) -> list[Any]:
    """All tensors expanded to their common shape."""
    shape = broadcast_shapes("broadcast_tensors", *[x._shape for x in tensors])
    return [expand(x, shape) for x in tensors]


def slice_axis(self: Any, axis: int, start: int, step: int, size: int) -> Any:
    """Elements start, start + step, ... along one axis, as a view."""
    n = len(self._shape)
    return view(
        self,
        "slice",
        (
            tuple(start if i == axis else 0 for i in range(n)),
            tuple(step if i == axis else 1 for i in range(n)),
            tuple(size if i == axis else m for i, m in enumerate(self._shape)),
        ),
    )


def narrow(self: Any, dim: int, start: Any, length: int) -> Any:
    """`length` elements from `start` along `dim`."""
    axis = axis_of("narrow", dim, len(self._shape))
    n, start = self._shape[axis], int(start)
    if not -n <= start <= n:
        raise IndexError(f"narrow: start {start} is out of range for axis {axis} of size {n}")
    start += n if start < 0 else 0
    if length < 0 or start + length > n:
        raise RuntimeError(
            f"narrow: start ({start}) + length ({length}) exceeds dimension size ({n})."
        )
    return slice_axis(self, axis, start, 1, length)


def select(self: Any, dim: int, index: Any) -> Any:
    """The part at `index` of axis `dim`, without that axis."""
    axis = axis_of("select", dim, len(self._shape))
    n, index = self._shape[axis], int(index)
    if not -n <= index < n:
        raise IndexError(
            f"select: index {index} is out of bounds for dimension {axis} with size {n}"
        )
    part = slice_axis(self, axis, index % n, 1, 1)
    out = view(part, "reshape", (self._shape[:axis] + self._shape[axis + 1 :],))
    return label(out, "select")


def unbind(self: Any, dim: int = 0) -> tuple[Any, ...]:
    """The parts along `dim`, without that axis."""
    axis = axis_of("unbind", dim, len(self._shape))
    parts = [select(self, axis, i) for i in range(self._shape[axis])]
    return tuple([label(part, "unbind") for part in parts])


def split(self: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """Parts of `split_size` along `dim` (the last may be smaller), or of the sizes given."""
    axis = axis_of("split", dim, len(self._shape))
    n = self._shape[axis]
    if isinstance(split_size, (tuple, list)):
        sizes, name = list(split_size), "split_with_sizes"
        if sum(sizes) != n:
            raise RuntimeError(
                f"split: expects split_sizes to sum exactly to {n} (input tensor's size at "
                f"dimension {axis}), but got split_sizes={sizes}"
            )
    else:
        if split_size < 0 or (split_size == 0 and n):
            raise RuntimeError(f"split: split_size must be positive, got {split_size}")
        count = max(1, -(-n // split_size)) if split_size else 1
        sizes, name = [min(split_size, n - i * split_size) for i in range(count)], "split"
    out, start = [], 0
    for size in sizes:
        out.append(label(slice_axis(self, axis, start, 1, size), name))
        start += size
    return tuple(out)


def chunk(self: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most `chunks` parts of equal size along `dim`."""
    if chunks <= 0:
        raise RuntimeError(f"chunk: expects chunks to be greater than 0, got: {chunks}")
    n = self._shape[axis_of("chunk", dim, len(self._shape))]
    return split(self, max(1, -(-n // chunks)), dim)


def flip(self: Any, *dims: Any) -> Any:
    """The order along the axes reversed; a copy, as in PyTorch."""
    axes = axes_of("flip", _sizes(dims), len(self._shape)) if dims and dims[0] != () else ()
    if not axes:
        return clone(self)
    shape = self._shape
    starts = tuple(n - 1 if i in axes else 0 for i, n in enumerate(shape))
    steps = tuple(-1 if i in axes else 1 for i in range(len(shape)))
    return label(general(OPS["slice"], (self,), (starts, steps, shape)), "flip")


def diagonal(self: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of two axes, as the last axis: a view."""
    n = len(self._shape)
    a, b = axis_of("diagonal", dim1, n), axis_of("diagonal", dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal: dimensions cannot be identical {dim1}, {dim2}")
    strides, start = self._place()
    steps = diagonal_chain(self._shape, offset, a, b)
    out = self
    for name, attrs in steps:
        out = view(out, name, attrs)
    count, seen = out._shape[-1], out._view
    first = offset * strides[b] if offset >= 0 else -offset * strides[a]
    rest = [i for i in range(n) if i not in (a, b)]
    step = strides[a] + strides[b]
    seen.place = ((*(strides[i] for i in rest), step), start + first if count else start)
    base = self._storage.node
    if base is None:
        seen.frozen = "a diagonal of NumPy's memory"
    elif n == 2:  # along the storage the diagonal is one slice, whatever was done to the matrix
        at = start + first if count else 0
        seen.chain = (("reshape", ((base.size,),)), ("slice", ((at,), (step,), (count,))))
    else:
        moved = [*rest, a, b]
        shape = tuple(self._shape[i] for i in moved)
        flat = (*shape[:-2], shape[-2] * shape[-1])
        if reshaped_strides(shape, tuple(strides[i] for i in moved), flat) is None:
            seen.frozen = "the diagonals of a stack of matrices with gaps between their rows"
    return out


def contiguous(self: Any, memory_format: Any = None) -> Any:
    """Itself when the elements lie in row-major order, else a copy that does."""
    return self if self.is_contiguous(memory_format) else clone(self)


def clone(self: Any, *, memory_format: Any = None) -> Any:
    """A copy with its own storage; gradients flow through it."""
    if memory_format is not None:
        check_options("clone", memory_format=memory_format)
    state = local.state
    node, edge = self._pair(state)  # Nodes never change: until one side is written, both share it
    if edge is None or not state.grad:
        return wrap(node)
    out = passing(edge, node.shape, node.dtype)
    out.label, out.site = "clone", site(state)
    return wrap(node, out)


def swap_last(self: Any) -> Any:
    """The last two axes exchanged."""
    return transpose(self, -2, -1)


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Base)

"""Reading and writing `x[...]` in all of NumPy's and PyTorch's forms.

Numbers, slices, None and Ellipsis make views; boolean masks and integer tensors gather. Entry:
`getitem`, `setitem`. Imports: the recorder.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend.composing import composed
from jitgrad.frontend.creation import tensor
from jitgrad.frontend.record import Base, assign, cast, check_writable, general, label, view
from jitgrad.frontend.shaping import expand, permute, reshape
from jitgrad.frontend.state import local
from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import broadcast_shapes
from jitgrad.ir.op import OPS


def getitem(self: Any, index: Any) -> Any:
    """`self[index]`."""
    out, advanced = _basic(self, index)
    if not advanced:
        return out if out is not self else view(self, "reshape", (self._shape,))
    return _Gather(out, advanced).read()


def setitem(self: Any, index: Any, value: Any) -> None:
    """`self[index] = value`."""
    check_writable(self, "setitem")
    target, advanced = _basic(self, index)
    if not isinstance(value, Base):
        value = tensor(value, dtype=self._dtype)
    value = cast(value, self._dtype)
    if not advanced:
        assign(target, _fitted(value, target._shape))
    elif len(advanced) == 1 and advanced[0][1]._dtype is dt.bool_ and value.numel() == 1:
        _fill(target, *advanced[0], value)
    else:
        _Gather(target, advanced).write(value)


def _fill(target: Any, axis: int, mask: Any, value: Any) -> None:
    """One number where a mask is true: which elements those are need not be known."""
    _check_mask(mask, target._shape, axis)
    below = len(target._shape) - axis - len(mask._shape)
    mask = reshape(mask, (*mask._shape, *(1,) * below))
    new = ops.where(mask, reshape(value, ()), target)
    assign(target, label(new, "setitem"))


def _fitted(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` broadcast to `shape`; leading axes of size 1 may be too many, as in PyTorch."""
    if value._shape == shape:
        return value
    while len(value._shape) > len(shape) and value._shape[0] == 1:
        value = reshape(value, value._shape[1:])
    try:
        return expand(value, shape)
    except RuntimeError:
        raise RuntimeError(
            f"setitem: shape mismatch: value tensor of shape {list(value._shape)} cannot be "
            f"broadcast to indexing result of shape {list(shape)}"
        ) from None


# ---- views


def _basic(self: Any, index: Any) -> tuple[Any, list[tuple[int, Any]]]:
    """The view that numbers, slices, None and Ellipsis make, and the (axis, tensor) left over."""
    items = _items(index)
    used = sum(_width(i) for i in items)
    n = len(self._shape)
    if used > n:
        raise IndexError(f"index: too many indices for tensor of dimension {n}: {used}")
    if not any(i is Ellipsis for i in items):
        items.append(Ellipsis)
    starts, steps, sizes = [0] * n, [1] * n, list(self._shape)
    shape: list[int] = []
    advanced: list[tuple[int, Any]] = []
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
        elif item is Ellipsis:
            for _ in range(n - used):
                shape.append(self._shape[axis])
                axis += 1
        elif isinstance(item, slice):
            starts[axis], steps[axis], sizes[axis] = _range(item, self._shape[axis])
            shape.append(sizes[axis])
            axis += 1
        elif isinstance(item, int):
            starts[axis], sizes[axis] = _at(item, self._shape[axis], axis), 1
            axis += 1
        else:
            advanced.append((len(shape), item))
            width = _width(item)
            if width == 0:  # a 0-d mask: a new axis that is kept or not
                shape.append(1)
            shape.extend(self._shape[axis : axis + width])
            axis += width
    out = self
    if tuple(sizes) != self._shape or any(k != 1 for k in steps):
        out = view(out, "slice", (tuple(starts), tuple(steps), tuple(sizes)))
    if tuple(shape) != out._shape:
        out = view(out, "reshape", (tuple(shape),))
        if any(isinstance(i, int) for i in items):
            label(out, "select")
    return out, advanced


def _items(index: Any) -> list[Any]:
    """The index as a list of int, slice, None, Ellipsis, mask or integer Tensor."""
    items = list(index) if isinstance(index, tuple) else [index]
    out = [_item(i) for i in items]
    dots = [k for k, i in enumerate(out) if i is Ellipsis]
    return [i for k, i in enumerate(out) if k not in dots[1:]]  # only the first one stands for axes


def _item(i: Any) -> Any:
    if i is None or i is Ellipsis or isinstance(i, slice):
        return i
    if isinstance(i, (bool, np.bool_)):
        return tensor(bool(i))
    if isinstance(i, (int, np.integer)):
        return int(i)
    if isinstance(i, (list, tuple, range, np.ndarray)):
        empty = not isinstance(i, np.ndarray) and len(i) == 0
        i = tensor(i, dtype=dt.int64 if empty else None)
    if not isinstance(i, Base):
        raise (TypeError if isinstance(i, str) else IndexError)(
            "index: only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors "
            f"are valid indices, not {type(i).__name__}"
        )
    if i._dtype.kind == "f":
        raise IndexError(f"index: tensors used as indices must be integer or bool, not {i._dtype}")
    if not i._shape and i._dtype is not dt.bool_ and not i.requires_grad:
        node = i._storage.node
        known = node is not None and node.realised and local.state.capture is None
        if known:
            return int(i._values("index").item())
    return i


def _width(item: Any) -> int:
    """How many axes an item uses up."""
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, Base) and item._dtype is dt.bool_:
        return len(item._shape)
    return 1


def _range(item: slice, n: int) -> tuple[int, int, int]:
    step = 1 if item.step is None else item.step.__index__()
    if step <= 0:
        raise ValueError("index: step must be greater than zero; use flip() to reverse")
    bounds = [None if v is None else v.__index__() for v in (item.start, item.stop)]
    start, stop, _ = slice(bounds[0], bounds[1], step).indices(n)
    size = len(range(start, stop, step))
    return (start if size else min(start, n)), step, size


def _at(i: int, n: int, axis: int) -> int:
    if not -n <= i < n:
        raise IndexError(f"index: index {i} is out of bounds for dimension {axis} with size {n}")
    return i % n if n else i


# ---- tensors as indices


class _Gather:
    """Elements of `base` picked by tensors along some of its axes.

    The picked axes are brought together in front and joined to one, which one int64 index of the
    broadcast shape then addresses: rows are taken or put.
    """

    def __init__(self, base: Any, advanced: list[tuple[int, Any]]) -> None:
        axes: list[int] = []
        indices: list[Any] = []
        for axis, item in advanced:
            if item._dtype is dt.bool_:
                for k, part in enumerate(_nonzero(item, base._shape, axis)):
                    axes.append(axis + k)
                    indices.append(part)
            else:
                axes.append(axis)
                indices.append(item)
        self.base = base
        self.axes = axes
        try:
            self.shape = broadcast_shapes("index", *[i._shape for i in indices])
        except RuntimeError:
            raise IndexError(
                "index: shape mismatch: indexing tensors could not be broadcast together with "
                f"shapes {', '.join(str(list(i._shape)) for i in indices)}"
            ) from None
        self.rest = [i for i in range(len(base._shape)) if i not in axes]
        # Picked axes that stand side by side stay where they are; apart, they go in front.
        together = axes == list(range(axes[0], axes[0] + len(axes)))
        self.lead = sum(i < axes[0] for i in self.rest) if together else 0
        self.index = self._joined(indices)

    def _joined(self, indices: list[Any]) -> Any:
        """One index into the joined axes, each part checked against its own size."""
        out = None
        for axis, index in zip(self.axes, indices, strict=True):
            n = self.base._shape[axis]
            index = checked_index(index, n, f"index into axis {axis}")
            if index._shape != self.shape:
                index = expand(index, self.shape)
            out = index if out is None else out * n + index
        return out

    def _rows(self) -> Any:
        """The base with its picked axes joined in front."""
        moved = permute(self.base, *self.axes, *self.rest)
        picked = math.prod(self.base._shape[a] for a in self.axes)
        return reshape(moved, (picked, *(self.base._shape[i] for i in self.rest)))

    def read(self) -> Any:
        out = general(OPS["take"], (self._rows(), self.index), ())
        if not self.lead:
            return label(out, "index")
        k = len(self.shape)
        order = (*range(k, k + self.lead), *range(k), *range(k + self.lead, len(out._shape)))
        return label(general(OPS["permute"], (out,), (order,)), "index")

    def write(self, value: Any, accumulate: bool = False) -> None:
        rest = tuple(self.base._shape[i] for i in self.rest)
        shape = (*rest[: self.lead], *self.shape, *rest[self.lead :])
        value = _fitted(value, shape)
        if self.lead:
            k = len(self.shape)
            order = (
                *range(self.lead, self.lead + k), *range(self.lead),
                *range(self.lead + k, len(shape)),
            )  # fmt: skip
            value = permute(value, *order)
        rows = self._rows()
        op = "put_add" if accumulate else "put_rows"
        new = general(OPS[op], (rows, self.index, value), ())
        picked = tuple(self.base._shape[a] for a in self.axes)
        new = reshape(new, (*picked, *rest))
        back = [0] * len(self.base._shape)
        for i, axis in enumerate((*self.axes, *self.rest)):
            back[axis] = i
        assign(self.base, permute(new, *back))


def checked_index(index: Any, size: int, what: str, wrap: bool = True) -> Any:
    """An int64 index, negative numbers counted from the end; IndexError outside [-size, size).

    Without `wrap` negative numbers are out of range too.
    """
    index = cast(index, dt.int64)
    return _checked(index, size, what, wrap)


@composed
def _checked(index: Any, size: int, what: str, wrap: bool) -> Any:
    if wrap:
        index = ops.where(ops.lt(index, 0), index + size, index)
    return ops.RECORDERS["check_index"](index, size, what=what, wrapped=wrap)


def _check_mask(mask: Any, shape: tuple[int, ...], axis: int) -> None:
    have = shape[axis : axis + len(mask._shape)]
    if mask._shape and mask._shape != have:
        raise IndexError(
            f"index: the shape of the mask {list(mask._shape)} at index {axis} does not match the "
            f"shape of the indexed tensor {list(shape)}"
        )


def _nonzero(mask: Any, shape: tuple[int, ...], axis: int) -> list[Any]:
    """The positions where a mask is true, one index per axis; looks at the values."""
    _check_mask(mask, shape, axis)
    values = mask._values("index by a mask")
    where = np.nonzero(values if mask._shape else values.reshape(1))
    return [tensor(w.astype(np.int64)) for w in where]


def index_put(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of `self` with `values` put (or added) at `indices`."""
    out = self.clone()
    index_put_(out, indices, values, accumulate)
    return out


def index_put_(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Put (or add) `values` at `indices` in place."""
    check_writable(self, "index_put_")
    target, advanced = _basic(self, tuple(indices))
    _Gather(target, advanced).write(values, accumulate)
    return self


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Positions of non-zero elements; looks at the values."""
    found = np.nonzero(np.atleast_1d(input._values("nonzero")))
    if as_tuple:
        return tuple(tensor(w.astype(np.int64)) for w in found)
    rows = np.stack(found, -1).astype(np.int64) if input._shape else np.zeros((len(found[0]), 0))
    return tensor(rows.astype(np.int64))


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where `mask` is true, along one axis; looks at the mask."""
    shape = broadcast_shapes("masked_select", input._shape, mask._shape)
    return getitem(expand(input, shape), expand(mask, shape))

"""Joining, repeating and picking: `cat`, `stack`, `gather`, `tril`, ... with PyTorch's arguments.

Entry: every public function here; most become Tensor methods too (see `methods`).
Imports: the recorder.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend.arguments import check_options
from jitgrad.frontend.composing import composed
from jitgrad.frontend.creation import tensor, zeros
from jitgrad.frontend.indexing import checked_index
from jitgrad.frontend.record import Base, cast, general, label
from jitgrad.frontend.shaping import axis_of, expand, reshape, unsqueeze
from jitgrad.ir import apply
from jitgrad.ir import dtype as dt
from jitgrad.ir.op import OPS
from jitgrad.ops import arrange

_repeat = composed(arrange.repeat, "repeat", numbers=False)
_roll = composed(arrange.roll, "roll", numbers=False)
_diag = composed(arrange.diag, "diag", numbers=False)
_diag_embed = composed(arrange.diag_embed, "diag_embed", numbers=False)
_scatter = composed(arrange.scatter, "scatter", numbers=False)
_pad = composed(arrange.pad, "constant_pad_nd")


def _joined(name: str, tensors: Any) -> list[Any]:
    """The operands of a join in their common dtype."""
    parts = list(tensors)
    if not parts:
        kind = ValueError if name == "cat" else RuntimeError
        raise kind(f"{name}: expected a non-empty list of Tensors")
    for x in parts:
        if not isinstance(x, Base):
            raise TypeError(f"{name}: expected Tensors, got {type(x).__name__}")
    dims = [x._dtype for x in parts if x._shape]
    common = dt.result_type(dims, [x._dtype for x in parts if not x._shape], [])
    return [cast(x, common) for x in parts]


def cat(tensors: Any, dim: int = 0, *, out: Any = None) -> Any:
    """Tensors joined along an axis.

    >>> import jitgrad as jg
    >>> cat([jg.tensor([1, 2]), jg.tensor([3])])
    tensor([1, 2, 3])
    """
    check_options("cat", out=out)
    parts = _joined("cat", tensors)
    solid = parts
    if any(len(x._shape) != 1 for x in parts):  # an empty vector joins anything
        solid = [x for x in parts if x._shape != (0,)]
    if not solid[0]._shape:
        raise RuntimeError("cat: zero-dimensional tensor (at position 0) cannot be concatenated")
    axis = axis_of("cat", dim, len(solid[0]._shape))
    return general(OPS["cat"], tuple(solid), (axis,))


concat = concatenate = cat


def stack(tensors: Any, dim: int = 0, *, out: Any = None) -> Any:
    """Tensors of one shape joined along a new axis."""
    check_options("stack", out=out)
    parts = _joined("stack", tensors)
    first = parts[0]._shape
    for i, x in enumerate(parts):
        if x._shape != first:
            raise RuntimeError(
                f"stack: expects each tensor to be equal size, but got {list(first)} at entry 0 "
                f"and {list(x._shape)} at entry {i}"
            )
    axis = axis_of("stack", dim, len(first) + 1)
    out = general(OPS["cat"], tuple(unsqueeze(x, axis) for x in parts), (axis,))
    return label(out, "stack")


def _at_least(n: int, x: Any) -> Any:
    return x if len(x._shape) >= n else reshape(x, (1,) * (n - len(x._shape)) + x._shape)


def atleast_1d(*tensors: Any) -> Any:
    """Tensors with at least one axis."""
    out = tuple(_at_least(1, x) for x in _several(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Base) else out


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two axes."""
    out = tuple(_at_least(2, x) for x in _several(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Base) else out


def _several(tensors: Any) -> Any:
    return tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Base) else tensors


def hstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors joined along the second axis (vectors along the first)."""
    parts = [_at_least(1, x) for x in tensors]
    return cat(parts, 0 if len(parts[0]._shape) == 1 else 1, out=out)


def vstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors joined along the first axis, vectors as rows."""
    return cat([_at_least(2, x) for x in tensors], 0, out=out)


def _counts(given: tuple[Any, ...]) -> tuple[int, ...]:
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple(int(n) for n in given)


def repeat(self: Any, *repeats: Any) -> Any:
    """The Tensor laid side by side along each axis."""
    counts = _counts(repeats)
    if len(counts) < len(self._shape):
        raise RuntimeError(
            "repeat: number of dimensions of repeat dims can not be smaller than number of "
            f"dimensions of tensor: {counts} for shape {self._shape}"
        )
    return _repeat(self, counts)


def tile(input: Any, *dims: Any) -> Any:
    """Like `repeat`, with missing counts 1."""
    counts = _counts(dims)
    return repeat(input, (1,) * (len(input._shape) - len(counts)) + counts)


def repeat_interleave(input: Any, repeats: Any, dim: Any = None) -> Any:
    """Each element `repeats` times in a row along `dim` (None: of all, flat).

    A Tensor of repeats, one for each element, is looked at: the shape depends on it.
    """
    x = reshape(input, -1) if dim is None else input
    axis = axis_of("repeat_interleave", 0 if dim is None else dim, len(x._shape))
    shape = x._shape
    if not isinstance(repeats, int):
        return index_select(x, axis, _repeated(repeats, shape[axis]))
    wide = expand(unsqueeze(x, axis + 1), (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return reshape(wide, (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]))


def _repeated(repeats: Any, size: int) -> Any:
    """0, 1, ... size - 1, each as often as `repeats` says."""
    if repeats._dtype not in (dt.int32, dt.int64):
        raise RuntimeError(
            f"repeat_interleave: repeats must be int32 or int64, not {repeats._dtype}"
        )
    counts = repeats._values("repeat_interleave by a Tensor")
    if counts.ndim > 1 or counts.size not in (1, size):
        raise RuntimeError(
            f"repeat_interleave: repeats of shape {counts.shape} do not match the {size} elements "
            "of the axis"
        )
    if (counts < 0).any():
        raise RuntimeError("repeat_interleave: repeats must not be negative")
    return tensor(np.repeat(np.arange(size), np.broadcast_to(counts, (size,))))


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements moved along the axes; what leaves at one end enters at the other."""
    by = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None:
        return reshape(_roll(reshape(input, -1), by, (0,)), input._shape)
    over = (dims,) if isinstance(dims, int) else tuple(dims)
    axes = tuple(axis_of("roll", d, len(input._shape)) for d in over)
    if len(by) != len(axes):
        raise RuntimeError(f"roll: shifts {by} and dims {axes} must align")
    return _roll(input, by, axes)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """The coordinates of a grid, one Tensor per axis."""
    parts = [reshape(x, -1) for x in _several(tensors)]
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    swap = indexing == "xy" and len(parts) > 1
    if swap:
        parts[:2] = parts[1::-1]
    n = len(parts)
    shape = tuple(x._shape[0] for x in parts)
    out = [
        expand(reshape(x, tuple(-1 if i == k else 1 for i in range(n))), shape)
        for k, x in enumerate(parts)
    ]
    if swap:
        out[:2] = out[1::-1]
    return tuple(out)


def _index_of(name: str, index: Any) -> Any:
    if index._dtype is not dt.int64:
        raise RuntimeError(f"{name}: expected dtype int64 for index, got {index._dtype}")
    return index


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    axis = axis_of("gather", dim, len(input._shape))
    return general(OPS["gather"], (input, _index_of("gather", index)), (axis,))


def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Any:
    """A copy of `input` with `src` written at `index` along `dim`."""
    if reduce is not None:
        raise NotImplementedError("scatter: reduce")
    axis = axis_of("scatter", dim, len(input._shape))
    src = value if src is None else src
    if not isinstance(src, Base):
        src = full_like_number(src, input._dtype, index._shape)
    return _scatter(input, _index_of("scatter", index), src, axis=axis)


def full_like_number(value: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """One number of the user as a Tensor of `shape`."""
    out = zeros((), dtype=dtype).fill_(value)
    return expand(out, shape)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of `input` with `src` added at `index` along `dim`."""
    axis = axis_of("scatter_add", dim, len(input._shape))
    return general(OPS["scatter_add"], (input, _index_of("scatter_add", index), src), (axis,))


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The parts of `input` at `index` along `dim`."""
    axis = axis_of("index_select", dim, len(input._shape))
    key = (slice(None),) * axis + (index,)
    return input[key]


def take_along_dim(input: Any, indices: Any, dim: Any = None) -> Any:
    """Elements at `indices` along `dim`, other axes broadcast."""
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    axis = axis_of("take_along_dim", dim, len(input._shape))
    a = tuple(1 if i == axis else n for i, n in enumerate(input._shape))
    b = tuple(1 if i == axis else n for i, n in enumerate(indices._shape))
    common = apply.broadcast_shapes("take_along_dim", a, b)

    def wide(x: Any) -> Any:
        return expand(x, tuple(x._shape[axis] if i == axis else n for i, n in enumerate(common)))

    index = checked_index(wide(indices), input._shape[axis], f"take_along_dim into axis {axis}")
    return general(OPS["gather"], (wide(input), index), (axis,))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`value` where `mask` is true, else `input`."""
    if mask._dtype is not dt.bool_:
        raise RuntimeError(f"masked_fill: expected mask dtype to be bool but got {mask._dtype}")
    out = ops.where(mask, _as_number(value, input), input)
    return label(cast(out, input._dtype), "masked_fill")


def _as_number(value: Any, like: Any) -> Any:
    if isinstance(value, Base):
        return cast(value, like._dtype)
    return int(value) if like._dtype.kind in "iu" else value


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` is true, else `other`; alone, the positions of true."""
    if input is None and other is None:
        from jitgrad.frontend.indexing import nonzero

        return nonzero(condition, as_tuple=True)
    if not isinstance(condition, Base):
        raise TypeError(f"where: the condition must be a Tensor, not {type(condition).__name__}")
    if condition._dtype not in (dt.bool_, dt.uint8):
        raise RuntimeError(f"where: the condition must be bool, not {condition._dtype}")
    return ops.where(cast(condition, dt.bool_), input, other)


def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    return _diag(input, int(diagonal))


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with `input` on a diagonal of the last two axes."""
    if (dim1, dim2) != (-2, -1):
        raise NotImplementedError("diag_embed: dim1 and dim2 other than -2 and -1")
    return _diag_embed(input, offset)


def pad(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Elements of `value` added around the last axes: (left, right, top, bottom, ...).

    A negative width takes elements away.

    >>> import jitgrad as jg
    >>> pad(jg.ones(2), (1, 2), value=7).tolist()
    [7.0, 1.0, 1.0, 7.0, 7.0]
    """
    if mode != "constant":
        raise NotImplementedError(f"pad: mode={mode!r}")
    n = len(input._shape)
    if len(pad) % 2 or len(pad) > 2 * n:
        raise RuntimeError(f"pad: {len(pad)} widths for shape {tuple(input._shape)}")
    widths = [(0, 0)] * n
    for i in range(len(pad) // 2):
        widths[n - 1 - i] = (int(pad[2 * i]), int(pad[2 * i + 1]))
    return _pad(input, widths, 0 if value is None else value)

"""Making one batch of a list of samples; entry `default_collate`.

Values that lie on the host already (numbers, arrays, computed tensors that need no gradient) are
stacked by NumPy into memory the batch owns; other tensors by `stack`, which stays lazy.
"""

from collections.abc import Mapping, Sequence

import numpy as np

import jitgrad as jg
from jitgrad.utils.host import host

_MESSAGE = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_collate(batch):
    """Samples -> a batch of the same structure with a new first dimension.

    >>> batch = default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])
    >>> batch["x"].tolist(), batch["name"]
    ([1.0, 2.0], ['a', 'b'])
    """
    first = batch[0]
    if isinstance(first, jg.Tensor):
        return _stack(batch)
    if isinstance(first, np.ndarray):
        return _arrays(batch)
    if isinstance(first, np.bool_ | np.number):
        return jg.tensor(np.array(batch))
    if isinstance(first, float):
        return jg.tensor(batch, dtype=jg.float64)
    if isinstance(first, int):
        return jg.tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([s[key] for s in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in _columns(batch)))
    if isinstance(first, tuple):
        return [default_collate(column) for column in _columns(batch)]
    if isinstance(first, Sequence):
        return _like(first, [default_collate(column) for column in _columns(batch)])
    raise TypeError(_MESSAGE.format(type(first)))


def default_convert(data):
    """Arrays and numbers in any structure become tensors; what is none of these stays.

    >>> import numpy as np
    >>> default_convert([np.zeros(2), "a"])[0].tolist()
    [0.0, 0.0]
    """
    if isinstance(data, np.ndarray) and data.dtype.kind not in "SUO":
        return jg.as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(value) for value in data])
    return data


def _like(first, value):
    """The value as the first sample's type, where that type takes it."""
    try:
        return type(first)(value)
    except TypeError:
        return value


def _columns(batch):
    sizes = {len(sample) for sample in batch}
    if len(sizes) > 1:
        raise RuntimeError("each element in list of batch should be of equal size")
    return [list(column) for column in zip(*batch, strict=True)]


def _stack(tensors):
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        sizes = ", ".join(str(list(shape)) for shape in sorted(shapes))
        raise RuntimeError(f"stack expects each tensor to be equal size, but got {sizes}")
    arrays = [host(tensor) for tensor in tensors]
    if any(array is None for array in arrays) or len({array.dtype for array in arrays}) > 1:
        return jg.stack(tensors)
    return jg.tensor(np.stack(arrays))


def _arrays(arrays):
    if arrays[0].dtype.kind in "SUO":
        raise TypeError(_MESSAGE.format(arrays[0].dtype))
    return jg.tensor(np.stack(arrays))

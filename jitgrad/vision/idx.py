"""IDX files, the format of MNIST: magic 0 0 type ndim, big-endian sizes, then the elements.

Entry: `read_idx(path)`. Imports nothing of jitgrad.
"""

import gzip
import math
from pathlib import Path

import numpy as np

_UINT8 = 8  # the type code; MNIST and its kin have no other


def find(folders, name):
    """The first of folder/name and folder/name.gz that exists, or None.

    >>> find([Path("/nonexistent")], "t10k-labels-idx1-ubyte") is None
    True
    """
    paths = (Path(folder) / (name + end) for folder in folders for end in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def read_idx(path):
    """The array of an IDX file of bytes, plain or gzipped; writable, in memory of its own."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UINT8:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = tuple(np.frombuffer(data, ">i4", count=data[3], offset=4).tolist())
    if len(data) != start + math.prod(shape):
        raise ValueError(f"{path}: shape {shape} does not fit its {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()

"""`save` and `load`: nested state in a safetensors file; nothing is ever pickled or unpickled.

The tensors are the file's entries, named by their path ("net.0.weight"), so that a saved
state_dict is a plain safetensors file for every other reader; the structure around them is JSON in
the file's metadata. A tensor that stands in several places is written once and shared again after
loading. Files are replaced atomically: a reader sees the old file or the new one, whole.
"""

import contextlib
import json
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

import jitgrad as jg
from jitgrad.frontend.hostscalar import refuse

_KEY = "jitgrad"  # of the structure in the file's metadata
_FORMAT = 1
_PLAIN = (str, int, float, bool, type(None))


def save(obj, f):
    """Write nested state to a path or a binary file.

    `obj`: dict, OrderedDict, list, tuple, str, bytes, int, float, bool, None, tensors, Parameters,
    NumPy arrays, dtypes and sizes, in any nesting. Views of one memory that differ in shape or
    place are written each by itself.

    >>> import io
    >>> import jitgrad as jg
    >>> file = io.BytesIO()
    >>> save({"weight": jg.ones(2), "epoch": 3}, file)
    >>> state = load(io.BytesIO(file.getvalue()))
    >>> state["weight"].tolist(), state["epoch"]
    ([1.0, 1.0], 3)
    """
    from safetensors.numpy import save as to_bytes

    refuse("save()")
    writer = _Writer()
    tree = {"format": _FORMAT, "tree": writer.encode(obj, ())}
    data = to_bytes(writer.arrays, metadata={_KEY: json.dumps(tree)})
    if hasattr(f, "write"):
        f.write(data)
    else:
        _replace(Path(f), data)


def load(f, map_location=None, *, weights_only=None, mmap=None):
    """Read what `save` wrote, or any safetensors file (as a dict of tensors).

    `map_location`: a device for all tensors. `weights_only` makes no difference: no file can run
    code, because none is unpickled; files of PyTorch's `torch.save` are refused.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    refuse("load()")
    if mmap:
        raise NotImplementedError("load: mmap")
    if map_location is not None and not isinstance(map_location, str | jg.device):
        raise NotImplementedError(f"load: map_location of type {type(map_location).__name__}")
    name, data = (
        (f.name if hasattr(f, "name") else "file", f.read())
        if hasattr(f, "read")
        else (f, Path(f).read_bytes())
    )
    _refuse_pickle(name, data)
    try:
        arrays = from_bytes(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise RuntimeError(f"{name} is no safetensors file, or a damaged one: {error}") from error
    reader = _Reader(arrays, map_location)
    if _KEY not in metadata:
        return {key: reader.tensor(key) for key in arrays}
    tree = json.loads(metadata[_KEY])
    if tree["format"] != _FORMAT:
        raise RuntimeError(f"{name} has format {tree['format']}; this version reads {_FORMAT}")
    return reader.decode(tree["tree"])


def _refuse_pickle(name, data):
    if data[:1] == b"\x80" or data[:4] == b"PK\x03\x04":
        raise RuntimeError(
            f"{name} is a pickle, as PyTorch's torch.save writes: it could run code when loaded, "
            "and jitgrad never unpickles. In PyTorch, write it again with "
            "safetensors.torch.save_file(state_dict, path)."
        )


def _replace(path, data):
    """Write beside the target, flush to the disk, then take its place."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Writer:
    """Turns state into JSON; arrays by entry name on the side."""

    def __init__(self):
        self.arrays = {}
        self._entries = {}  # by identity of memory: the entry that holds it
        self._open = []  # containers being written, to notice one inside itself

    def encode(self, value, path):
        """JSON for a value that stands at `path`; containers become {"kind": contents}."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, jg.Tensor):
            kind = "parameter" if isinstance(value, jg.nn.Parameter) else "tensor"
            return {kind: [self._tensor(value, path), value.requires_grad]}
        if isinstance(value, np.ndarray):
            return {"array": self._array(value, path)}
        if isinstance(value, jg.Size):
            return {"size": list(value)}
        if isinstance(value, jg.dtype):
            return {"dtype": str(value).rpartition(".")[2]}
        if type(value) is bytes:
            return {"bytes": value.hex()}
        if type(value) in (dict, OrderedDict, list, tuple):
            return self._container(value, path)
        where = "".join(f"[{key!r}]" for key in path)
        hint = "; save its state_dict()" if hasattr(value, "state_dict") else ""
        raise TypeError(
            f"save: obj{where} is a {type(value).__name__}, which cannot be saved{hint}"
        )

    def _container(self, value, path):
        if any(value is outer for outer in self._open):
            raise ValueError("save: a container holds itself")
        self._open.append(value)
        if isinstance(value, dict):
            pairs = [
                [self.encode(key, path), self.encode(item, (*path, key))]
                for key, item in value.items()
            ]
            code = {type(value).__name__: pairs}
            if hasattr(value, "_metadata"):
                code["metadata"] = self.encode(value._metadata, (*path, "_metadata"))
        else:
            items = [self.encode(item, (*path, i)) for i, item in enumerate(value)]
            code = {type(value).__name__: items}
        self._open.pop()
        return code

    def _tensor(self, tensor, path):
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if key not in self._entries or not tensor.numel():
            self._entries[key] = self._array(tensor.detach().cpu().numpy(), path)
        return self._entries[key]

    def _array(self, array, path):
        name = base = ".".join(map(str, path)) or "value"
        count = 1
        while name in self.arrays:
            count += 1
            name = f"{base}#{count}"
        self.arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name


class _Reader:
    """Turns JSON back into state."""

    def __init__(self, arrays, device):
        self._arrays = arrays
        self._device = device
        self._tensors = {}

    def tensor(self, name):
        """The tensor of an entry; the first one for a name owns the memory, others share it."""
        if name in self._tensors:
            return self._tensors[name].detach()
        tensor = self._tensors[name] = jg.tensor(self._arrays[name], device=self._device)
        return tensor

    def decode(self, code):
        """The value of its JSON."""
        if not isinstance(code, dict):
            return code
        kind, content = next(iter(code.items()))
        if kind in ("tensor", "parameter"):
            name, requires_grad = content
            tensor = self.tensor(name)
            if kind == "parameter":
                return jg.nn.Parameter(tensor, requires_grad)
            return tensor.requires_grad_(requires_grad) if requires_grad else tensor
        if kind == "dict":
            return {self.decode(key): self.decode(value) for key, value in content}
        if kind == "OrderedDict":
            ordered: Any = OrderedDict(
                (self.decode(key), self.decode(value)) for key, value in content
            )
            if "metadata" in code:
                ordered._metadata = self.decode(code["metadata"])
            return ordered
        return self._value(kind, content)

    def _value(self, kind, content):
        if kind == "list":
            return [self.decode(item) for item in content]
        if kind == "tuple":
            return tuple(self.decode(item) for item in content)
        if kind == "array":
            return self._arrays[content]
        if kind == "size":
            return jg.Size(content)
        if kind == "dtype":
            return getattr(jg, content)
        if kind == "bytes":
            return bytes.fromhex(content)
        raise RuntimeError(f"unknown kind {kind!r} in the file's structure")

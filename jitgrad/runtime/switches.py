"""The six environment switches: one function each.

`jit()` JITGRAD_JIT=0 runs kernels interpreted · `fuse()` JITGRAD_FUSE=0 gives every op its own
kernel · `check()` JITGRAD_CHECK=1 compares every run with the oracle · `debug()`
JITGRAD_DEBUG=0..4 · `device()` JITGRAD_DEVICE · `cache_dir()` JITGRAD_CACHE_DIR · `switched()` what
compiled calls ask of them. A change of `os.environ` (a test's `monkeypatch.setenv`) holds from the
next call on, though a flush asks five times: a call compares the raw text with the one parsed last,
0.1 µs. Imports nothing of jitgrad.
"""

import os

NAMES = (
    "JITGRAD_DEBUG",
    "JITGRAD_JIT",
    "JITGRAD_FUSE",
    "JITGRAD_CHECK",
    "JITGRAD_DEVICE",
    "JITGRAD_CACHE_DIR",
)


def _switch(name, parse):
    """A function that gives `parse(text)` of a variable; "" stands for unset."""
    # os.environ decodes at every access (0.7 µs); the table behind it holds what it would decode.
    table = getattr(os.environ, "_data", os.environ)
    key = name if table is os.environ else os.environ.encodekey(name)
    seen, value = object(), None

    def read():
        nonlocal seen, value
        text = table.get(key)
        if text != seen:
            value = parse(name, os.environ.get(name, ""))
            seen = text
        return value

    return read


def _flag(default):
    def parse(name, text):
        if text not in ("", "0", "1"):
            raise ValueError(f"{name}={text}: expected 0 or 1")
        return default if text == "" else text == "1"

    return parse


def _level(name, text):
    if text not in ("", "0", "1", "2", "3", "4"):
        raise ValueError(f"{name}={text}: expected 0 to 4")
    return int(text or "0")


def _device(name, text):
    if text not in ("", "cpu"):
        raise ValueError(f"{name}={text}: this version computes on cpu alone (unset {name})")
    return "cpu"


_jit = _switch("JITGRAD_JIT", _flag(True))
_fuse = _switch("JITGRAD_FUSE", _flag(True))
_check = _switch("JITGRAD_CHECK", _flag(False))
_debug = _switch("JITGRAD_DEBUG", _level)
_on = _switch("JITGRAD_DEVICE", _device)


def jit():
    """Whether kernels are compiled (the default) or run as the Python they are."""
    return _jit()


def fuse():
    """Whether operations are fused (the default)."""
    return _fuse()


def check():
    """Whether every flush and compiled call is compared with the NumPy oracle."""
    return _check()


def debug():
    """How much is told: 0 nothing ... 4 everything."""
    return _debug()


class Switched:
    """What compiled calls ask for, all at once.

    Attributes:
        kernels: (jit, fuse), one object for each of the four: programs are recorded under one.
        observed: whether anybody looks at each run: JITGRAD_DEBUG, JITGRAD_CHECK.
    """

    __slots__ = ("kernels", "observed")
    _pairs = {(j, f): (j, f) for j in (False, True) for f in (False, True)}

    def __init__(self):
        self.kernels = self._pairs[jit(), fuse()]
        self.observed = bool(debug() or check())


def _together():
    # Four variables in little more time than `_switch` takes for one.
    table = getattr(os.environ, "_data", os.environ)
    encode = os.environ.encodekey if table is not os.environ else str
    a, b, c, d = map(encode, NAMES[:4])
    get, seen, value = table.get, None, None

    def switched():
        """The switches that a compiled call depends on."""
        nonlocal seen, value
        texts = get(a), get(b), get(c), get(d)
        if texts != seen:
            value, seen = Switched(), texts
        return value

    return switched


switched = _together()


def device():
    """The device that tensors are computed on."""
    return _on()


def cache_dir():
    """Where compiled kernels are kept; the directory may not exist."""
    return os.environ.get("JITGRAD_CACHE_DIR") or os.path.join(
        os.path.expanduser("~"), ".cache", "jitgrad"
    )

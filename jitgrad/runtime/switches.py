"""The six environment switches: one function each, read from the environment at every call.

`jit()` JITGRAD_JIT=0 runs kernels interpreted · `fuse()` JITGRAD_FUSE=0 gives every op its own
kernel · `check()` JITGRAD_CHECK=1 turns on internal checks · `debug()` JITGRAD_DEBUG=0..4 ·
`device()` JITGRAD_DEVICE · `cache_dir()` JITGRAD_CACHE_DIR. Imports nothing of jitgrad.
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


def _flag(name, default):
    text = os.environ.get(name, "")
    if text not in ("", "0", "1"):
        raise ValueError(f"{name}={text}: expected 0 or 1")
    return default if text == "" else text == "1"


def jit():
    """Whether kernels are compiled (the default) or run as the Python they are."""
    return _flag("JITGRAD_JIT", True)


def fuse():
    """Whether operations are fused (the default)."""
    return _flag("JITGRAD_FUSE", True)


def check():
    """Whether slow internal checks run."""
    return _flag("JITGRAD_CHECK", False)


def debug():
    """How much is told: 0 nothing ... 4 everything."""
    text = os.environ.get("JITGRAD_DEBUG") or "0"
    if text not in ("0", "1", "2", "3", "4"):
        raise ValueError(f"JITGRAD_DEBUG={text}: expected 0 to 4")
    return int(text)


def device():
    """The device that tensors are made on."""
    return os.environ.get("JITGRAD_DEVICE") or "cpu"


def cache_dir():
    """Where compiled kernels are kept; the directory may not exist."""
    return os.environ.get("JITGRAD_CACHE_DIR") or os.path.join(
        os.path.expanduser("~"), ".cache", "jitgrad"
    )

"""Whether this machine has a CUDA device, and why none can be used: `unavailable()`.

Asks the driver alone; loads neither Numba nor a toolkit. Imports nothing of jitgrad.
"""

from __future__ import annotations

import ctypes
import functools
import sys

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@functools.cache
def unavailable() -> str:
    """Why no CUDA device can be used."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return f"there is no NVIDIA driver on this machine ({DRIVER} cannot be loaded)"
    code = driver.cuInit(0)
    if code:
        return f"the NVIDIA driver does not start (cuInit answers {code})"
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return "the NVIDIA driver finds no device"
    return "this version writes CUDA kernels and compiles them, but does not launch them yet"

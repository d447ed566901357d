"""CUDA devices, as far as programs ask for them: this version computes on the CPU.

The kernels of any computation can be written for CUDA (`debug.explain(x, device="cuda")`) and
compiled without a GPU; `init` says why none can be used. Imports: runtime.
"""

from __future__ import annotations

from typing import Any

from jitgrad.runtime.cuda import unavailable


def is_available() -> bool:
    """Whether a CUDA device can be used: not in this version; `init` tells why.

    Example:
        >>> import jitgrad as torch
        >>> device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        >>> device
        device(type='cpu')
    """
    return False


def is_initialized() -> bool:
    """Whether a CUDA device is in use."""
    return False


def init() -> None:
    """Make a CUDA device ready for use.

    Raises:
        RuntimeError: naming what is missing.
    """
    raise RuntimeError(f"cuda: {unavailable()}")


def device_count() -> int:
    """Number of CUDA devices that can be used."""
    return 0


def current_device() -> int:
    """Number of the current device.

    Raises:
        RuntimeError: there is none.
    """
    raise RuntimeError(f"cuda: {unavailable()}")


def synchronize(device: Any = None) -> None:
    """Wait for the work on a device.

    Raises:
        RuntimeError: there is none.
    """
    raise RuntimeError(f"cuda: {unavailable()}")


def empty_cache() -> None:
    """Give back the memory that is cached on CUDA devices: there is none."""


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all CUDA devices: there are none."""
    int(seed)


manual_seed = manual_seed_all

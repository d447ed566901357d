"""CUDA devices, as far as programs ask for them: this version computes on the CPU only.

Imports nothing of jitgrad.
"""


def is_available() -> bool:
    """Whether a CUDA device can be used: not in this version.

    Example:
        >>> import jitgrad as torch
        >>> device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        >>> device
        device(type='cpu')
    """
    return False


def device_count() -> int:
    """Number of CUDA devices that can be used."""
    return 0


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all CUDA devices: there are none."""
    int(seed)


manual_seed = manual_seed_all

"""PyTorch as the second oracle: arrays across, functions by name, dtypes."""

import numpy as np
import pytest

from jitgrad.ir import dtype as dt

torch = pytest.importorskip("torch", reason="torch is not installed")

TORCH = {d: getattr(torch, d.name) for d in dt.ALL}
# entries under another name there
NAMES = dict.fromkeys(("cast", "check_index", "where"))


def peer(name):
    """PyTorch's function of this name, or None."""
    name = NAMES.get(name, name)
    if name is None:
        return None
    for room in (torch, torch.special, torch.nn.functional):
        if hasattr(room, name):
            return getattr(room, name)
    return None


def tensor(array):
    """A tensor over a copy of `array`."""
    return torch.from_numpy(np.array(array))


def draw(rng, dtype, shape, domain):
    """Values of `dtype` inside `domain`; integers and bools small, zeros among them."""
    if dtype.kind == "f":
        return rng.uniform(*domain, shape).astype(dtype.np)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    low = -5 if dtype.kind == "i" and domain[0] < 0 else 1
    return rng.integers(low, 6, shape).astype(dtype.np)


def equal(got, want, tolerance, what):
    """Same dtype, shape and values within `tolerance`."""
    want = want.detach().resolve_conj().numpy()
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, PyTorch {want.dtype}"
    assert got.shape == want.shape, f"{what}: {got.shape}, PyTorch {want.shape}"
    if got.dtype.kind == "f":
        eps = tolerance if got.dtype == np.float32 else min(tolerance, 1e-11)
        np.testing.assert_allclose(got, want, eps, eps * 1e-1, err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, what)

"""exp of what is never above 0: which graphs are known to be, and that no bit changes."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.compiler import schedule, snapshot
from tests.kernels.accuracy import edges

KNOWN = {
    "square": lambda x: -x * x,
    "square of a view": lambda x: -(x.t() * x.t()),
    "distance": lambda x: -x.abs(),
    "product": lambda x: -x.abs() * torch.sigmoid(x),
    "row maximum": lambda x: x - x.amax(1, keepdim=True),
    "column maximum": lambda x: x - x.amax(0),
    "maximum of all": lambda x: x - x.max(),
}
UNKNOWN = {
    "the number itself": lambda x: -x,
    "another row's maximum": lambda x: x - x.amax(0)[:, None],
    "another tensor's maximum": lambda x: x - (x + 1).amax(1, keepdim=True),
    "minimum": lambda x: x - x.amin(1, keepdim=True),
    "product of two": lambda x: -x * x.t(),
    "a number of the user's": lambda x: x * x * -0.5,
}


def source(result):
    """Generated text of what computes `result`."""
    steps = schedule.build(snapshot.take([result._storage.node])).steps
    return "\n".join(kernel.source for step in steps for kernel in step.kernels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", KNOWN)
def test_known(name, dtype):
    x = torch.randn(20, 20, dtype=dtype).realize()
    x[0, :6] = torch.tensor([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30], dtype=dtype)
    x[1] = torch.linspace(5, 800, 20)
    below = KNOWN[name](x)
    assert "exp_nonpositive_" in source(torch.exp(below))
    fused = torch.exp(KNOWN[name](x)).numpy()
    assert np.array_equal(fused, torch.exp(below.realize()).numpy(), equal_nan=True)


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown(name):
    x = torch.randn(20, 20).realize()
    assert "exp_nonpositive_" not in source(torch.exp(UNKNOWN[name](x)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits(dtype):
    rng = np.random.default_rng(3)
    lowest = 110 if dtype is np.float32 else 760
    drawn = [edges(dtype), rng.uniform(0, lowest, 200_000), 10.0 ** rng.uniform(-40, 3, 50_000)]
    with np.errstate(over="ignore"):
        x = -np.abs(np.concatenate([a.astype(dtype) for a in drawn]))
    plain = torch.exp(torch.from_numpy(x)).numpy()
    below = torch.exp(-torch.from_numpy(x).abs())
    assert "exp_nonpositive_" in source(below)
    bits = f"i{plain.itemsize}"
    same = plain.view(bits) == below.numpy().view(bits)
    assert (same | (np.isnan(plain) & np.isnan(below.numpy()))).all()


def test_products_that_share_their_factors_are_looked_at_once():
    """As often as there are paths to them, 60 of these would take for ever."""
    u, v = (torch.randn(3).realize().abs() for _ in range(2))
    for _ in range(60):
        u, v = u * v, v * u
    assert "exp_nonpositive_" in source(torch.exp(-u))

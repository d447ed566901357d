"""erfinv, lgamma, digamma and polygamma: the oracle against mpmath, poles included."""

import numpy as np
import pytest

from jitgrad.ops import oracle

mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")


@pytest.mark.parametrize(
    "name, peer, points",
    [
        ("erfinv", lambda x: mpmath.erfinv(x), [-0.999999, -0.9, -0.3, 1e-9, 0.2, 0.97, 1 - 1e-12]),
        ("digamma", lambda x: mpmath.psi(0, x), [-3.3, -0.5, 1e-3, 0.7, 1.4616, 5.0, 12.0, 1e6]),
        ("lgamma", lambda x: mpmath.re(mpmath.loggamma(x)), [-2.5, 0.1, 1.0, 3.3, 50.0, 1e6]),
    ],
)
def test_values(name, peer, points):
    got = getattr(oracle, name)(np.array(points))
    want = [float(peer(mpmath.mpf(x))) for x in points]
    np.testing.assert_allclose(got, want, 2e-12, 1e-13)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_polygamma(n):
    points = [-2.3, 0.05, 0.9, 3.0, 25.0]
    got = oracle.polygamma(np.float64(n), np.array(points))
    want = [float(mpmath.psi(n, mpmath.mpf(x))) for x in points]
    np.testing.assert_allclose(got, want, 1e-11)


def test_poles_and_ends():
    assert oracle.erfinv(np.array([1.0, -1.0])).tolist() == [np.inf, -np.inf]
    assert np.isnan(oracle.erfinv(np.array([1.5, np.nan]))).all()
    assert oracle.lgamma(np.array([0.0, -1.0, np.inf])).tolist() == [np.inf] * 3
    assert np.isnan(oracle.digamma(np.array([-1.0, -np.inf]))).all()
    assert oracle.digamma(np.array([0.0, np.inf])).tolist() == [-np.inf, np.inf]
    assert oracle.polygamma(np.array([1.0, 1.0]), np.array([0.0, np.inf])).tolist() == [np.inf, 0.0]

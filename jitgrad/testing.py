"""Checks for tests: values close, gradients right, few kernels.

Entry: `assert_close`, `assert_kernels`, `gradcheck`, `gradgradcheck`. Imports: the front end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitgrad.autograd.checks import gradcheck, gradgradcheck
from jitgrad.frontend.pending import flush_all
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir import dtype as dt
from jitgrad.runtime.stats import totals

_TOLERANCES = {dt.float32: (1.3e-6, 1e-5), dt.float64: (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """AssertionError unless shapes, dtypes and values agree (PyTorch's tolerances by default).

    >>> import jitgrad as jg
    >>> assert_close(jg.tensor([1.0]) / 3 * 3, jg.tensor([1.0]))
    """
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(f"lengths differ: {len(actual)} and {len(expected)}")
        for a, b in zip(actual, expected, strict=True):
            assert_close(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype)
        return
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol or neither")
    x, y = _values(actual), _values(expected)
    problem = None
    if x.shape != y.shape:
        problem = f"shapes differ: {x.shape} and {y.shape}"
    elif check_dtype and _dtype(actual, x) != _dtype(expected, y):
        problem = f"dtypes differ: {_dtype(actual, x)} and {_dtype(expected, y)}"
    elif check_stride and actual.stride() != expected.stride():
        problem = f"strides differ: {actual.stride()} and {expected.stride()}"
    else:
        problem = _difference(x, y, rtol, atol, equal_nan)
    if problem is not None:
        raise AssertionError(msg(problem) if callable(msg) else msg or problem)


@contextmanager
def assert_kernels(kernels: int, *, steps: int | None = None) -> Iterator[None]:
    """AssertionError unless the block runs exactly so many kernels.

    A step that only finishes a reduction is no kernel; `steps` counts every launch. What was
    recorded before and is not computed yet does not count: the block begins with a full flush.

    >>> import jitgrad as jg
    >>> x = jg.ones(4, 8)
    >>> with assert_kernels(1):
    ...     y = x.softmax(1).realize()
    """
    flush_all()
    counts = totals()
    before = counts.kernels_run, counts.steps_run
    yield
    counts = totals()
    ran, launched = counts.kernels_run - before[0], counts.steps_run - before[1]
    if ran != kernels or steps not in (None, launched):
        expected = f"{kernels} kernels" + ("" if steps is None else f" in {steps} steps")
        raise AssertionError(
            f"{expected} expected, {ran} kernels in {launched} steps run; "
            "JITGRAD_DEBUG=2 names them, debug.explain shows why"
        )


def _values(x: Any) -> np.ndarray:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _dtype(x: Any, values: np.ndarray) -> Any:
    return x.dtype.np if isinstance(x, Tensor) else values.dtype


def _difference(
    x: np.ndarray, y: np.ndarray, rtol: float | None, atol: float | None, equal_nan: bool
) -> str | None:
    if rtol is None or atol is None:
        pairs = [_TOLERANCES.get(dt.BY_NUMPY.get(v.dtype, dt.int64), (0.0, 0.0)) for v in (x, y)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    wrong = ~np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if not wrong.any():
        return None
    gap = np.abs(x.astype(np.float64) - y.astype(np.float64))
    worst = int(np.argmax(np.where(wrong, np.nan_to_num(gap, nan=np.inf), -1)))
    at = tuple(int(i) for i in np.unravel_index(worst, x.shape))
    return (
        f"{int(wrong.sum())} of {wrong.size} elements differ; the largest difference {gap[at]} at "
        f"{at} ({x[at]} and {y[at]}); allowed: rtol={rtol}, atol={atol}"
    )


__all__ = ["assert_close", "assert_kernels", "gradcheck", "gradgradcheck"]

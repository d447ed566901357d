"""Gradients against central differences, of first and second order.

Entry: `gradcheck`, `gradgradcheck`. Imports: the front end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.frontend.creation import tensor
from jitgrad.frontend.draws import Generator, randn
from jitgrad.frontend.gradients import grad
from jitgrad.frontend.modes import no_grad
from jitgrad.frontend.tensor import Tensor
from jitgrad.ir import dtype as dt


class GradcheckError(RuntimeError):
    """An analytical gradient differs from the numerical one."""


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values: Any) -> list[Tensor]:
    return [x for x in _tuple(values) if isinstance(x, Tensor) and x.requires_grad]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Whether the gradients of `func` agree with central differences (float64 inputs).

    >>> import jitgrad as jg
    >>> x = jg.tensor([0.3, 0.7], dtype=jg.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.sin() * x, (x,))
    True
    """
    args = _tuple(inputs)
    leaves = _differentiable(args)
    if not leaves:
        raise ValueError("gradcheck: no input requires grad")
    for x in leaves:
        if x.dtype is not dt.float64:
            raise ValueError(f"gradcheck: inputs must be float64, not {x.dtype}: eps is too small")
    try:
        outputs = [y for y in _tuple(func(*args)) if isinstance(y, Tensor)]
        for k, y in enumerate(outputs):
            if y.requires_grad:
                _check_output(func, args, leaves, k, y, (eps, atol, rtol, nondet_tol))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_output(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    leaves: list[Tensor],
    k: int,
    y: Tensor,
    limits: tuple[float, float, float, float],
) -> None:
    """Compare the Jacobian of output `k` with respect to every leaf."""
    eps, atol, rtol, nondet = limits
    analytical = _jacobian(y, leaves)
    again = _jacobian(_tuple(func(*args))[k], leaves)
    for i, x in enumerate(leaves):
        if not np.allclose(analytical[i], again[i], rtol=0, atol=nondet, equal_nan=True):
            raise GradcheckError(f"gradcheck: backward of output {k} is not deterministic")
        numerical = _numerical(func, args, x, k, eps)
        if not np.allclose(analytical[i], numerical, rtol=rtol, atol=atol, equal_nan=True):
            gap = np.nanmax(np.abs(analytical[i] - numerical), initial=0)
            raise GradcheckError(
                f"gradcheck: Jacobian mismatch for output {k} with respect to input {i} (largest "
                f"difference {gap}),\nnumerical:\n{numerical}\nanalytical:\n{analytical[i]}"
            )


def _jacobian(y: Tensor, leaves: list[Tensor]) -> list[np.ndarray]:
    """d y / d leaf for each leaf, one backward per element of y."""
    n = y.numel()
    out = [np.zeros((x.numel(), n)) for x in leaves]
    for j in range(n):
        seed = np.zeros(n)
        seed[j] = 1
        v = tensor(seed.reshape(tuple(y.shape)), dtype=y.dtype)
        grads = grad(y, leaves, v, retain_graph=True, allow_unused=True)
        for i, g in enumerate(grads):
            if g is not None:
                out[i][:, j] = g.detach().numpy().reshape(-1)
    return out


def _numerical(
    func: Callable[..., Any], args: tuple[Any, ...], x: Tensor, k: int, eps: float
) -> np.ndarray:
    """The Jacobian by central differences."""
    base = x.detach().numpy().copy()
    columns = []
    with no_grad():
        for i in range(base.size):
            sides = []
            for step in (eps, -eps):
                moved = base.copy()
                moved.reshape(-1)[i] += step
                given = tuple(tensor(moved) if a is x else a for a in args)
                sides.append(_tuple(func(*given))[k].detach().numpy().reshape(-1).copy())
            columns.append((sides[0] - sides[1]) / (2 * eps))
    shape = (base.size, _tuple(func(*args))[k].numel())
    return np.array(columns).reshape(shape)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    gen_non_contig_grad_outputs: bool = False,
    nondet_tol: float = 0.0,
) -> bool:
    """Whether second derivatives of `func` agree with differences of the first."""
    if gen_non_contig_grad_outputs:
        raise NotImplementedError("gradgradcheck: gen_non_contig_grad_outputs")
    args = _tuple(inputs)
    outputs = _differentiable(func(*args))
    if grad_outputs is None:
        generator = Generator().manual_seed(0)
        grad_outputs = [
            randn(y.shape, dtype=y.dtype, generator=generator, requires_grad=True) for y in outputs
        ]
    seeds = _tuple(grad_outputs)
    count = len(args)

    def first(*values: Any) -> tuple[Tensor, ...]:
        given = tuple(
            v.detach().requires_grad_() if needs and not v.requires_grad else v
            for v, needs in zip(values[:count], wanted, strict=True)
        )
        ys = _differentiable(func(*given))
        leaves = _differentiable(given)
        out = grad(ys, leaves, values[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in out if g is not None)

    wanted = [isinstance(a, Tensor) and a.requires_grad for a in args]

    def enabled(*values: Any) -> tuple[Tensor, ...]:
        from jitgrad.frontend.modes import enable_grad

        with enable_grad():
            return first(*values)

    return gradcheck(
        enabled,
        (*args, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )

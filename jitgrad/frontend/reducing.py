"""Reductions with PyTorch's arguments, and what is composed of them.

The ops keep reduced axes as size 1; `keepdim=False` is a reshape recorded here.
Entry: every public function becomes a Tensor method too (see `methods`). Imports: the recorder.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from jitgrad import ops
from jitgrad.frontend.arguments import check_dtype
from jitgrad.frontend.composing import composed
from jitgrad.frontend.record import cast, general, label
from jitgrad.frontend.shaping import axes_of, axis_of, reshape
from jitgrad.ir.op import OPS
from jitgrad.ops import statistics


def reduce(name: str, x: Any, dim: Any, keepdim: bool) -> Any:
    """Record reduction `name` of `x` over `dim` (None: all axes)."""
    axes = axes_of(name, dim, len(x._shape))
    out = general(OPS[name], (x,), (axes,))
    if keepdim or not x._shape:
        return out
    shape = tuple(n for i, n in enumerate(x._shape) if i not in axes)
    if not axes:
        return out
    return general(OPS["reshape"], (out,), (shape,), out._storage.node.site)


def _as(name: str, x: Any, dtype: Any) -> Any:
    return x if dtype is None else cast(x, check_dtype(name, dtype))


def _float(name: str, x: Any, dtype: Any = None) -> Any:
    """`x` as the floating dtype that a mean is computed in."""
    x = _as(name, x, dtype)
    if x._dtype.kind != "f":
        raise RuntimeError(
            f"{name}: could not infer output dtype. Input dtype must be a floating point dtype. "
            f"Got: {x._dtype}"
        )
    return x


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum of all elements, or over `dim`."""
    total = reduce("sum", _as("sum", input, dtype), dim, keepdim)
    return _as("sum", label(total, "sum" if dim is None else "sum1"), dtype)


def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product of all elements, or over `dim`."""
    product = reduce("prod", _as("prod", input, dtype), dim, keepdim)
    return _as("prod", label(product, "prod" if dim is None else "prod1"), dtype)


def _count(input: Any, dim: Any, name: str) -> int:
    return math.prod(input._shape[a] for a in axes_of(name, dim, len(input._shape)))


def _divided(total: Any, count: float) -> Any:
    """`total` / count, the count a run-time slot: sizes compile nothing."""
    return ops.div(total, count if count else math.nan)


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of all elements, or over `dim`."""
    x = _float("mean", input, dtype)
    out = _divided(reduce("sum", x, dim, keepdim), float(_count(x, dim, "mean")))
    return label(out, "mean" if dim is None else "mean1")


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Any:
    """Variance of all elements, or over `dim`; divides by count - correction."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    x = _float("var", input)
    correction = (1 if unbiased else 0) if correction is None else correction
    n = _count(x, dim, "var")
    center = x - _divided(reduce("sum", x, dim, True), float(n))
    total = reduce("sum", center * center, dim, keepdim)
    return label(_divided(total, float(n - correction) if n > correction else 0.0), "var")


def std(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Any:
    """Standard deviation: the square root of `var`."""
    return label(_root(var(input, dim, unbiased, keepdim, correction=correction)), "std")


@composed
def _root(x: Any) -> Any:
    """Square root with slope 0 at 0, where deviations have their minimum."""
    zero = ops.eq(x, 0)
    return ops.where(zero, 0, ops.sqrt(ops.where(zero, 1, x)))


def var_mean(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, **options: Any
) -> tuple[Any, Any]:
    """Variance and mean."""
    return var(input, dim, unbiased, keepdim, **options), mean(input, dim, keepdim)


def std_mean(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, **options: Any
) -> tuple[Any, Any]:
    """Standard deviation and mean."""
    return std(input, dim, unbiased, keepdim, **options), mean(input, dim, keepdim)


def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Largest element over `dim`; ties share the gradient."""
    return label(reduce("max", input, dim, keepdim), "amax")


def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Smallest element over `dim`; ties share the gradient."""
    return label(reduce("min", input, dim, keepdim), "amin")


def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Index of the first largest element; NaN wins."""
    return reduce("argmax", input, dim, keepdim)


def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Index of the first smallest element; NaN wins."""
    return reduce("argmin", input, dim, keepdim)


class _Pair(namedtuple("_Pair", ["values", "indices"])):
    """What `max` over an axis and its like return."""

    __slots__ = ()

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"jitgrad.return_types.{name}(\nvalues={self[0]!r},\nindices={self[1]!r})"


_RESULTS: dict[str, Any] = {
    n: type(n, (_Pair,), {"__slots__": ()}) for n in ("max", "min", "sort", "topk")
}


def _extreme(name: str, input: Any, other: Any, dim: Any, keepdim: Any) -> Any:
    """The three forms of max and min: of all, over an axis with indices, of two tensors."""
    if dim is None and other is not None:
        if not isinstance(other, int):
            return (ops.maximum if name == "max" else ops.minimum)(input, other)
        dim, other = other, None
    if dim is None:
        return label(reduce(name, input, None, False), name + "1")
    axis = axis_of(name, dim, len(input._shape))
    if not input._shape:
        return _RESULTS[name](input.clone(), reduce("arg" + name, input, None, True))
    values, index = (_max_along if name == "max" else _min_along)(input, axis=axis)
    if not keepdim:
        values, index = _drop(values, (axis,)), _drop(index, (axis,))
    return _RESULTS[name](label(values, name), index)


def _drop(x: Any, axes: tuple[int, ...]) -> Any:
    shape = tuple(n for i, n in enumerate(x._shape) if i not in axes)
    return general(OPS["reshape"], (x,), (shape,))


_max_along = composed(statistics.max_along)
_min_along = composed(statistics.min_along)


def max(input: Any, *args: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """Largest element: of all, (values, indices) over `dim`, or of two tensors."""
    first, keepdim = _positional("max", args, keepdim)
    return _extreme("max", input, other if first is None else first, dim, keepdim)


def min(input: Any, *args: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """Smallest element: of all, (values, indices) over `dim`, or of two tensors."""
    first, keepdim = _positional("min", args, keepdim)
    return _extreme("min", input, other if first is None else first, dim, keepdim)


def _positional(name: str, args: tuple[Any, ...], keepdim: bool) -> tuple[Any, bool]:
    if len(args) > 2:
        raise TypeError(f"{name}: takes at most 3 arguments")
    return (args[0] if args else None), (args[1] if len(args) > 1 else keepdim)


def _over_axes(name: str, fn: Any) -> Any:
    """A composed reduction over `axes` with PyTorch's `dim` and `keepdim`."""
    fn = composed(fn, name)

    def call(x: Any, dim: Any, keepdim: bool, *args: Any, **options: Any) -> Any:
        axes = axes_of(name, dim, len(x._shape))
        out = fn(x, *args, axes=axes, **options)
        return out if keepdim or not axes else label(_drop(out, axes), name)

    return call


_any = _over_axes("any", statistics.any_true)
_all = _over_axes("all", statistics.all_true)
_count_nonzero = _over_axes("count_nonzero", statistics.count_nonzero)
_logsumexp = _over_axes("logsumexp", statistics.logsumexp)
_norm = _over_axes("linalg_vector_norm", statistics.norm)


def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether any element is non-zero."""
    return _any(input, dim, keepdim)


def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all elements are non-zero."""
    return _all(input, dim, keepdim)


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Number of non-zero elements."""
    return _count_nonzero(input, dim, False)


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum(exp(x))) over `dim` without overflow."""
    return _logsumexp(input, dim, keepdim)


def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm of all elements, or over `dim`."""
    if p == "nuc":
        raise NotImplementedError("norm: p='nuc'")
    return _norm(_float("norm", input, dtype), dim, keepdim, p=2 if p in ("fro", None) else p)


def _along(name: str, fn: Any, numbers: bool = True) -> Any:
    fn = composed(fn, name, numbers=numbers)

    def call(x: Any, dim: int, *args: Any, **options: Any) -> Any:
        axis = axis_of(name, dim, len(x._shape))
        if x._shape:
            return fn(x, *args, axis=axis, **options)
        out = fn(reshape(x, 1), *args, axis=0, **options)
        if isinstance(out, tuple):
            return tuple(reshape(o, ()) for o in out)
        return reshape(out, ())

    return call


_cumsum = _along("cumsum", statistics.running_sum)
_cumprod = _along("cumprod", statistics.running_product)
_sort = _along("sort", statistics.sort, False)
_topk = _along("topk", statistics.topk, False)
_argsort = _along("argsort", ops.RECORDERS["argsort"].__call__, False)
_softmax = _over_axes("softmax", statistics.softmax)
_log_softmax = _over_axes("log_softmax", statistics.log_softmax)


def _probable(name: str, fn: Any, input: Any, dim: Any, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{name}: missing argument dim")
    x = _as(name, input, dtype)
    if x._dtype.kind != "f":
        raise RuntimeError(f"{name}: not implemented for {x._dtype}; give dtype or convert it")
    return fn(x, axis_of(name, dim, len(x._shape)), True)


def softmax(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return _probable("softmax", _softmax, input, dim, dtype)


def log_softmax(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """Logarithm of `softmax`."""
    return _probable("log_softmax", _log_softmax, input, dim, dtype)


def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sum along `dim`."""
    return _as("cumsum", _cumsum(_as("cumsum", input, dtype), dim), dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running product along `dim`."""
    return _as("cumprod", _cumprod(_as("cumprod", input, dtype), dim), dtype)


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Indices that sort along `dim`; stable."""
    return _argsort(input, dim, descending=bool(descending))


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices) in order along `dim`; stable."""
    return _RESULTS["sort"](*_sort(input, dim, descending=bool(descending)))


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the `k` largest (or smallest) elements along `dim`."""
    return _RESULTS["topk"](*_topk(input, dim, k=int(k), largest=bool(largest)))


_isclose = composed(ops.isclose)


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; looks at the values."""
    return bool(all(_isclose(input, other, rtol, atol, equal_nan)))


def equal(input: Any, other: Any) -> bool:
    """Whether shapes and all elements are equal; looks at the values."""
    return input._shape == other._shape and bool(all(ops.eq(input, other)))

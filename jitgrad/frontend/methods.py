"""The public functions and Tensor methods, from one table: ops, composed functions and our own.

For each elementwise name follow `jitgrad.name`, `Tensor.name` and `Tensor.name_`.
Entry: `FUNCTIONS` (public name -> function); importing it completes `Tensor`. Imports: ops, the
recorder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitgrad import ops
from jitgrad.frontend import (
    arranging,
    conversions,
    creation,
    draws,
    elementwise,
    indexing,
    inplace,
    operators,
    products,
    reducing,
    shaping,
)
from jitgrad.frontend.elementwise import ELEMENTWISE, named, public
from jitgrad.frontend.expecting import blame, explained
from jitgrad.frontend.tensor import Tensor
from jitgrad.ops import products as composed_products

Function = Callable[..., Any]
FUNCTIONS: dict[str, Function] = {}


# ---- what makes new Tensors of the same kind


def _new(name: str, make: Function) -> Function:
    def method(self: Any, *args: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
        dtype, device = dtype or self._dtype, device or self.device
        return make(*args, dtype=dtype, device=device, **options)

    return named(name, method, f"`{name[4:]}` with the dtype, and on the device, of this Tensor.")


# ---- NumPy's names

_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def _also_numpy(fn: Function) -> Function:
    """`fn`, whose `dim` and `keepdim` may be called `axis` and `keepdims`, as PyTorch's may, and
    whose failures name the argument that is no Tensor."""
    code = fn.__code__
    if "dim" not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return fn

    @functools.wraps(fn)
    def call(*args: Any, **options: Any) -> Any:
        if options:
            given = len(options)
            options = {_NUMPY_NAMES.get(name, name): x for name, x in options.items()}
            if len(options) < given:
                raise TypeError(f"{fn.__name__}: the same argument under two names")
        try:
            return fn(*args, **options)
        except Exception:
            blame(fn.__name__, fn, args, options)
            raise

    return call


def _function(fn: Function) -> Function:
    """As a function, `fn` may be given anything first; elementwise ones say so themselves."""
    says = fn is arranging.where or fn.__module__ in (elementwise.__name__, inplace.__name__)
    return fn if says or hasattr(fn, "__wrapped__") else explained(fn)


# ---- the tables


_SHAPING = [
    "reshape", "flatten", "unflatten", "ravel", "permute", "transpose", "t", "movedim",
    "squeeze", "unsqueeze", "narrow", "select", "unbind", "split", "chunk", "flip", "diagonal",
    "clone", "broadcast_to",
]  # fmt: skip
_SHAPING_METHODS = ["view_as", "reshape_as", "expand", "expand_as", "contiguous"]
_REDUCING = [
    "sum", "prod", "mean", "var", "std", "amax", "amin", "argmax", "argmin", "max", "min", "any",
    "all", "count_nonzero", "logsumexp", "norm", "softmax", "log_softmax", "cumsum", "cumprod",
    "argsort", "sort", "topk", "allclose", "equal",
]  # fmt: skip
_ARRANGING = [
    "tile", "repeat_interleave", "roll", "gather", "scatter", "scatter_add", "index_select",
    "take_along_dim", "diag", "diag_embed",
]  # fmt: skip
_JOINING = [
    "cat", "concat", "concatenate", "stack", "hstack", "vstack", "atleast_1d", "atleast_2d",
    "meshgrid", "where",
]  # fmt: skip
_PRODUCTS = [n for n in composed_products.__all__ if n not in ("addmm", "matmul")]


def _fill_tables() -> dict[str, Function]:
    """Complete FUNCTIONS; the names that become methods too."""
    methods = dict(ELEMENTWISE)
    for names, module in ((_SHAPING, shaping), (_REDUCING, reducing), (_ARRANGING, arranging)):
        methods |= {n: _also_numpy(getattr(module, n)) for n in names}
    methods |= {n: getattr(composed_products, n) for n in _PRODUCTS}
    methods |= {"matmul": products.matmul, "addmm": products.addmm}
    methods |= {n: named(n, public(n, ops.FUNCTIONS[n]), ops.FUNCTIONS[n].__doc__)
                for n in ("tril", "triu")}  # fmt: skip
    methods |= {
        "index_put": indexing.index_put, "nonzero": indexing.nonzero,
        "masked_select": indexing.masked_select, "bernoulli": draws.bernoulli,
        "multinomial": draws.multinomial, "swapaxes": shaping.transpose,
        "swapdims": shaping.transpose, "moveaxis": shaping.movedim, "numel": conversions.numel,
        "is_floating_point": conversions.is_floating_point,
    }  # fmt: skip
    functions = {n: _also_numpy(getattr(arranging, n)) for n in _JOINING}
    functions["einsum"] = products.einsum
    functions["addmm"] = explained(products.addmm)
    FUNCTIONS.update({n: _function(fn) for n, fn in (methods | functions).items()})
    FUNCTIONS["zero_"], FUNCTIONS["fill"] = inplace.zero_, _fill
    FUNCTIONS.update(
        broadcast_tensors=explained(shaping.broadcast_tensors), is_tensor=shaping.is_tensor,
        std_mean=explained(reducing.std_mean), var_mean=explained(reducing.var_mean),
        result_type=conversions.result_type, promote_types=conversions.promote_types,
    )  # fmt: skip
    return methods


def _install() -> None:
    methods = _fill_tables()
    methods |= {n: getattr(shaping, n) for n in _SHAPING_METHODS}
    methods |= conversions.CONVERTERS
    methods |= {
        "view": shaping.view_, "repeat": arranging.repeat, "to": conversions.to,
        "type": conversions.type, "__array_wrap__": conversions.array_wrap,
        "type_as": conversions.type_as, "cpu": conversions.cpu, "cuda": conversions.cuda,
        "new_tensor": _new("new_tensor", creation.tensor),
        "new_zeros": _new("new_zeros", creation.zeros), "new_ones": _new("new_ones", creation.ones),
        "new_empty": _new("new_empty", creation.empty), "new_full": _new("new_full", creation.full),
        "copy_": inplace.copy_, "fill_": inplace.fill_, "zero_": inplace.zero_,
        "fill_diagonal_": inplace.fill_diagonal_, "resize_": inplace.resize_,
        "uniform_": draws.uniform_, "normal_": draws.normal_, "bernoulli_": draws.bernoulli_,
        "random_": draws.random_, "exponential_": draws.exponential_,
        "index_put_": indexing.index_put_, "where": _where,
    }  # fmt: skip
    in_place = [*ELEMENTWISE, "tril", "triu", "scatter", "scatter_add", "cumsum", "cumprod"]
    for name in in_place:
        methods.setdefault(name + "_", inplace.inplace(name + "_", methods[name]))
    for name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
        methods[name + "_"] = inplace.reviewed(name + "_", methods[name])
    for name, fn in methods.items():
        if name not in vars(Tensor):
            setattr(Tensor, name, fn)
    operators.install(FUNCTIONS)
    for name, fn in _PROPERTIES.items():
        setattr(Tensor, name, property(fn))


def _fill(input: Any, value: Any) -> Any:
    """A copy of `input` with one number in every element."""
    return inplace.fill_(input.clone(), value)


def _where(self: Any, condition: Any, other: Any) -> Any:
    """This Tensor where `condition` is true, else `other`."""
    return arranging.where(condition, self, other)


def _transposed(self: Any) -> Any:
    return shaping.permute(self, *reversed(range(len(self._shape))))


_PROPERTIES = {"T": _transposed, "mT": shaping.swap_last}

_install()
__all__ = ["FUNCTIONS"]

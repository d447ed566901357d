"""The public functions and Tensor methods, from one table: ops, composed functions and our own.

For each elementwise name follow `jitgrad.name`, `Tensor.name` and `Tensor.name_`.
Entry: `FUNCTIONS` (public name -> function); importing it completes `Tensor`. Imports: ops, the
recorder.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import ops
from jitgrad.frontend import arranging, creation, draws, indexing, inplace, reducing, shaping
from jitgrad.frontend.composing import composed
from jitgrad.frontend.meta import no_values
from jitgrad.frontend.record import Base, cast, elementwise, general, label
from jitgrad.frontend.state import local
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.types import device, device_name
from jitgrad.ir import dtype as dt
from jitgrad.ir.dtype import DType
from jitgrad.ir.op import OPS, Op, Recorder
from jitgrad.ops import composed as composed_ops
from jitgrad.ops import products, transcendental

Function = Callable[..., Any]
FUNCTIONS: dict[str, Function] = {}


# ---- elementwise


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise NotImplementedError(f"{name}: out")


def _unary(name: str, op: Op) -> Function:
    def function(input: Any, *, out: Any = None) -> Any:
        if out is not None:
            _refuse_out(name, out)
        return elementwise(op, (input,))

    return function


def _binary(name: str, op: Op) -> Function:
    def function(input: Any, other: Any, *, out: Any = None) -> Any:
        if out is not None:
            _refuse_out(name, out)
        return elementwise(op, (input, other))

    return function


_KEYWORDS = {"other": "y", "exponent": "y", "weight": "weight", "end": "end"}


def _composed(name: str, fn: Function) -> Function:
    inner = composed(fn, name)

    def function(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is not None:
            _refuse_out(name, out)
        if kwargs:
            kwargs = {_KEYWORDS.get(k, k): v for k, v in kwargs.items()}
        return inner(input, *args, **kwargs)

    return function


def _named(name: str, fn: Function, doc: str | None) -> Function:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


def _elementwise_names() -> dict[str, Function]:
    """Every elementwise op and composed elementwise function, under its public names."""
    plain = set(composed_ops.__all__) | set(getattr(transcendental, "__all__", ()))
    mine = {getattr(composed_ops, n) for n in composed_ops.__all__}
    out: dict[str, Function] = {}
    for name, fn in ops.FUNCTIONS.items():
        if isinstance(fn, Recorder):
            op = fn.op
            if op.kind == "elementwise" and not op.attr_names and len(op.params) <= 2:
                make = _unary if len(op.params) == 1 else _binary
                out[name] = _named(name, make(name, op), op.doc)
        elif fn in mine or name in plain:
            out[name] = _named(name, _composed(name, fn), fn.__doc__)
    return out


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """Product of vectors, matrices or stacks of matrices.

    >>> import jitgrad as jg
    >>> jg.matmul(jg.tensor([[1.0, 2.0]]), jg.tensor([3.0, 4.0]))
    tensor([11.])
    """
    _refuse_out("matmul", out)
    if not (isinstance(input, Base) and isinstance(other, Base)):
        kind = builtins.type(other).__name__
        raise TypeError(f"matmul: both operands must be Tensors, not {kind}")
    if len(input._shape) == 2 == len(other._shape):
        return label(general(OPS["matmul"], (input, other), ()), "mm")
    return label(products.matmul(input, other), _product(len(input._shape), len(other._shape)))


def _product(n: int, m: int) -> str:
    """PyTorch's name of the product inside, whatever reshapes its result."""
    if m == 1:
        return "dot" if n == 1 else "mv"
    return "bmm" if n > 2 < m else "mm"


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other."""
    _refuse_out("add", out)
    return elementwise(OPS["add"], (input, other if alpha == 1 else other * alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other."""
    _refuse_out("sub", out)
    return elementwise(OPS["sub"], (input, other if alpha == 1 else other * alpha))


_ELEMENTWISE = _elementwise_names()
_ELEMENTWISE |= {"add": add, "sub": sub, "subtract": sub}
_ELEMENTWISE |= {"masked_fill": arranging.masked_fill}


# ---- operators


_OPERANDS = (Base, int, float, np.generic)


def _operator(public: str, reflected: bool) -> Function:
    """The method behind one of Python's operators; other classes get their turn first."""
    entry = ops.FUNCTIONS[public]
    if isinstance(entry, Recorder) and entry.op.kind == "elementwise":
        op = entry.op
        if reflected:

            def method(self: Any, other: Any) -> Any:
                if isinstance(other, _OPERANDS):
                    return elementwise(op, (other, self))
                if isinstance(other, np.ndarray):
                    return elementwise(op, (creation.tensor(other), self))
                return NotImplemented
        else:

            def method(self: Any, other: Any) -> Any:
                if isinstance(other, _OPERANDS):
                    return elementwise(op, (self, other))
                if isinstance(other, np.ndarray):
                    return elementwise(op, (self, creation.tensor(other)))
                return NotImplemented
    else:
        fn = FUNCTIONS[public]

        def method(self: Any, other: Any) -> Any:
            if isinstance(other, np.ndarray):
                other = creation.tensor(other)
            elif not isinstance(other, _OPERANDS):
                return NotImplemented
            return fn(other, self) if reflected else fn(self, other)

    return method


_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift", **{name: name for name in _COMPARISONS},
}  # fmt: skip


def _install_operators() -> None:
    for name, public in _OPERATORS.items():
        plain = _operator(public, False)
        setattr(Tensor, f"__{name}__", plain)
        if name not in _COMPARISONS:
            setattr(Tensor, f"__r{name}__", _operator(public, True))
            setattr(Tensor, f"__i{name}__", inplace.inplace(f"__i{name}__", plain))
    unary = {"neg": "neg", "abs": "abs", "invert": "bitwise_not", "pos": "positive"}
    for name, public in unary.items():
        setattr(Tensor, f"__{name}__", _one(FUNCTIONS[public]))
    Tensor.__getitem__ = indexing.getitem
    Tensor.__setitem__ = indexing.setitem
    for old in ("div", "rdiv"):  # PyTorch still has them
        setattr(Tensor, f"__{old}__", getattr(Tensor, f"__{old.replace('div', 'truediv')}__"))


def _one(fn: Function) -> Function:
    def method(self: Any) -> Any:
        return fn(self)

    return method


# ---- conversions


def to(
    self: Any,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Any:
    """This Tensor with another dtype, or on another device.

    By position: a dtype, a device (and a dtype) or a Tensor to be like, non_blocking, copy.
    """
    flags = [a for a in args if isinstance(a, bool)]
    kinds = args[: len(args) - len(flags)]
    if len(flags) > 2 or len(kinds) > 2 or any(isinstance(a, bool) for a in kinds):
        raise TypeError(f"to: expected (dtype or device or Tensor, non_blocking, copy), not {args}")
    copy = copy or flags[1:] == [True]
    for a in kinds:
        if isinstance(a, Base):
            dtype, device = a._dtype, a.device
        elif isinstance(a, DType) or a in (float, int, bool):
            dtype = a
        elif a is not None:
            device = a
    dtype = creation.check_dtype("to", dtype)
    if device is not None and device_name(device) != self.device.type:
        self = moved(self, "to")
        copy = False
    if dtype is None or dtype is self._dtype:
        return self.clone() if copy else self
    return cast(self, dtype)


def array_wrap(
    self: Any, array: np.ndarray, context: Any = None, return_scalar: bool = False
) -> Any:
    """What a NumPy function of Tensors comes to."""
    return creation.tensor(array)


def moved(self: Any, why: str) -> Any:
    """This Tensor on the other device: values can go to "meta", where they are lost, but not back.

    Raises:
        NotImplementedError: if values or gradients would have to come from "meta".
    """
    if self.is_meta:
        raise no_values(why, self._storage.node)
    if local.state.grad and self._edge() is not None:
        raise NotImplementedError(
            f"{why}: no gradient comes back from device 'meta'; detach() first"
        )
    return creation.elsewhere(self._shape, self._dtype)


def _converter(name: str, dtype: DType) -> Function:
    def method(self: Any, memory_format: Any = None) -> Any:
        return cast(self, dtype)

    return _named(name, method, f"This Tensor as {dtype}.")


_CONVERTERS = {
    "float": dt.float32, "double": dt.float64, "int": dt.int32, "long": dt.int64,
    "short": dt.int16, "char": dt.int8, "byte": dt.uint8, "bool": dt.bool_,
}  # fmt: skip


def type(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The dtype's name, or this Tensor as `dtype`."""
    if dtype is None:
        return "torch." + _TYPES[self._dtype]
    return cast(self, creation.check_dtype("type", dtype))


_TYPES = {
    dt.float32: "FloatTensor", dt.float64: "DoubleTensor", dt.int32: "IntTensor",
    dt.int64: "LongTensor", dt.int16: "ShortTensor", dt.int8: "CharTensor",
    dt.uint8: "ByteTensor", dt.bool_: "BoolTensor",
}  # fmt: skip


def type_as(self: Any, other: Any) -> Any:
    """This Tensor as the dtype of `other`."""
    return cast(self, other._dtype)


def cpu(self: Any, memory_format: Any = None) -> Any:
    """This Tensor on the CPU."""
    return moved(self, "cpu") if self.is_meta else self


def cuda(self: Any, device: Any = None, non_blocking: bool = False) -> Any:
    """RuntimeError: there is no CUDA device."""
    device_name("cuda")


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype that an operation between the two computes in."""
    groups: tuple[list[DType], list[DType], list[DType]] = ([], [], [])
    for x in (tensor1, tensor2):
        if isinstance(x, Base):
            groups[0 if x._shape else 1].append(x._dtype)
        else:
            groups[2].append(dt.number_dtype(x, creation.get_default_dtype()))
    return dt.result_type(*groups)


def promote_types(type1: DType, type2: DType) -> DType:
    """The dtype that holds both."""
    return dt.promote(type1, type2)


def numel(input: Any) -> int:
    """Number of elements."""
    return input.numel()


def is_floating_point(input: Any) -> bool:
    """Whether the elements are floating point numbers."""
    return input.is_floating_point()


# ---- what makes new Tensors of the same kind


def _new(name: str, make: Function) -> Function:
    def method(self: Any, *args: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
        dtype, device = dtype or self._dtype, device or self.device
        return make(*args, dtype=dtype, device=device, **options)

    return _named(name, method, f"`{name[4:]}` with the dtype, and on the device, of this Tensor.")


# ---- NumPy's names

_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def _also_numpy(fn: Function) -> Function:
    """`fn`, whose `dim` and `keepdim` may be called `axis` and `keepdims`, as PyTorch's may."""
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
        return fn(*args, **options)

    return call


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
_PRODUCTS = [n for n in products.__all__ if n not in ("addmm", "matmul")]


def _fill_tables() -> dict[str, Function]:
    """Complete FUNCTIONS; the names that become methods too."""
    methods = dict(_ELEMENTWISE)
    for names, module in ((_SHAPING, shaping), (_REDUCING, reducing), (_ARRANGING, arranging)):
        methods |= {n: _also_numpy(getattr(module, n)) for n in names}
    methods |= {n: getattr(products, n) for n in _PRODUCTS}
    methods |= {"matmul": matmul, "addmm": composed(products.addmm, "addmm")}
    methods |= {n: _named(n, _composed(n, ops.FUNCTIONS[n]), ops.FUNCTIONS[n].__doc__)
                for n in ("tril", "triu")}  # fmt: skip
    methods |= {
        "index_put": indexing.index_put, "nonzero": indexing.nonzero,
        "masked_select": indexing.masked_select, "bernoulli": draws.bernoulli,
        "multinomial": draws.multinomial, "swapaxes": shaping.transpose,
        "swapdims": shaping.transpose, "moveaxis": shaping.movedim, "numel": numel,
        "is_floating_point": is_floating_point,
    }  # fmt: skip
    FUNCTIONS.update(methods)
    FUNCTIONS.update({n: _also_numpy(getattr(arranging, n)) for n in _JOINING})
    FUNCTIONS["einsum"] = _einsum
    FUNCTIONS["zero_"], FUNCTIONS["fill"] = inplace.zero_, _fill
    FUNCTIONS.update(
        broadcast_tensors=shaping.broadcast_tensors, is_tensor=shaping.is_tensor,
        std_mean=reducing.std_mean, var_mean=reducing.var_mean, result_type=result_type,
        promote_types=promote_types,
    )  # fmt: skip
    return methods


def _install() -> None:
    methods = _fill_tables()
    methods |= {n: getattr(shaping, n) for n in _SHAPING_METHODS}
    methods |= {n: _converter(n, d) for n, d in _CONVERTERS.items()}
    methods |= {
        "view": shaping.view_, "repeat": arranging.repeat, "to": to, "type": type,
        "__array_wrap__": array_wrap, "type_as": type_as, "cpu": cpu, "cuda": cuda,
        "new_tensor": _new("new_tensor", creation.tensor),
        "new_zeros": _new("new_zeros", creation.zeros), "new_ones": _new("new_ones", creation.ones),
        "new_empty": _new("new_empty", creation.empty), "new_full": _new("new_full", creation.full),
        "copy_": inplace.copy_, "fill_": inplace.fill_, "zero_": inplace.zero_,
        "fill_diagonal_": inplace.fill_diagonal_, "resize_": inplace.resize_,
        "uniform_": draws.uniform_, "normal_": draws.normal_, "bernoulli_": draws.bernoulli_,
        "random_": draws.random_, "exponential_": draws.exponential_,
        "index_put_": indexing.index_put_, "where": _where,
    }  # fmt: skip
    in_place = [*_ELEMENTWISE, "tril", "triu", "scatter", "scatter_add", "cumsum", "cumprod"]
    for name in in_place:
        methods.setdefault(name + "_", inplace.inplace(name + "_", methods[name]))
    for name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
        methods[name + "_"] = inplace.reviewed(name + "_", methods[name])
    for name, fn in methods.items():
        if name not in vars(Tensor):
            setattr(Tensor, name, fn)
    _install_operators()
    for name, fn in _PROPERTIES.items():
        setattr(Tensor, name, property(fn))


def _fill(input: Any, value: Any) -> Any:
    """A copy of `input` with one number in every element."""
    return inplace.fill_(input.clone(), value)


_einstein = composed(ops.FUNCTIONS["einsum"], "einsum")


def _einsum(equation: str, *operands: Any) -> Any:
    """Sum of products over the letters that are not in the output: "bij,bjk->bik".

    >>> import jitgrad as jg
    >>> jg.einsum("ij,kj->ik", jg.eye(2), jg.ones(1, 2))
    tensor([[1.],
            [1.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    return _einstein(equation, *operands)


def _where(self: Any, condition: Any, other: Any) -> Any:
    """This Tensor where `condition` is true, else `other`."""
    return arranging.where(condition, self, other)


def _transposed(self: Any) -> Any:
    return shaping.permute(self, *reversed(range(len(self._shape))))


_PROPERTIES = {"T": _transposed, "mT": shaping.swap_last}

_install()
__all__ = ["FUNCTIONS", "device"]

"""`Op`: a primitive, defined by one entry of `jitgrad.ops`.

Entry: the decorators `elementwise`, `reduction`, `movement`, `library`, `source`. Each turns a
signature with a docstring into an `Op`, registers it and returns a function that records it.
Imports: ir only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jitgrad.ir.dtype import DType

OPS: dict[str, Op] = {}


class Op:
    """A primitive operation.

    Attributes:
        name: its name in the graph, the public API and generated code.
        kind: "elementwise", "reduction", "movement", "library" or "source".
        params: names of the tensor operands.
        attr_names: names of the attributes, in the order of `Node.attrs`.
        code: source template of an elementwise op (or templates by dtype kind). Templates hold no
            literals: every number in generated code is typed.
        nonpositive: the template where the compiler knows that no operand is above 0: same bits.
        numpy: the oracle; takes the operands as arrays, then the attributes.
        promote: dtype rule: "same", "float", "bool", "first" or a function of the operand dtypes.
        shape: shape rule of non-elementwise ops: (shapes, attrs) -> shape.
        gradient: (g, y, *operands, *attrs) -> gradient per operand (None: not differentiable);
            None when the op has no derivative anywhere or is integer-valued.
        cost: "cheap" is recomputed where needed, "keep" is stored for backward and never repeated.
        domain: (low, high) of inputs that the derived tests draw.
        tolerance: relative float32 tolerance against the oracle.
    """

    __slots__ = (
        "attr_names",
        "check",
        "code",
        "cost",
        "doc",
        "domain",
        "gradient",
        "kind",
        "name",
        "nonpositive",
        "numpy",
        "params",
        "promote",
        "shape",
        "tolerance",
    )

    def __init__(self, kind: str, fn: Callable[..., Any], options: dict[str, Any]) -> None:
        signature = inspect.signature(fn)
        positional = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        self.kind = kind
        self.name = options.pop("name", fn.__name__.rstrip("_"))
        self.params = tuple(p.name for p in positional)
        self.attr_names = tuple(
            p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY
        )
        self.doc = inspect.getdoc(fn) or ""
        self.code = options.pop("code", None)
        self.nonpositive = options.pop("nonpositive", None)
        self.numpy = options.pop("numpy")
        self.promote = options.pop("promote", "same")
        self.shape = options.pop("shape", None)
        self.cost = options.pop("cost", "cheap" if kind in ("elementwise", "movement") else "keep")
        self.domain = options.pop("domain", (-2.0, 2.0))
        self.tolerance = options.pop("tolerance", 1e-5)
        self.check = options.pop("check", None)
        self.gradient = options.pop("gradient", _undeclared)
        if options:
            raise TypeError(f"{self.name}: unknown op options {sorted(options)}")
        if self.name in OPS:
            raise TypeError(f"op {self.name!r} is defined twice")
        OPS[self.name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return (OPS.__getitem__, (self.name,))

    @property
    def differentiable(self) -> bool:
        """Whether a gradient rule stands in the entry."""
        return self.gradient is not None and self.gradient is not _undeclared

    def code_for(self, dtype: DType) -> str:
        """The source template for operands of `dtype`."""
        if isinstance(self.code, str):
            return self.code
        for kinds, template in self.code.items():
            if dtype.kind in kinds:
                return template
        raise TypeError(f"{self.name}: not defined for {dtype}")

    def supports(self, dtype: DType) -> bool:
        """Whether an elementwise template exists for operands of `dtype`."""
        return isinstance(self.code, str) or any(dtype.kind in kinds for kinds in self.code)


def _undeclared(*_: Any) -> None:
    raise AssertionError("the op's entry declares no gradient")


def undeclared(op: Op) -> bool:
    """True for an entry silent about its gradient; a test rejects such entries."""
    return op.gradient is _undeclared


class Recorder:
    """What an op's name stands for in Python: a call records it, `.gradient` adds its rule."""

    record: Callable[..., Any]  # `ir.apply.call`, which puts itself here

    def __init__(self, op: Op) -> None:
        self.op = op
        self.__name__ = op.name
        self.__doc__ = op.doc

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        return self.record(self.op, args, attrs)

    def gradient(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Register `rule(g, y, *operands, *attrs)` as the op's gradient."""
        self.op.gradient = rule
        return rule

    def __repr__(self) -> str:
        return f"<op {self.op.name}>"


def _decorator(kind: str) -> Callable[..., Any]:
    def make(code: Any = None, **options: Any) -> Callable[[Callable[..., Any]], Recorder]:
        def wrap(fn: Callable[..., Any]) -> Recorder:
            if code is not None:
                options["code"] = code
            return Recorder(Op(kind, fn, options))

        return wrap

    return make


elementwise = _decorator("elementwise")
reduction = _decorator("reduction")
movement = _decorator("movement")
library = _decorator("library")
source = _decorator("source")

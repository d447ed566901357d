"""Products of Tensors under their public names.

Entry: `matmul`, `addmm`, `einsum`. Imports: the recorder, composed functions.
"""

from __future__ import annotations

from typing import Any

from jitgrad import ops
from jitgrad.frontend.arguments import check_options
from jitgrad.frontend.composing import composed
from jitgrad.frontend.record import Base, general, label
from jitgrad.ir.op import OPS
from jitgrad.ops import products


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """Product of vectors, matrices or stacks of matrices.

    >>> import jitgrad as jg
    >>> jg.matmul(jg.tensor([[1.0, 2.0]]), jg.tensor([3.0, 4.0]))
    tensor([11.])
    """
    check_options("matmul", out=out)
    if not (isinstance(input, Base) and isinstance(other, Base)):
        kind = type(other if isinstance(input, Base) else input).__name__
        raise TypeError(
            f"matmul: both operands must be Tensors, not {kind}; jitgrad.tensor(x) makes one"
        )
    if len(input._shape) == 2 == len(other._shape):
        return label(general(OPS["matmul"], (input, other), ()), "mm")
    return label(products.matmul(input, other), _product(len(input._shape), len(other._shape)))


def _product(n: int, m: int) -> str:
    """PyTorch's name of the product inside, whatever reshapes its result."""
    if m == 1:
        return "dot" if n == 1 else "mv"
    return "bmm" if n > 2 < m else "mm"


addmm = composed(products.addmm, "addmm")
_einstein = composed(ops.FUNCTIONS["einsum"], "einsum")


def einsum(equation: str, *operands: Any) -> Any:
    """Sum of products over the letters that are not in the output: "bij,bjk->bik".

    >>> import jitgrad as jg
    >>> jg.einsum("ij,kj->ik", jg.eye(2), jg.ones(1, 2))
    tensor([[1.],
            [1.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    return _einstein(equation, *operands)

"""Machine code: every kind of kernel that can use vector registers does."""

import re

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import debug
from jitgrad.runtime import build
from tests.compiler.programs import ROWS, labels, lion, mlp, normal, train

pytestmark = pytest.mark.usefixtures("compiled")
FLOAT = r"v(add|mul|sub|max|min|f\w+|div|sqrt)p[sd]\s.*%[yz]mm"
WHOLE = r"vp(add|sub|mul|and|cmp|s[lr]l|or|max|min|mov)\w*\s.*%[yz]mm"


def wide(*shape):
    """A realised float64 tensor."""
    return torch.tensor(np.random.default_rng(3).standard_normal(shape))


def whole(*shape, dtype="int32"):
    """A realised tensor of integers."""
    return torch.tensor(np.random.default_rng(4).integers(-9, 9, shape).astype(dtype))


# kind of kernel -> (a computation of that kind, an instruction its loop must hold)
KINDS = {
    "elementwise": (lambda: (normal(300) * 2 + 1) * normal(300, seed=1), FLOAT),
    "elementwise float64": (lambda: (wide(300) * 2 + 1) * wide(300), FLOAT),
    "elementwise int32": (lambda: whole(300) * 3 + whole(300), WHOLE),
    "transcendental": (lambda: normal(300).exp().tanh().sigmoid(), FLOAT),
    "transcendental float64": (lambda: wide(300).exp().log1p(), FLOAT),
    "gelu": (lambda: torch.nn.functional.gelu(normal(300)), FLOAT),
    "compare and choose": (lambda: torch.where(normal(300) > 0, normal(300), 0.5) * 2, FLOAT),
    "cast": (lambda: normal(300).to(torch.float64) * 2.0, FLOAT),
    "broadcast over rows": (lambda: normal(20, 30) * normal(30) + normal(20, 1), FLOAT),
    "rows of a slice": (lambda: normal(20, 30)[:, 3:20] * 2, FLOAT),
    "sum of all": (lambda: (normal(3000) * normal(3000)).sum(), FLOAT),
    "sum of rows": (lambda: (normal(20, 300) * 2).sum(1), FLOAT),
    "sum of columns": (lambda: (normal(20, 300) * 2).sum(0), FLOAT),
    "largest of rows": (lambda: normal(20, 300).amax(1), FLOAT),
    "softmax": (lambda: ROWS["softmax"](normal(20, 300), None), FLOAT),
    "log-softmax": (lambda: ROWS["log-softmax"](normal(20, 300), None), FLOAT),
    "layer norm": (lambda: ROWS["layer norm"](normal(20, 300), None), FLOAT),
    "random numbers": (lambda: torch.rand(300) * 2, WHOLE),
    "epilogue of a product": (lambda: (normal(20, 30) @ normal(30, 40)).relu() * 2, FLOAT),
}  # fmt: skip


def kernels_of(*tensors):
    """The kernels of a computation as machine code, those that only finish a reduction left out."""
    steps = debug.explain(*tensors).schedule.steps
    return [build.get(s.kernels[0]) for s in steps if not s.combine]


@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind):
    make, instruction = KINDS[kind]
    for function in kernels_of(make()):
        assert re.search(instruction, function.asm()), f"{function.name} is scalar"


def test_gradients():
    x, t = normal(20, 300, grad=True), labels(20, 300)
    ROWS["cross entropy"](x, t).backward()
    (function,) = kernels_of(x.grad)
    assert re.search(FLOAT, function.asm())


def test_updates_of_many_memories():
    model, optimizer = mlp()
    train(model, optimizer, normal(5, 12), labels(5, 4))
    parameters = list(model.parameters())
    moments = [torch.zeros_like(p).realize() for p in parameters]
    for p in parameters:
        p.grad.realize()
    lion(parameters, moments)
    (function,) = kernels_of(*parameters, *moments)
    assert re.search(FLOAT, function.asm())


def test_float32_kernels_hold_no_float64():
    for name in ("elementwise", "transcendental", "softmax", "layer norm", "sum of rows"):
        for function in kernels_of(KINDS[name][0]()):
            body = function.llvm().split("define", 1)[1]
            assert "double" not in body, f"{function.name} computes in float64"

"""Computations whose kernels are written for CUDA: what each tier runs, by name.

Each makes its own inputs and answers with pending tensors. Shapes are tiny for the simulator, yet
some rows are longer than what the lanes of a team take at once and some shorter than one access.
Entry: `PROGRAMS`, name -> function.
"""

from itertools import combinations
from unittest import mock

import numpy as np

import jitgrad as torch
from jitgrad.nn import functional as F
from jitgrad.utils.checkpoint import checkpoint
from tests.compiler.programs import ROWS, labels, lion, mlp, normal

PROGRAMS = {}
# Compiled every day; the others in `make test-all`.
DAILY = {
    "elementwise", "gelu", "functions 1 float32", "functions 2 float32", "functions 4 float32",
    "functions 5 float64", "pairs", "extremes",
    "conditions", "casts", "integers int8", "integers int64", "strided", "misaligned", "broadcast",
    "long vectors", "long rows", "joined", "counters", "uniform", "random bits", "dropout", "sums",
    "sums of many rows", "extrema", "sums over all axes", "softmax", "layer norm", "cross entropy",
    "gathered", "embedding", "scans", "linear over sequences", "adam",
}  # fmt: skip
EXACT = {"random bits", "uniform"}  # floats that are the same bits on every device


def program(fn):
    """Register a program under its name."""
    PROGRAMS[fn.__name__.replace("_", " ")] = fn
    return fn


def differentiated(fn):
    """Register a program that answers (value, inputs): it is run forward and backward."""

    def run():
        value, *inputs = fn()
        value.backward()
        return [value, *(x.grad for x in inputs)]

    PROGRAMS[fn.__name__.replace("_", " ")] = run
    return fn


def integers(*shape, dtype=torch.int64, low=-9, high=10, seed=3):
    """A realised tensor of integers."""
    values = np.random.default_rng(seed).integers(low, high, shape)
    return torch.tensor(values).to(dtype).realize()


def double(*shape, seed=0):
    """A realised tensor of float64."""
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


# ---- elementwise


@program
def elementwise():
    return [(normal(70) * normal(70, seed=1) + 1).sigmoid()]


@differentiated
def chain():
    x, y = normal(70, grad=True), normal(70, seed=1, grad=True)
    return ((x * y + 1).sigmoid() * (-x * x).exp() + (y - x).relu()).sum(), x, y


@differentiated
def gelu():
    x = normal(70, grad=True)
    return F.gelu(x).sum(), x


FUNCTIONS = (
    "exp exp2 expm1 tanh sigmoid sinh cosh", "sin cos tan asinh atan erf erfc",
    "abs neg floor ceil trunc round sign square", "lgamma digamma",
)  # fmt: skip
POSITIVE = "log log1p log2 log10 sqrt rsqrt reciprocal acosh", "acos asin atanh erfinv"


def functions(kind, make):
    """Programs of many functions of one input each."""
    for number, (names, change) in enumerate(
        [(n, lambda x: x) for n in FUNCTIONS]
        + [(POSITIVE[0], lambda x: x.abs() + 1), (POSITIVE[1], lambda x: x.tanh())]
    ):

        def run(names=names, change=change):
            x = change(make(21) * 2).realize()
            return [getattr(torch, name)(x) for name in names.split()]

        PROGRAMS[f"functions {number + 1} {kind}"] = run


functions("float32", normal)
functions("float64", double)


@program
def pairs():
    x, y = normal(21), normal(21, seed=1)
    return [x.maximum(y), x.minimum(y), x.abs() ** y, x % y, x // y, torch.fmod(x, y),
            torch.atan2(x, y), x.copysign(y), x.nextafter(y)]  # fmt: skip


@program
def integer_pairs():
    x, y = integers(37, dtype=torch.int32), integers(37, dtype=torch.int32, seed=4)
    return [x.gcd(y), x.lcm(y), torch.fmod(x, 5), torch.div(x, 5, rounding_mode="trunc")]


@program
def derivatives_of_gamma():
    x = (normal(9).abs() + 0.5).realize()
    return [torch.polygamma(n, x) for n in (1, 2)]


@program
def extremes():
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3e38]
    x = torch.tensor(np.repeat(np.float32(values), 7))
    y = torch.tensor(np.tile(np.float32(values), 7))
    return [x.maximum(y), x.minimum(y), x / y, x.tanh(), x.exp(), x.isnan(), x == y, x < y]


@program
def conditions():
    x, y = normal(5, 9), normal(9, seed=1)
    positive = (x > y) & ~(x.abs() < 0.5) | (y == 0)
    return [torch.where(positive, x, y * 2), positive, x.clamp(-1, 1), positive.float()]


@program
def casts():
    x = normal(40) * 20
    types = torch.int8, torch.int16, torch.int32, torch.int64, torch.float64, torch.bool
    return [*(x.to(t) for t in types), x.int().float() / 3, x.abs().to(torch.uint8)]


def whole_numbers(dtype):
    """A program over one integer type."""

    def run():
        x = integers(37, dtype=dtype, low=0 if dtype is torch.uint8 else -9)
        y = integers(37, dtype=dtype, low=1, seed=4)
        return [x + y, x * y - 3, x // y, x % y, x & y, x ^ y, x << 1, x >> 1, x.maximum(y),
                -x, x < y, x**2]  # fmt: skip

    PROGRAMS[f"integers {dtype.name}"] = run


for _dtype in (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8):
    whole_numbers(_dtype)


# ---- layouts


@program
def strided():
    x, y = normal(9, 14), normal(14, 9, seed=1)
    return [x[:, ::2] + y.t()[:, 1::2], x.flip(0) * y.t(), x[1:, 3:] - x[:-1, :-3]]


@program
def misaligned():
    x = normal(41)
    return [x[1:] + x[:-1], x[3:] * 2]


@program
def broadcast():
    x, row, column = normal(4, 3, 11), normal(11, seed=1), normal(3, 1, seed=2)
    return [x + row * column, x * row, row.expand(6, 11) + 1]


@program
def permuted():
    x = normal(3, 4, 5)
    return [x.permute(2, 0, 1).contiguous(), x.permute(1, 0, 2) + x.permute(1, 0, 2) * 2]


@program
def joined():
    x, y = normal(3, 5), normal(2, 5, seed=1)
    return [torch.cat([x, y * 2]), torch.stack([x, x + 1], 1), torch.stack([y, y])]


@program
def written():
    x = normal(6, 10) * 2
    x[1:4, ::2] = normal(3, 5)
    return [x]


@program
def counters():
    x = normal(5, 7)
    return [torch.arange(23) * 2, x.tril(), F.one_hot(labels(6, 4), 4), torch.arange(7) + x]


@program
def long_vectors():
    x = normal(600)
    return [x + 1, x[::3] * 2]


@program
def long_rows():
    x = normal(50, 9)
    return [x * normal(9, seed=1), x[:, ::2] + normal(50, 1, seed=2)]


# ---- random numbers


@program
def uniform():
    return [torch.rand(70), torch.rand(5, 9, dtype=torch.float64)]


@program
def random_bits():
    return [torch.randint(0, 1000, (70,)), torch.bernoulli(torch.full((40,), 0.25))]


@program
def normals():
    return [torch.randn(70) * 2, torch.randn(9, dtype=torch.float64)]


@differentiated
def dropout():
    x = normal(5, 9, grad=True)
    return (F.dropout(x, 0.5) * normal(5, 9, seed=1)).sum(), x


# ---- reductions


@program
def sums():
    x = normal(6, 37)
    return [x.sum(), x.sum(0), x.sum(1), x.mean()]


@program
def sums_of_many_rows():
    return [(normal(300, 3) * 2).sum(0), normal(300, 5, seed=1).amax(0)]


@program
def sums_of_many_chunks():
    return [(normal(5000) * 2).sum()]


@program
def middle_axis():
    x = normal(2, 10, 3)
    return [x.sum(1), x.amax(1), x.sum((0, 2))]


@program
def sums_over_all_axes():
    x = normal(3, 4, 9)
    return [x.sum(axes) for n in (1, 2, 3) for axes in combinations(range(3), n)]


@program
def extrema_over_all_axes():
    x, y = normal(3, 4, 9), integers(3, 4, 9)
    axes = [axes for n in (1, 2) for axes in combinations(range(3), n)]
    places = [f(a) for a in range(3) for f in (x.argmax, y.argmin, x.var)]
    return [*(x.amax(a) for a in axes), *(y.amin(a) for a in axes), *places]


@program
def strided_sums():
    x = normal(20, 12)
    return [x[:, ::2].sum(), (x[::3] + x[::3, :1]).sum(), x.t().sum(1)]


@program
def extrema():
    x = normal(6, 37)
    return [x.amax(1), x.amin(0), x.max(), x.min(), x.prod(1), x.logsumexp(1)]


@program
def products_of_elements():
    x = (normal(6, 37) * 0.1).exp().realize()
    return [x.prod(), x.prod(0), x.prod(1)]


@program
def truth():
    x = integers(6, 37, low=0, high=2)
    some = x == 1
    return [some.any(1), some.all(0), some.any(), some.all(), some.sum(), some.sum(1), some.any(0),
            some.all(1)]  # fmt: skip


@program
def positions():
    x = integers(3, 41, low=0, high=9).float()
    return [x.argmax(1), x.argmin(1), x.argmax(), x.argmax(0), (x > 3).int().argmax(1),
            torch.where(x > 7, float("nan"), x).argmax(1)]  # fmt: skip


@program
def integer_sums():
    x = integers(6, 21, dtype=torch.int32)
    y = integers(6, 21, dtype=torch.int8)
    return [x.sum(), x.sum(0), x.sum(1), x.amax(1), x.prod(1), y.sum(1), y.amax(0), y.amin(1)]


@program
def double_sums():
    x = double(6, 21)
    return [x.sum(), x.sum(0), x.sum(1), x.softmax(1)]


@program
def statistics():
    x = normal(6, 37)
    return [x.var(1), x.std(0), x.mean((0, 1)), x.norm()]


# ---- rows


def row(name):
    """A program of one function of rows, forward and backward."""

    def run():
        x = normal(5, 37, grad=True)
        value = ROWS[name](x, labels(5, 37))
        value.backward() if not value.ndim else value.backward(normal(5, 37, seed=2))
        return [value, x.grad]

    PROGRAMS[name] = run


for _name in ROWS:
    row(_name)


@program
def softmax_of_narrow_rows():
    return [normal(9, 3).softmax(1), normal(9, 6).log_softmax(1)]


@differentiated
def layer_norm_with_weights():
    x, w, b = normal(5, 37, grad=True), normal(37, seed=1, grad=True), normal(37, seed=2, grad=True)
    return (F.layer_norm(x, (37,), w, b) * normal(5, 37, seed=4)).sum(), x, w, b


@differentiated
def layer_norm_gelu_residual():
    x = normal(5, 37, grad=True)
    return (F.gelu(F.layer_norm(x, (37,))) + x).square().mean(), x


@program
def softmax_of_a_view():
    x = normal(5, 2, 20)
    return [x[:, :, ::2].softmax(2), x.permute(0, 2, 1).softmax(1)]


# ---- indices, routines, products


@program
def gathered():
    x = normal(6, 10)
    return [x[torch.tensor([1, 5, -6, 1])], x.gather(1, labels(6, 10).reshape(6, 1)) * 2]


@differentiated
def embedding():
    table = normal(6, 10, grad=True)
    return (table[torch.tensor([1, 5, -6, 1])] * 2).sum(), table


@program
def scans():
    x = normal(4, 9)
    return [x.cumsum(1), x.cumsum(0), x.cumprod(1)]


@differentiated
def products_of_rows():
    x = normal(4, 9, grad=True)
    return (x.cumprod(1) * normal(4, 9, seed=1)).sum(), x


@differentiated
def checkpointed():
    x, y = normal(5, 9, grad=True), normal(9, seed=1, grad=True)
    return checkpoint(lambda x: (x * y).tanh().exp(), x, use_reentrant=False).sum(), x, y


@program
def rows_put():
    x = normal(6, 10) * 2
    x[torch.tensor([1, 5, -6, 1])] = normal(4, 10, seed=1)
    return [x]


@program
def sorted_rows():
    x = integers(4, 40, low=0, high=20).float()
    return [*x.sort(1), x.argsort(0, descending=True)]


@program
def scattered():
    x, index = normal(4, 9), labels(12, 9).reshape(4, 3)
    return [x.scatter_add(1, index, normal(4, 3, seed=1))]


@differentiated
def linear():
    x, w, b = normal(5, 12, grad=True), normal(7, 12, seed=1, grad=True), normal(7, grad=True)
    return F.gelu(x @ w.t() + b).square().mean(), x, w, b


@program
def linear_over_sequences():
    x, w, b = normal(2, 3, 5), normal(4, 5, seed=1), normal(4)
    return [F.gelu(F.linear(x, w, b))]


@program
def product_of_integers():
    x, y = integers(2, 4, 6, dtype=torch.int32), integers(2, 6, 3, dtype=torch.int32, seed=4)
    return [x @ y, x[0] @ y[1]]


@program
def batched_product():
    return [(normal(2, 4, 6) @ normal(2, 6, 3, seed=1)).relu()]


# ---- updates of many parameters


def updated(model, optimizer):
    """The parameters and their state after a step that would flush them."""
    with mock.patch("jitgrad.optim.optimizer.flush_all"):
        optimizer.step()
    states = [t for state in optimizer.state.values() for t in state.values()]
    return [*model.parameters(), *(t for t in states if isinstance(t, torch.Tensor))]


@program
def adam():
    model, optimizer = mlp()
    for seed in range(2):
        for p in model.parameters():
            p.grad = normal(*p.shape, seed=seed)
        if not seed:
            optimizer.step()
    return updated(model, optimizer)


@program
def lion_by_operators():
    parameters = [normal(4, 6), normal(6, seed=1)]
    moments = [normal(4, 6, seed=2), normal(6, seed=3)]
    for p in parameters:
        p.grad = normal(*p.shape, seed=4)
    lion(parameters, moments)
    return [*parameters, *moments]

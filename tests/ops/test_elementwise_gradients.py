"""Every differentiable elementwise entry: gradients of first and second order, and the edges."""

import numpy as np
import pytest

from jitgrad.ir.op import OPS, undeclared
from jitgrad.ops import FUNCTIONS
from jitgrad.ops.methods import RECORDERS
from tests.ops.graphs import check_gradient, gradients, leaf, value

ELEMENTWISE = {n: op for n, op in OPS.items() if op.kind == "elementwise"}
# operands that are not floats, or attributes: checked below in their own way
SPECIAL = {"where", "cast", "polygamma"}


def draw(op, seed=0, n=3):
    """Operands inside the entry's domain, distinct enough that no kink lies within a step."""
    rng = np.random.default_rng(seed)
    low, high = op.domain
    grid = np.linspace(low, high, 29)[1:-1] + 0.0123  # off the integers
    return list(rng.permutation(grid)[: n * len(op.params)].reshape(-1, n))


def test_every_entry_speaks_about_its_gradient_and_has_a_docstring():
    assert not [n for n, op in OPS.items() if undeclared(op)]
    assert not [n for n, op in OPS.items() if not op.doc.strip()]


@pytest.mark.parametrize(
    "name", [n for n, op in ELEMENTWISE.items() if op.differentiable and n not in SPECIAL]
)
def test_gradients(name):
    check_gradient(RECORDERS[name], draw(OPS[name]))


def test_gradient_of_where_cast_polygamma():
    x, y = draw(OPS["add"])
    mask = leaf(np.array([True, False, True]))
    check_gradient(lambda a, b: RECORDERS["where"](mask, a, b), [x, y])
    from jitgrad.ir import dtype as dt

    check_gradient(lambda a: RECORDERS["cast"](a, dtype=dt.float64), [x])
    check_gradient(lambda a: RECORDERS["polygamma"](1, a), [np.array([0.7, 1.5, 3.0])])


COMPOSED = {
    "square": 1, "reciprocal": 1, "relu": 1, "frac": 1, "sinc": 1, "logsigmoid": 1, "softplus": 1,
    "nan_to_num": 1, "deg2rad": 1, "rad2deg": 1, "fmax": 2, "fmin": 2, "lerp": 3, "addcmul": 3,
    "addcdiv": 3, "logaddexp": 2, "hypot": 2, "xlogy": 2, "logaddexp2": 2, "ldexp": 2,
    "clamp": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_gradients_of_composed_functions(name):
    rng = np.random.default_rng(3)
    grid = rng.permutation(np.linspace(0.31, 1.93, 9))
    check_gradient(FUNCTIONS[name], list(grid.reshape(3, 3))[: COMPOSED[name]])


@pytest.mark.parametrize("exponent", [-1, -0.5, 0, 0.5, 1, 2, 3, 4, 2.7])
def test_power_with_number_exponents(exponent):
    x = np.array([0.4, 1.3, 2.2])
    node = FUNCTIONS["pow"](leaf(x), exponent)
    np.testing.assert_allclose(value(node), x**exponent, 1e-12)
    check_gradient(lambda a: FUNCTIONS["pow"](a, exponent), [x])


# at the kinks and poles, what PyTorch gives; checked against it where it is installed
EDGES = {
    "abs": [[0.0, -0.0, np.inf]],
    "sqrt": [[0.0, np.inf]],
    "pow": [[0.0, 0.0, 0.0, -1.0, 2.0, 0.0], [0.0, 2.0, 1.0, 2.0, 0.0, 3.0]],
    "maximum": [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]],
    "minimum": [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]],
    "fmax": [[1.0, np.nan, 3.0], [1.0, 3.0, np.nan]],
    "fmin": [[1.0, np.nan, 3.0], [1.0, 3.0, np.nan]],
    "atan2": [[0.0, 1.0], [0.0, 0.0]],
    "copysign": [[0.0, 1.0], [-1.0, -0.0]],
    "clamp_min": [[0.0, 1.0, -1.0], [0.0, 0.0, 0.0]],
    "clamp_max": [[0.0, 1.0, -1.0], [0.0, 0.0, 0.0]],
    "clamp": [[-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0] * 5, [1.0] * 5],
    "relu": [[0.0, -0.0, 1.0, -1.0]],
    "sign": [[0.0, 2.0]],
    "floor": [[0.5, 1.0]],
    "round": [[0.5, 1.0]],
    "div": [[1.0, 0.0], [0.0, 2.0]],
    "remainder": [[4.0, -5.5], [2.0, 2.0]],
    "fmod": [[4.0, -5.5], [2.0, 2.0]],
    "hypot": [[3.0, 0.0], [4.0, 2.0]],
    "xlogy": [[0.0, 0.0, 2.0], [2.0, 1.0, 3.0]],
    "logaddexp": [[1.0, 0.0], [1.0, -50.0]],
    "nextafter": [[1.0, 1.0], [1.0, 2.0]],
    "sinc": [[0.0, 1.0]],
    "softplus": [[0.0, 800.0, -800.0]],
    "logsigmoid": [[0.0, 800.0, -800.0]],
    "erfinv": [[0.0, 0.5]],
    "rsqrt": [[0.0, 4.0]],
    "asin": [[1.0, 0.0]],
    "nan_to_num": [[np.nan, np.inf, 1.0]],
}


@pytest.mark.parametrize("name", EDGES)
def test_gradients_at_edges_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    arrays = [np.array(a) for a in EDGES[name]]
    nodes = [leaf(a) for a in arrays]
    with np.errstate(all="ignore"):
        out = FUNCTIONS[name](*nodes)
        got = [value(g) for g in gradients(out, nodes)]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    peer = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    result = peer(*tensors)
    np.testing.assert_allclose(value(out), result.detach().numpy(), 1e-12)
    result.sum().backward()
    for g, t in zip(got, tensors, strict=True):
        np.testing.assert_allclose(g, t.grad.numpy(), 1e-9, err_msg=f"{name}: gradient")


def test_every_other_differentiable_entry_is_named_here():
    """Their gradients are checked beside their values; a new entry joins with its check."""
    checked = {
        "sum", "prod", "max", "min", "cumsum", "cumprod", "linear_scan",  # test_reductions
        "reshape", "permute", "expand", "slice", "write",  # test_movement
        "barrier", "cat", "gather", "matmul", "put_add", "put_rows", "scatter_add",  # test_library
        "take",
    }  # fmt: skip
    others = {n for n, op in OPS.items() if op.kind != "elementwise" and op.differentiable}
    assert others == checked

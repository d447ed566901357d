"""Every elementwise entry and composed function against PyTorch: dtypes, shapes, refusals."""

import numpy as np
import pytest

from jitgrad.ir import dtype as dt
from jitgrad.ir.op import OPS
from jitgrad.ops import FUNCTIONS, RECORDERS
from tests.ops.graphs import leaf, value
from tests.ops.peers import draw, equal, peer, tensor, torch

ELEMENTWISE = [n for n, op in OPS.items() if op.kind == "elementwise" and peer(n) is not None]
SHAPES = [((), ()), ((0,), (0,)), ((3, 4), (3, 4)), ((3, 1), (2, 1, 4)), ((5,), ())]
# PyTorch refuses these where the rule here has a plain meaning, or the other way round
LENIENT = {"lcm", "gcd", "hypot", "nextafter", "polygamma", "logaddexp", "logaddexp2", "isclose"}


def run(fn, arrays):
    return value(fn(*map(leaf, arrays)))


def both(name, fn, arrays, tolerance):
    """Equal results, or both refuse."""
    what = f"{name} of {[(str(a.dtype), a.shape) for a in arrays]}"
    try:
        want = peer(name)(*map(tensor, arrays))
    except (RuntimeError, NotImplementedError, TypeError):
        if name not in LENIENT:
            with pytest.raises((RuntimeError, TypeError)):
                run(fn, arrays)
        return
    if name in LENIENT:
        try:
            got = run(fn, arrays)
        except RuntimeError:
            return
    else:
        got = run(fn, arrays)
    equal(got, want, tolerance, what)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_entry_is_pytorchs(name):
    op, rng = OPS[name], np.random.default_rng(11)
    fn = FUNCTIONS[name]
    for dtype in dt.ALL:
        for shapes in SHAPES:
            if name == "polygamma":
                continue
            arrays = [
                draw(rng, dtype, s, op.domain) for s, _ in zip(shapes, op.params, strict=False)
            ]
            if name in ("floor_divide", "remainder", "fmod") and dtype.kind in "ui":
                arrays[1] = np.where(arrays[1] == 0, 1, arrays[1]).astype(dtype.np)
            both(name, fn, arrays, max(op.tolerance, 4e-6))


COMPOSED = {
    "square": 1, "reciprocal": 1, "relu": 1, "frac": 1, "sinc": 1, "logsigmoid": 1, "softplus": 1,
    "deg2rad": 1, "rad2deg": 1, "fmax": 2, "fmin": 2, "isnan": 1, "isinf": 1, "isfinite": 1,
    "isposinf": 1, "isneginf": 1, "isreal": 1, "signbit": 1, "logical_not": 1, "logical_and": 2,
    "logical_or": 2, "logical_xor": 2, "nan_to_num": 1, "heaviside": 2, "xlogy": 2, "ldexp": 2,
    "logaddexp2": 2, "float_power": 2, "clamp": 3, "logit": 1, "positive": 1, "isclose": 2,
    "addcmul": 3, "addcdiv": 3, "lerp": 3, "logaddexp": 2, "hypot": 2,
}  # fmt: skip
FLOATS_ONLY = {
    "lerp",
    "addcdiv",
    "logsigmoid",
    "softplus",
    "frac",
    "logaddexp2",
    "addcmul",
    "clamp",
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_function_is_pytorchs(name):
    rng = np.random.default_rng(12)
    for dtype in dt.ALL:
        if dtype.kind != "f" and name in FLOATS_ONLY:
            continue
        for shape in ((), (0,), (3, 4)):
            domain = (0.1, 0.9) if name in ("logit", "float_power") else (-2, 2)
            arrays = [draw(rng, dtype, shape, domain) for _ in range(COMPOSED[name])]
            if name == "float_power":
                arrays = [np.abs(a) for a in arrays]
            both(name, FUNCTIONS[name], arrays, 1e-5)


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-40, 3e38, -7.0])


POLES = {"polygamma", "digamma", "lgamma", "erfinv"}  # theirs are in test_special_functions


@pytest.mark.parametrize(
    "name", [n for n in ELEMENTWISE if OPS[n].supports(dt.float32) and n not in POLES]
)
def test_special_values_are_pytorchs(name):
    op = OPS[name]
    x = SPECIAL.astype(np.float32)
    arrays = [x] if len(op.params) == 1 else [np.repeat(x, x.size), np.tile(x, x.size)]
    if name in ("remainder", "fmod"):  # exact here; PyTorch's is lost beyond 2**24 quotients
        keep = ~(np.isfinite(arrays[0]) & (np.abs(arrays[0]) / 1e7 > np.abs(arrays[1])))
        arrays = [a[keep | (arrays[1] == 0)] for a in arrays]
    want = peer(name)(*map(tensor, arrays))
    with np.errstate(all="ignore"):
        equal(run(FUNCTIONS[name], arrays), want, 2e-5, name)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit",
                                  "nan_to_num", "relu", "softplus", "logsigmoid", "square",
                                  "sinc", "frac", "logical_not"])  # fmt: skip
def test_special_values_of_composed_functions(name):
    x = SPECIAL.astype(np.float32)
    equal(run(FUNCTIONS[name], [x]), peer(name)(tensor(x)), 2e-5, name)


@pytest.mark.parametrize(
    "name", ["fmax", "fmin", "xlogy", "heaviside", "logical_xor", "ldexp", "logaddexp", "hypot"]
)
def test_special_values_of_composed_pairs(name):
    x = SPECIAL.astype(np.float32)
    arrays = [np.repeat(x, x.size), np.tile(x, x.size)]
    equal(run(FUNCTIONS[name], arrays), peer(name)(*map(tensor, arrays)), 2e-5, name)


NUMBERS = ["add", "sub", "mul", "div", "pow", "remainder", "fmod", "floor_divide", "lt", "eq",
           "xlogy", "clamp_min", "clamp_max", "float_power"]  # fmt: skip


@pytest.mark.parametrize("number", [3, 2.5, -2, 0.5])
@pytest.mark.parametrize("name", NUMBERS)
def test_tensor_and_number(name, number):
    x = np.array([0.3, 1.7, 2.0, 4.1])
    for dtype in (dt.float64, dt.float32, dt.int32, dt.int16):
        if number == -2 and (name == "pow" and dtype.kind == "i"):
            continue
        a = x.astype(dtype.np)
        if dtype.kind == "i" and (name == "float_power" and number < 0):
            a += 1
        want = peer(name)(tensor(a), number)
        equal(value(FUNCTIONS[name](leaf(a), number)), want, 4e-6, f"{name} {dtype} {number}")


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "remainder", "xlogy"])
def test_number_and_tensor(name):
    for dtype in (dt.float64, dt.float32, dt.int32):
        a = np.array([1.0, 2.0, 3.0]).astype(dtype.np)
        ours = value(FUNCTIONS[name](2.5, leaf(a)))
        peers = {"add": lambda t: 2.5 + t, "sub": lambda t: 2.5 - t, "mul": lambda t: 2.5 * t,
                 "div": lambda t: 2.5 / t, "remainder": lambda t: 2.5 % t,
                 "pow": lambda t: 2.5**t}  # fmt: skip
        want = peers.get(name, lambda t: torch.xlogy(2.5, t))(tensor(a))
        equal(ours, want, 4e-6, f"{name} {dtype}")


INTEGERS = ["pow", "remainder", "fmod", "floor_divide", "bitwise_left_shift", "bitwise_right_shift",
            "abs", "neg", "sign", "gcd", "lcm", "bitwise_not", "mul", "add", "sub"]  # fmt: skip


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap_as_pytorchs(name):
    for dtype in (dt.int8, dt.int16, dt.int32, dt.int64, dt.uint8):
        info = np.iinfo(dtype.np)
        x = np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min + 1], dtype.np)
        if dtype.kind == "i":
            x = np.append(x, [-1, -2, -3]).astype(dtype.np)
        n = 1 if name in ("abs", "neg", "sign", "bitwise_not") else 2
        arrays = [x] if n == 1 else [np.repeat(x, x.size), np.tile(x, x.size)]
        if name in ("remainder", "fmod", "floor_divide"):  # PyTorch raises, or traps, there
            keep = (arrays[1] != 0) & ~((arrays[0] == info.min) & (arrays[1] == -1))
            arrays = [a[keep] for a in arrays]
        if name in ("gcd", "lcm"):
            arrays = [np.where(np.abs(a.astype(float)) > 9, 6, a).astype(dtype.np) for a in arrays]
        equal(run(FUNCTIONS[name], arrays), peer(name)(*map(tensor, arrays)), 0, f"{name} {dtype}")


@pytest.mark.parametrize("mode", [None, "trunc", "floor"])
def test_division_modes(mode):
    x, y = np.array([7.5, -7.5, 7, -7, 0]), np.array([2, 2, -2, -2, 3.0])
    for dtype in (dt.float32, dt.int32, dt.int8):
        a, b = x.astype(dtype.np), y.astype(dtype.np)
        got = value(FUNCTIONS["div"](leaf(a), leaf(b), rounding_mode=mode))
        equal(got, torch.div(tensor(a), tensor(b), rounding_mode=mode), 1e-6, f"div {mode} {dtype}")


def test_integers_divided_by_zero_are_zero():
    x, zero = np.array([5, -5], np.int32), np.zeros(2, np.int32)
    for name in ("floor_divide", "remainder", "fmod"):
        assert not run(FUNCTIONS[name], [x, zero]).any()


@pytest.mark.parametrize("decimals", [0, 2, -1])
def test_round_to_decimals(decimals):
    x = np.array([0.125, 2.5, 3.5, -2.5, 123.456, 15.0])
    got = value(FUNCTIONS["round"](leaf(x), decimals=decimals))
    equal(got, torch.round(tensor(x), decimals=decimals), 1e-12, "round")


def test_where_promotes_its_values_only():
    mask = np.array([True, False])
    for a in dt.ALL:
        for b in dt.ALL:
            x, y = np.ones(2, a.np), np.zeros(2, b.np)
            got = value(FUNCTIONS["where"](leaf(mask), leaf(x), leaf(y)))
            equal(got, torch.where(tensor(mask), tensor(x), tensor(y)), 0, f"where {a} {b}")


def test_casts_are_pytorchs():
    for a in dt.ALL:
        x = np.array([0, 1, 2, 100]).astype(a.np)
        if a.kind in "if":
            x = np.append(x, [-1, -3]).astype(a.np)
        if a.kind == "f":
            x = np.append(x, [-1.7, 1.7, 0.3, 300.5]).astype(a.np)
        for b in dt.ALL:
            got = value(RECORDERS["cast"](leaf(x), dtype=b))
            equal(got, tensor(x).to(getattr(torch, b.name)), 0, f"cast {a} -> {b}")


def test_check_index_names_what_and_where():
    index = leaf(np.array([0, 5]))
    with pytest.raises(IndexError, match=r"embedding: index 5 is out of range for size 5 .*py:\d+"):
        value(RECORDERS["check_index"](index, 5, what="embedding", wrapped=False))
    index = leaf(np.array([0, -6 + 5]))
    with pytest.raises(IndexError, match="index: index -6 is out of range for size 5"):
        value(RECORDERS["check_index"](index, 5, what="index", wrapped=True))


def test_power_refuses_integers_to_negative_numbers():
    with pytest.raises(RuntimeError, match="negative integer power"):
        FUNCTIONS["pow"](leaf(np.array([2])), -1)

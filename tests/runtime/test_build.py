"""Kernels become machine code: values, parameter types, vector registers, errors, reuse."""

import platform
import re

import numpy as np
import pytest

from jitgrad.runtime import build, interpret
from tests.runtime import samples

DTYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
}


@pytest.fixture(params=["compiled", "interpreted"])
def either(request, monkeypatch):
    """Run the test compiled and under JITGRAD_JIT=0."""
    if request.param == "interpreted":
        monkeypatch.setenv("JITGRAD_JIT", "0")
    return request.param


@pytest.mark.parametrize("kind", DTYPES)
def test_every_parameter_type(kind, either):
    dtype = DTYPES[kind]
    cast = f"np.{np.dtype(dtype).name}"
    body = f"y[i] = {cast}(x[i] + s)"
    params = [("x", kind + "*"), ("y", kind + "*"), ("s", kind)]
    function = build.get(samples.kernel("add_" + kind, body, params))
    assert bool(function.address) == (either == "compiled")
    x = np.arange(100).astype(dtype)
    y = np.zeros_like(x)
    assert samples.run(function, [x, y, 100], 100) is None
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(y, (x + dtype(100)).astype(dtype))


def test_constants_are_operands():
    imports = "from jitgrad.kernels.math import exp_f32"
    params = [("x", "f32*"), ("y", "f32*")]
    text = build.get(samples.kernel("exps", "y[i] = exp_f32(x[i])", params, imports)).asm()
    assert "(%rip)" in text or platform.machine() != "x86_64"
    assert "movabs" not in text


def test_code_that_calls_out():
    imports = "from jitgrad.kernels.intrinsics import fmod_f32\nHALF = np.float32(0.5)"
    params = [("x", "f32*"), ("y", "f32*")]
    body = "y[i] = fmod_f32(x[i], HALF) + HALF"
    function = build.get(samples.kernel("rest", body, params, imports))
    x = np.linspace(-3, 3, 101, dtype=np.float32)
    y = np.zeros_like(x)
    samples.run(function, [x, y], 101)
    np.testing.assert_array_equal(y, np.fmod(x, np.float32(0.5)) + np.float32(0.5))


def test_helpers_and_intrinsics(either):
    imports = "from jitgrad.kernels.intrinsics import at, fma_f32, view_f32"
    body = """
row = at(x, i * n)
kept = view_f32(scratch, 64)
for j in range(n):
    kept[j] = fma_f32(row[j], row[j], np.float32(1))
for j in range(n - 1, -1, -1):
    y[i * n + (n - 1 - j)] = kept[j]
"""
    params = [("x", "f32*"), ("y", "f32*"), ("n", "i64")]
    function = build.get(samples.kernel("rows", body, params, imports))
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    y = np.zeros_like(x)
    samples.run(function, [x, y, 7], 5, scratch=64 + 4 * 7)
    want = (x.astype(np.float64) ** 2 + 1).astype(np.float32)[:, ::-1]
    np.testing.assert_array_equal(y, want)


def test_integer_minimum_and_maximum(either):
    body = "y[i] = min(max(x[i], np.int64(-3)), i)"
    function = build.get(samples.kernel("clip", body, [("x", "i64*"), ("y", "i64*")]))
    x = np.arange(-10, 10)
    y = np.zeros_like(x)
    samples.run(function, [x, y], 20)
    np.testing.assert_array_equal(y, np.minimum(np.maximum(x, -3), np.arange(20)))


@pytest.mark.parametrize("divisor", ["d", "np.int64(8)", "np.int64(-8)", "np.int64(7)"])
def test_integer_division(divisor, either):
    body = f"y[i] = x[i] // {divisor}\nz[i] = x[i] % {divisor}"
    params = [("x", "i64*"), ("y", "i64*"), ("z", "i64*"), ("d", "i64")]
    function = build.get(samples.kernel("divide", body, params))
    x = np.concatenate([np.arange(-40, 40), [-(2**63), 2**63 - 1]])
    for d in (1, 5, -5, 2**40, 0) if divisor == "d" else (8,):
        y, z = np.zeros_like(x), np.zeros_like(x)
        with np.errstate(divide="ignore"):
            samples.run(function, [x, y, z, d], len(x))
            by = eval(divisor, {"np": np, "d": np.int64(d)})
            np.testing.assert_array_equal(y, x // by)
            np.testing.assert_array_equal(z, x % by)


def test_ranges(either):
    body = """
out = i * 64
for j in range(n[i], n[i + 3], n[i + 6]):
    y[out] = j
    out = out + 1
for j in range(n[i], n[i + 3]):
    y[out] = j
    out = out + 1
    n[i + 3] = 0
y[out] = 77
"""
    function = build.get(samples.kernel("ranges", body, [("n", "i64*"), ("y", "i64*")]))
    starts, stops, steps = (0, 9, -3), (10, -4, 3), (3, -2, 1)
    n, y = np.array([*starts, *stops, *steps]), np.full(192, -99)
    samples.run(function, [n, y], 3)
    for row, start, stop, step in zip(y.reshape(3, 64), starts, stops, steps, strict=True):
        want = [*range(start, stop, step), *range(start, stop), 77]
        assert row[: len(want)].tolist() == want


@pytest.mark.parametrize(
    "body",
    [
        "v = x[i]\nv = np.float64(v) * np.float64(1.1)\ny[i] = np.float32(v)",
        "v = np.int32(7)\nif x[i] > 1:\n    v = np.int64(v) << 40\ny[i] = np.float32(v)",
        "v = x[i]\nfor j in range(3):\n    w = v\n    v = v * w\ny[i] = v if v > w else w",
        "a, b = x[i], x[0]\nfor _ in range(5):\n    a, b = b, a + b\ny[i] = a",
    ],
)
def test_variables_hold_what_python_holds(body, either):
    function = build.get(samples.kernel("variables", body, [("x", "f32*"), ("y", "f32*")]))
    x, y = np.linspace(0.1, 3, 9, dtype=np.float32), np.zeros(9, np.float32)
    samples.run(function, [x, y], 9)
    names = {"np": np, "x": x, "y": np.zeros_like(y)}
    with np.errstate(over="ignore"):
        for names["i"] in range(9):
            exec(body, names)
    np.testing.assert_array_equal(y, names["y"])


@pytest.mark.parametrize("shape", [(1, 1), (8, 4), (12, 4)])
def test_vector_registers(shape):
    assembly = build.get(samples.wide(*shape)).asm()
    assert any(register in assembly for register in ("ymm", "zmm", ".4s"))


def test_scopes_are_what_vectorises_wide_kernels():
    assert "x float>" in build.get(samples.wide(16, 8)).llvm()
    assert "x float>" not in build.get(samples.wide(16, 8, scopes=False)).llvm()


def test_inlined_helpers_vectorise():
    imports = "from jitgrad.kernels.math import exp_f32, tanh_f32"
    body = "y[i] = tanh_f32(x[i]) + exp_f32(x[i])"
    kernel = samples.kernel("curve", body, [("x", "f32*"), ("y", "f32*")], imports)
    text = build.get(kernel).llvm()
    assert "x float>" in text
    assert "double" not in text


def test_loops_that_call_helpers_are_interleaved():
    imports = "from jitgrad.kernels.math import sigmoid_f32"
    params = [("x", "f32*"), ("y", "f32*")]
    kernel = samples.kernel("curve", "y[i] = sigmoid_f32(x[i])", params, imports)
    loop = re.findall(r"^vector\.body:.*?^\S+:", build.get(kernel).llvm(), re.M | re.S)[0]
    assert loop.count("fdiv <") == 4  # one division a vector


def test_so_is_the_inner_loop_of_a_nest():
    imports = "from jitgrad.kernels.math import sigmoid_f32"
    body = """
for base in range(0, n, 128):
    if base < 16384:
        y[base] = x[base]
    for j in range(base, min(base + 128, n)):
        y[j] = sigmoid_f32(x[j])
"""
    params = [("x", "f32*"), ("y", "f32*"), ("n", "i64")]
    text = build.get(samples.kernel("nest", body, params, imports)).llvm()
    loop = re.findall(r"^vector\.body:.*?^\S+:", text, re.M | re.S)[0]
    assert loop.count("fdiv <") == 4


def test_one_body_is_one_compilation():
    first, second = build.get_many([samples.square("first"), samples.square("second")])
    assert first.address == second.address
    assert (first.name, second.name) == ("first", "second")
    assert build.get(samples.square("first")) is first


@pytest.mark.parametrize(
    "body, words",
    [
        ("y[i] = missing(x[i])", "missing"),
        ("y[i] = np.exp(x[i])", "exp"),
        ("raise ValueError('no')", "raise"),
    ],
)
def test_a_refused_source_names_the_kernel(body, words):
    kernel = samples.kernel("broken", body, [("x", "f32*"), ("y", "f32*")])
    with pytest.raises(build.CompileError, match="broken"):
        build.get(kernel)
    assert samples.squares(10)  # the next kernel is not harmed


def test_interpreted_pointers_move_and_check():
    memory = np.arange(8, dtype=np.float32)
    start = memory.ctypes.data
    pointer = interpret.Ptr(start + 16, memory.dtype, start, start + 32)
    assert pointer[0] == 4 and pointer[-4] == 0 and pointer[2:][1] == 7
    assert pointer[-4:][0] == 0
    for index in (4, -5):
        with pytest.raises(IndexError, match="outside its buffer"):
            pointer[index]
        with pytest.raises(IndexError):
            pointer[index] = 1


def test_interpreted_equals_compiled(monkeypatch):
    kernel = samples.wide(3, 2)
    rng = np.random.default_rng(1)
    inputs = [rng.standard_normal(300).astype(np.float32) for _ in range(3)]
    results = []
    for jit in "10":
        monkeypatch.setenv("JITGRAD_JIT", jit)
        outputs = [np.zeros(300, np.float32) for _ in range(2)]
        samples.run(build.get(kernel), [*inputs, *outputs], 300, grain=64)
        results.append(outputs)
    np.testing.assert_array_equal(*results)

"""Templates: operators and kernel functions only, each function there for every dtype it serves."""

import ast
import importlib
import re

import numpy as np
import pytest

from jitgrad.compiler.names import module_of
from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import out_dtype
from jitgrad.ir.evaluate import convert
from jitgrad.ops import OPS

ELEMENTWISE = [op for op in OPS.values() if op.kind == "elementwise"]
WRITER = {"check_index"}  # the source writer emits the check and its error itself


def function(name):
    """The kernel function of this name, as the source writer finds it, or None."""
    try:
        module = module_of(name)
    except LookupError:
        return None
    return getattr(importlib.import_module(f"jitgrad.kernels.{module}"), name)


def called(op, dtype):
    """The kernel functions that the template for `dtype` calls, by the name it uses."""
    names = re.findall(r"(\w+)\(", op.code_for(dtype))
    return {n: function(f"{n}_{dtype.suffix}") for n in names if n not in WRITER}


def served(op):
    """The dtypes an entry is computed in."""
    return [d for d in dt.ALL if op.supports(d) and (op.promote != "float" or d.kind == "f")]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_template_holds_operands_and_no_literals(op):
    for template in [op.code] if isinstance(op.code, str) else op.code.values():
        assert set(re.findall(r"{(\w+)}", template)) == set(op.params)
        tree = ast.parse(template.format(**{p: p for p in op.params}), mode="eval")
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Constant)]


def test_kernel_functions_exist():
    missing = {
        f"{name}_{dtype.suffix}"
        for op in ELEMENTWISE
        for dtype in served(op)
        for name, fn in called(op, dtype).items()
        if fn is None
    }
    assert not missing


def operands(op, dtype):
    """Pairs (or triples) of ordinary and awkward values."""
    if dtype.kind == "b":
        values = np.array([False, True])
    elif dtype.kind == "f":
        low, high = op.domain
        values = np.array([*np.linspace(low, high, 7), 0.0, -0.0, np.inf, -np.inf, np.nan])
    else:
        info = np.iinfo(dtype.np)
        values = np.array([0, 1, 2, 3, 7, -1, -2, info.max, info.min]).astype(dtype.np)
    grid = np.meshgrid(*[values.astype(dtype.np)] * len(op.params), indexing="ij")
    return [g.ravel() for g in grid]


@pytest.mark.parametrize(
    "op", [op for op in ELEMENTWISE if op.name not in ("cast", "check_index")], ids=str
)
def test_kernel_function_means_what_the_oracle_says(op):
    """The template run as Python over NumPy scalars, on every type, against the entry's oracle."""
    with np.errstate(all="ignore"):
        for dtype in served(op):
            names = called(op, dtype)
            if None in names.values():
                continue  # named by the test above
            code = compile(op.code_for(dtype).format(**{p: p for p in op.params}), str(op), "eval")
            arrays = operands(op, dtype)
            if op.name == "where":
                arrays[0] = np.resize([True, False], arrays[0].size)
            want = convert(np.asarray(op.numpy(*arrays)), out_dtype(op, dtype).np)
            got = [eval(code, dict(names), dict(zip(op.params, row, strict=True)))
                   for row in zip(*arrays, strict=True)]  # fmt: skip
            got = np.array([np.asarray(g).astype(want.dtype) for g in got])
            what = f"{op} {dtype}"
            if want.dtype.kind == "f":
                eps = op.tolerance if want.dtype == np.float32 else 1e-12
                np.testing.assert_allclose(got, want, eps, eps * 1e-2, err_msg=what)
            else:
                np.testing.assert_array_equal(got, want, what)

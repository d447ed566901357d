"""Of a subject in float32 and float64 everything is written alike that can be.

Numba takes tables and thresholds for constants of the module they stand in, so that each precision
has a module of its own; what is the same but for them must stay so when one of the two is mended.
"""

import ast
import re
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
# Functions that differ, or that one of the two has alone: other reductions of the argument, more
# pieces of the range, sums of two numbers where float32 has float64's precision to spare.
APART = {
    "exponential": {
        "_half_exp", "_reduce", "exp2_f", "exp2_sum_f", "exp_f", "exp_nonpositive_f",
        "power_of_two_f", "reduce_f", "reduce_sum_f", "scale_f", "sigmoid_f", "tanh_f",
    },
    "gamma": {"erfinv_f"},
    "inverse_trig": set(),
    "logarithm": {"_exponent", "_to_float", "log_sum_f"},
    "math": set(),
    "power": {"_log2_sum", "_power", "pow_f"},
    "special": {"_erfc_far", "erf_f"},
    "trig": {
        "_reduce", "_reduce_far", "_reduce_near", "_two_sum", "cos_f", "cos_poly_f", "sin_f",
        "sin_poly_f", "tan_f", "turn_f",
    },
}  # fmt: skip


def functions(module):
    """The functions of a module without precision: name -> syntax tree, as text."""
    text = (KERNELS / f"{module}.py").read_text()
    for wide, plain in (("_f(32|64)", "_f"), ("int(32|64)", "int"), ("cast_f\\(", "_to_float(")):
        text = re.sub(wide, plain, text)
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) else node.body
            found[node.name] = ast.dump(node)
    return found


def test_every_subject_of_two_precisions_is_named():
    assert {path.stem.removesuffix("64") for path in KERNELS.glob("*64.py")} == APART.keys()


@pytest.mark.parametrize("subject", APART)
def test_both_are_written_alike(subject):
    single, double = functions(subject), functions(f"{subject}64")
    apart = {name for name in single | double if single.get(name) != double.get(name)}
    assert apart == APART[subject]

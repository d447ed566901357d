"""Every function of a float32 that is more than one machine operation, under one roof.

Accuracy: 2 units in the last place over all inputs (pow and large-argument sin, cos, tan: 4),
subnormals, infinities and NaN included; the tests hold the table. `gamma` promises less. All but
polygamma vectorise in a plain loop.

float64 arithmetic occurs in sin, cos, tan (argument reduction) and pow alone.

Entry functions: the names below. May import: its siblings.
"""

from .exponential import (
    cosh_f32,
    exp2_f32,
    exp_f32,
    exp_nonpositive_f32,
    expm1_f32,
    sigmoid_f32,
    sinh_f32,
    tanh_f32,
)
from .gamma import digamma_f32, erfinv_f32, lgamma_f32, polygamma_f32
from .inverse_trig import acos_f32, asin_f32, atan2_f32, atan_f32
from .logarithm import (
    acosh_f32,
    asinh_f32,
    atanh_f32,
    log1p_f32,
    log2_f32,
    log10_f32,
    log_f32,
)
from .power import pow_f32, rsqrt_f32
from .special import erf_f32, erfc_f32
from .trig import cos_f32, sin_f32, tan_f32

__all__ = [
    "acos_f32",
    "acosh_f32",
    "asin_f32",
    "asinh_f32",
    "atan2_f32",
    "atan_f32",
    "atanh_f32",
    "cos_f32",
    "cosh_f32",
    "digamma_f32",
    "erf_f32",
    "erfc_f32",
    "erfinv_f32",
    "exp2_f32",
    "exp_f32",
    "exp_nonpositive_f32",
    "expm1_f32",
    "lgamma_f32",
    "log10_f32",
    "log1p_f32",
    "log2_f32",
    "log_f32",
    "polygamma_f32",
    "pow_f32",
    "rsqrt_f32",
    "sigmoid_f32",
    "sin_f32",
    "sinh_f32",
    "tan_f32",
    "tanh_f32",
]

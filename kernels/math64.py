"""Every function of a float64 that is more than one machine operation, under one roof.

Accuracy: 2 units in the last place over all inputs (pow and large-argument sin, cos, tan: 4),
subnormals, infinities and NaN included; the tests hold the table. `gamma64` promises less. All but
polygamma vectorise in a plain loop.

Entry functions: the names below. May import: its siblings.
"""

from .exponential64 import (
    cosh_f64,
    exp2_f64,
    exp_f64,
    exp_nonpositive_f64,
    expm1_f64,
    sigmoid_f64,
    sinh_f64,
    tanh_f64,
)
from .gamma64 import digamma_f64, erfinv_f64, lgamma_f64, polygamma_f64
from .inverse_trig64 import acos_f64, asin_f64, atan2_f64, atan_f64
from .logarithm64 import (
    acosh_f64,
    asinh_f64,
    atanh_f64,
    log1p_f64,
    log2_f64,
    log10_f64,
    log_f64,
)
from .power64 import pow_f64, rsqrt_f64
from .special64 import erf_f64, erfc_f64
from .trig64 import cos_f64, sin_f64, tan_f64

__all__ = [
    "acos_f64",
    "acosh_f64",
    "asin_f64",
    "asinh_f64",
    "atan2_f64",
    "atan_f64",
    "atanh_f64",
    "cos_f64",
    "cosh_f64",
    "digamma_f64",
    "erf_f64",
    "erfc_f64",
    "erfinv_f64",
    "exp2_f64",
    "exp_f64",
    "exp_nonpositive_f64",
    "expm1_f64",
    "lgamma_f64",
    "log10_f64",
    "log1p_f64",
    "log2_f64",
    "log_f64",
    "polygamma_f64",
    "pow_f64",
    "rsqrt_f64",
    "sigmoid_f64",
    "sin_f64",
    "sinh_f64",
    "tan_f64",
    "tanh_f64",
]

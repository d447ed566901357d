"""Transcendental functions of f64.

Entry functions: `<name>_f64`. May import: NumPy, `intrinsics`.
"""

import math

import numpy as np

from .intrinsics import sqrt

INLINE = True
_ONE = np.float64(1)


def exp_f64(x):
    return np.float64(np.exp(x))


def exp2_f64(x):
    return np.float64(np.exp2(x))


def expm1_f64(x):
    return np.float64(np.expm1(x))


def log_f64(x):
    return np.float64(np.log(x))


def log1p_f64(x):
    return np.float64(np.log1p(x))


def log2_f64(x):
    return np.float64(np.log2(x))


def log10_f64(x):
    return np.float64(np.log10(x))


def tanh_f64(x):
    return np.float64(np.tanh(x))


def sin_f64(x):
    return np.float64(np.sin(x))


def cos_f64(x):
    return np.float64(np.cos(x))


def tan_f64(x):
    return np.float64(np.tan(x))


def asin_f64(x):
    return np.float64(np.arcsin(x))


def acos_f64(x):
    return np.float64(np.arccos(x))


def atan_f64(x):
    return np.float64(np.arctan(x))


def sinh_f64(x):
    return np.float64(np.sinh(x))


def cosh_f64(x):
    return np.float64(np.cosh(x))


def asinh_f64(x):
    return np.float64(np.arcsinh(x))


def acosh_f64(x):
    return np.float64(np.arccosh(x))


def atanh_f64(x):
    return np.float64(np.arctanh(x))


def sigmoid_f64(x):
    return np.float64(_ONE / (_ONE + np.exp(-x)))


def erf_f64(x):
    return np.float64(math.erf(x))


def erfc_f64(x):
    return np.float64(math.erfc(x))


def lgamma_f64(x):
    return np.float64(math.lgamma(x))


def rsqrt_f64(x):
    return _ONE / sqrt(x)


def atan2_f64(y, x):
    return np.float64(np.arctan2(y, x))


def pow_f64(x, y):
    return np.float64(x**y)

_2 = np.float64(2)
_TAU = np.float64(2 * math.pi)
_TINY = np.float64(2.0**-64)


def box_muller_f64(a, b):
    """Two standard normals from two random words."""
    u = (np.float64(a) + _ONE) * _TINY
    v = np.float64(b) * _TINY * _TAU
    r = np.float64(np.sqrt(-_2 * np.log(u)))
    return np.float64(r * np.cos(v)), np.float64(r * np.sin(v))

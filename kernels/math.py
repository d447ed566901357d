"""Transcendental functions of f32.

Entry functions: `<name>_f32`. May import: NumPy, `intrinsics`.
"""

import math

import numpy as np

from .intrinsics import sqrt

INLINE = True
_ONE = np.float32(1)


def exp_f32(x):
    return np.float32(np.exp(x))


def exp2_f32(x):
    return np.float32(np.exp2(x))


def expm1_f32(x):
    return np.float32(np.expm1(x))


def log_f32(x):
    return np.float32(np.log(x))


def log1p_f32(x):
    return np.float32(np.log1p(x))


def log2_f32(x):
    return np.float32(np.log2(x))


def log10_f32(x):
    return np.float32(np.log10(x))


def tanh_f32(x):
    return np.float32(np.tanh(x))


def sin_f32(x):
    return np.float32(np.sin(x))


def cos_f32(x):
    return np.float32(np.cos(x))


def tan_f32(x):
    return np.float32(np.tan(x))


def asin_f32(x):
    return np.float32(np.arcsin(x))


def acos_f32(x):
    return np.float32(np.arccos(x))


def atan_f32(x):
    return np.float32(np.arctan(x))


def sinh_f32(x):
    return np.float32(np.sinh(x))


def cosh_f32(x):
    return np.float32(np.cosh(x))


def asinh_f32(x):
    return np.float32(np.arcsinh(x))


def acosh_f32(x):
    return np.float32(np.arccosh(x))


def atanh_f32(x):
    return np.float32(np.arctanh(x))


def sigmoid_f32(x):
    return np.float32(_ONE / (_ONE + np.exp(-x)))


def erf_f32(x):
    return np.float32(math.erf(x))


def erfc_f32(x):
    return np.float32(math.erfc(x))


def lgamma_f32(x):
    return np.float32(math.lgamma(x))


def rsqrt_f32(x):
    return _ONE / sqrt(x)


def atan2_f32(y, x):
    return np.float32(np.arctan2(y, x))


def pow_f32(x, y):
    return np.float32(x**y)

_2 = np.float32(2)
_TAU = np.float32(2 * math.pi)
_TINY = np.float32(2.0**-32)


def box_muller_f32(a, b):
    """Two standard normals from two random words."""
    u = (np.float32(a) + _ONE) * _TINY
    v = np.float32(b) * _TINY * _TAU
    r = np.float32(np.sqrt(-_2 * np.log(u)))
    return np.float32(r * np.cos(v)), np.float32(r * np.sin(v))

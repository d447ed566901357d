"""Standard scores: what layer and batch norm share. Entry: `standardized`.

Written out with tensor operations, the gradient would sum what the variance and what the mean pass
back one after the other. The deviations sum to zero, so one sum leaves nothing for the other: with
a gradient of their own both come from one pass over the rows.
"""

import math

import jitgrad as jg
from jitgrad import ops
from jitgrad.frontend import ruled, slot


def _mean(x, dims):
    """The mean; how many there are is a number of this time, like sizes."""
    return ops.sum_(x, axes=dims) / slot(float(math.prod(x.shape[i] for i in dims)))


def _moments(x, dims):
    """The mean, the deviations from it and the mean of their squares."""
    mean = _mean(x, dims)
    away = x - mean
    return mean, away, _mean(away * away, dims)


def _gradient(g, x, mean, variance, dims, eps):
    """The gradient of the scores; itself differentiable where gradients are recorded."""
    if jg.is_grad_enabled():
        mean, _, variance = _moments(x, dims)
    scale = ops.rsqrt(variance + eps)
    score = (x - mean) * scale
    shift = _mean(g, dims)
    tilt = _mean(g * score, dims)
    return (g - shift - score * tilt) * scale


@ruled(_gradient)
def standardized(x, dims, eps):
    """(x - mean) / sqrt(var + eps) over `dims`, the mean and the variance (without gradient)."""
    mean, away, variance = _moments(x, dims)
    return away * ops.rsqrt(variance + eps), mean, variance

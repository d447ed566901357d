"""Standard scores: what layer and batch norm share. Entry: `standardized`.

Written out with tensor operations, the gradient would sum what the variance and what the mean pass
back one after the other. The deviations sum to zero, so one sum leaves nothing for the other: with
a gradient of their own both come from one pass over the rows. Imports the Tensor API.
"""

import jitgrad as jg
from jitgrad.autograd import Function


def _moments(x, dims):
    """The mean, the deviations from it and the mean of their squares."""
    mean = x.mean(dims, keepdim=True)
    away = x - mean
    return mean, away, (away * away).mean(dims, keepdim=True)


class Standardize(Function):
    """(x - mean) / sqrt(var + eps) over `dims`, the mean and the variance (without gradient)."""

    @staticmethod
    def forward(ctx, x, dims, eps):
        """Results for `x`."""
        mean, away, variance = _moments(x, dims)
        scale = (variance + eps).rsqrt()
        ctx.dims, ctx.eps = dims, eps
        ctx.save_for_backward(x, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        return away * scale, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        """The gradient of `x`; itself differentiable where gradients are recorded."""
        x, mean, scale = ctx.saved_tensors
        if jg.is_grad_enabled():
            mean, _, variance = _moments(x, ctx.dims)
            scale = (variance + ctx.eps).rsqrt()
        score = (x - mean) * scale
        shift = g.mean(ctx.dims, keepdim=True)
        tilt = (g * score).mean(ctx.dims, keepdim=True)
        return (g - shift - score * tilt) * scale, None, None


def standardized(x, dims, eps):
    """Standard scores of `x` over `dims`, their mean and (biased) variance."""
    return Standardize.apply(x, dims, eps)

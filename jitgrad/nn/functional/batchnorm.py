"""Batch norm: standard scores of each channel over the batch and what is inside a channel."""

import math

import jitgrad as jg
from jitgrad.frontend import as_call, explained
from jitgrad.nn.functional._standard import standardized


def _check(input, training, eps, **given):
    """What PyTorch refuses, in its words."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise IndexError(f"batch_norm: expected (N, C, ...), got input size {input.shape}")
    if training and math.prod(shape[:1] + shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    if not input.is_floating_point():
        raise NotImplementedError(f'"batch_norm" not implemented for {input.dtype}')
    for name in ("running_mean", "running_var"):
        if not training and given[name] is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    if (given["running_mean"] is None) != (given["running_var"] is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    for name, value in given.items():
        if value is None:
            continue
        if tuple(value.shape) != (shape[1],):
            raise RuntimeError(
                f"{name} should contain {shape[1]} elements not {value.numel()}"
                if value.ndim == 1
                else f"{name} should have shape ({shape[1]},), got {tuple(value.shape)}"
            )
        if value.dtype is not input.dtype:
            raise RuntimeError(
                f"mixed dtype: input is {input.dtype} and {name} is {value.dtype}; "
                "all inputs must share same datatype."
            )


@explained
def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """(x - mean) / sqrt(var + eps) * weight + bias, channel by channel: (N, C, *) -> (N, C, *).

    In training the moments are those of the batch, and the running ones move towards them by
    `momentum` (the variance with N - 1 for N); else the moments are the running ones.

    >>> import jitgrad as jg
    >>> mean, var = jg.zeros(1), jg.ones(1)
    >>> batch_norm(jg.tensor([[1.0], [3.0]]), mean, var, training=True, eps=1e-9).tolist()
    [[-1.0], [1.0]]
    >>> mean, var
    (tensor([0.2000]), tensor([1.1000]))
    """
    _check(
        input,
        training,
        eps,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    updated = training and running_mean is not None and input.numel() > 0
    output, *moved = _batch_norm(
        input, running_mean, running_var, weight, bias, training, updated, momentum, eps
    )
    for running, value in zip((running_mean, running_var), moved, strict=False):
        with jg.no_grad():
            running.copy_(value)
    return output


@as_call("native_batch_norm")
def _batch_norm(input, running_mean, running_var, weight, bias, training, updated, momentum, eps):
    """The output and, if `updated`, what the running moments become."""
    channels = (1, -1, *(1,) * (input.ndim - 2))
    moved = []
    if training:
        dims = (0, *range(2, input.ndim))
        output, mean, variance = standardized(input, dims, eps)
        if updated:
            count = math.prod(input.shape[i] for i in dims)
            with jg.no_grad():
                mean, variance = mean.reshape(-1), variance.reshape(-1)
                variance = variance * (count / (count - 1))
                moved = [
                    running_mean * (1 - momentum) + mean * momentum,
                    running_var * (1 - momentum) + variance * momentum,
                ]
    else:
        scale = (running_var + eps).rsqrt()
        output = (input - running_mean.reshape(channels)) * scale.reshape(channels)
    if weight is not None:
        output = output * weight.reshape(channels)
    output = output if bias is None else output + bias.reshape(channels)
    return output, *moved

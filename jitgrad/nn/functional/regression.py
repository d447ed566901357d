"""Losses element by element; (*), (*) -> scalar, or (*) for reduction="none"."""

import warnings

import jitgrad as jg
from jitgrad.frontend import as_call, explained
from jitgrad.nn.functional._reduction import check, legacy
from jitgrad.nn.functional._reduction import reduce as _reduce


def _compare(input, target):
    """PyTorch's warning where broadcasting changes a shape."""
    if tuple(target.shape) != tuple(input.shape):
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=4,
        )


def _weigh(loss, input, weight, reduction):
    """Reduce; a weighted mean is over the weights' sum."""
    if weight is None:
        return _reduce(loss, reduction)
    if tuple(weight.shape) != tuple(input.shape):
        raise ValueError("Weights and input must have the same size.")
    check(reduction)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else _reduce(loss, reduction)


@explained
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2.

    >>> import jitgrad as jg
    >>> mse_loss(jg.tensor([1.0, 3.0]), jg.zeros(2)).item()
    5.0
    """
    reduction = legacy(size_average, reduce, reduction)
    _compare(input, target)
    return _mse_loss(input, target, weight, reduction)


@as_call("mse_loss")
def _mse_loss(input, target, weight, reduction):
    a, b = jg.broadcast_tensors(input, target)
    difference = a - b
    return _weigh(difference * difference, input, weight, reduction)


@explained
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|.

    >>> import jitgrad as jg
    >>> l1_loss(jg.tensor([1.0, -3.0]), jg.zeros(2)).item()
    2.0
    """
    reduction = legacy(size_average, reduce, reduction)
    _compare(input, target)
    return _l1_loss(input, target, weight, reduction)


@as_call("l1_loss")
def _l1_loss(input, target, weight, reduction):
    a, b = jg.broadcast_tensors(input, target)
    return _weigh((a - b).abs(), input, weight, reduction)


@explained
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """With d = |input - target|: d^2 / (2 beta) where d < beta, else d - beta / 2.

    >>> import jitgrad as jg
    >>> smooth_l1_loss(jg.tensor([1.0, -3.0]), jg.zeros(2)).item()
    1.5
    """
    reduction = legacy(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _compare(input, target)
    if beta == 0:
        return _l1_loss(input, target, None, reduction)
    return _smooth_l1_loss(input, target, reduction, beta)


@as_call("smooth_l1_loss")
def _smooth_l1_loss(input, target, reduction, beta):
    a, b = jg.broadcast_tensors(input, target)
    d = (a - b).abs()
    return _reduce(jg.where(d < beta, d * d * 0.5 / beta, d - 0.5 * beta), reduction)


@explained
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """With d = |input - target|: d^2 / 2 where d <= delta, else delta (d - delta / 2).

    >>> import jitgrad as jg
    >>> huber_loss(jg.tensor([1.0, -3.0]), jg.zeros(2), delta=2.0).item()
    2.25
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _compare(input, target)
    return _huber_loss(input, target, reduction, delta, weight)


@as_call("huber_loss")
def _huber_loss(input, target, reduction, delta, weight):
    a, b = jg.broadcast_tensors(input, target)
    d = (a - b).abs()
    loss = jg.where(d <= delta, d * d * 0.5, (d - 0.5 * delta) * delta)
    return _weigh(loss, input, weight, reduction)


@explained
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """t (log t - x), 0 where t = 0, for log-probabilities x; e^t (t - x) with `log_target`.

    "batchmean" divides the sum by the first size, as the divergence of a batch is defined; "mean"
    divides it by the number of elements.

    >>> import jitgrad as jg
    >>> half = jg.full((1, 2), 0.5)
    >>> kl_div(half.log(), half, reduction="batchmean").item()
    0.0
    """
    reduction = legacy(size_average, reduce, reduction)
    if reduction == "batchmean":
        return _kl_div(input, target, "sum", log_target) / max(input.shape[0], 1)
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction 'mean' divides the total loss by the number of elements; "
            "'batchmean' divides only by the batch size, which is the divergence's definition.",
            stacklevel=3,
        )
    return _kl_div(input, target, reduction, log_target)


@as_call("kl_div")
def _kl_div(input, target, reduction, log_target):
    if log_target:
        return _reduce(target.exp() * (target - input), reduction)
    return _reduce(jg.xlogy(target, target) - target * input, reduction)


@explained
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(t log x + (1 - t) log(1 - x)), each logarithm at least -100; nan for x outside [0, 1].

    >>> import jitgrad as jg
    >>> round(binary_cross_entropy(jg.tensor([0.5]), jg.ones(1)).item(), 4)
    0.6931
    """
    reduction = legacy(size_average, reduce, reduction)
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    return _binary_cross_entropy(input, target, weight, reduction)


@as_call("binary_cross_entropy")
def _binary_cross_entropy(input, target, weight, reduction):
    loss = -(target * _bounded_log(input) + (1 - target) * _bounded_log(1 - input))
    return _reduce(loss if weight is None else loss * weight, reduction)


def _bounded_log(x):
    """max(log x, -100), nan below 0; at 0 PyTorch's slope of 1e12 instead of an infinite one."""
    positive = x > 0
    logarithm = jg.where(positive, x, 1.0).log().clamp(min=-100)
    return jg.where(positive, logarithm, jg.where(x == 0, x * 1e12 - 100, jg.nan))


@explained
def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """binary_cross_entropy of sigmoid(input) without overflow; `pos_weight` scales target 1.

    >>> import jitgrad as jg
    >>> round(binary_cross_entropy_with_logits(jg.zeros(1), jg.ones(1)).item(), 4)
    0.6931
    """
    reduction = legacy(size_average, reduce, reduction)
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    return _with_logits(input, target, weight, reduction, pos_weight)


@as_call("binary_cross_entropy_with_logits")
def _with_logits(input, target, weight, reduction, pos_weight):
    # log(1 + exp(-x)) in two branches that share their slope at 0, for any order of derivative.
    negative = input < 0
    folded = jg.where(negative, input, -input)
    penalty = folded.exp().log1p() + jg.where(negative, -input, 0.0)
    if pos_weight is not None:
        penalty = penalty * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input + penalty
    return _reduce(loss if weight is None else loss * weight, reduction)

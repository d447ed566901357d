"""Losses over classes: `cross_entropy`, `nll_loss`.

The class is picked by comparing with 0..C-1 instead of a gather: the sum then runs along with the
other sums over the classes, and the gradient needs no scatter.
"""

import jitgrad as jg
from jitgrad.frontend import as_call, composed, slot
from jitgrad.nn.functional._index import checked
from jitgrad.nn.functional._reduction import check, legacy, reduce


def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """Minus the log-probability of the target class: (N, C, d1, ...), (N, d1, ...) -> scalar.

    `weight` (C); elements whose target is `ignore_index` count nothing; "none" -> (N, d1, ...).

    >>> import jitgrad as jg
    >>> nll_loss(jg.tensor([[-1.0, -2.0], [-3.0, -4.0]]), jg.tensor([1, 0])).item()
    2.5
    """
    reduction = legacy(size_average, reduce, reduction)
    return _nll_loss(input, target, weight, ignore_index, reduction)


@as_call("nll_loss")
def _nll_loss(input, target, weight, ignore_index, reduction):
    check(reduction)
    picked, factor = _pick(input, target, weight, ignore_index)
    return _weighted(-picked, factor, reduction)


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """nll_loss of log_softmax: (N, C, d1, ...), (N, d1, ...) -> scalar.

    A float target of the input's shape holds probabilities. `label_smoothing` mixes the target
    with the uniform distribution; the other arguments are those of `nll_loss`.

    >>> import jitgrad as jg
    >>> round(cross_entropy(jg.zeros(2, 4), jg.tensor([1, 3])).item(), 4)
    1.3863
    """
    reduction = legacy(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    smooth = label_smoothing or None
    return _cross_entropy(input, target, weight, ignore_index, reduction, smooth)


@as_call("nll_loss")
def _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing):
    check(reduction)
    log_probability = input.log_softmax(_class_dim(input))
    if tuple(input.shape) == tuple(target.shape):
        return _soft(log_probability, target, weight, ignore_index, reduction, label_smoothing)
    picked, factor = _pick(log_probability, target, weight, ignore_index)
    loss = _weighted(-picked, factor, reduction)
    if label_smoothing is None:
        return loss
    return loss * (1 - label_smoothing) + _smooth(
        log_probability, target, weight, factor, ignore_index, reduction
    ) * (label_smoothing / _classes(input))


def _class_dim(input):
    if input.dim() == 0:
        raise RuntimeError("the input has no dimension of classes")
    return 0 if input.dim() == 1 else 1


def _classes(input):
    return input.shape[_class_dim(input)]


def _along_classes(values, input):
    """Values (C) in a shape that broadcasts against the input."""
    return values.reshape(-1, *[1] * (input.dim() - 1 - _class_dim(input)))


def _check_shapes(input, target, weight):
    dim = _class_dim(input)
    expected = [size for i, size in enumerate(input.shape) if i != dim]
    given = list(target.shape)
    if given != expected:
        if len(given) != len(expected):
            raise RuntimeError(
                f"Expected target of shape {expected} for input {list(input.shape)}, got {given}"
            )
        if given and given[0] != expected[0]:
            raise ValueError(
                f"Expected input batch_size ({expected[0]}) to match target batch_size "
                f"({given[0]}): input {tuple(input.shape)}, target {tuple(given)}"
            )
        raise RuntimeError(f"Expected target size {expected}, got {given}")
    if target.dtype not in (jg.int64, jg.uint8):
        raise RuntimeError(
            f"cross_entropy: expected a target of class indices in int64, not {target.dtype}"
        )
    if weight is not None and list(weight.shape) != [_classes(input)]:
        raise RuntimeError(
            f"weight tensor should be defined either for all {_classes(input)} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )


@composed
def _pick(input, target, weight, ignore_index):
    """(input at the target class, its weight: None where all are 1), both 0 where ignored."""
    _check_shapes(input, target, weight)
    dim, classes = _class_dim(input), slot(_classes(input))
    kept = target != ignore_index
    index = checked(jg.where(kept, target, 0), classes, "target class")
    chosen = _along_classes(jg.arange(classes, device=input.device), input) == index.unsqueeze(dim)
    picked = jg.where(kept, jg.where(chosen, input, 0.0).sum(dim), 0.0)
    if weight is None:
        return picked, kept.to(input.dtype)
    factor = jg.where(chosen, _along_classes(weight, input), 0.0).sum(dim)
    factor = jg.where(kept, factor, 0.0)
    return picked * factor, factor


def _weighted(loss, factor, reduction):
    """The mean is over the factors' sum, not over the elements."""
    if reduction == "mean":
        return loss.sum() / factor.sum()
    return reduce(loss, reduction)


def _smooth(log_probability, target, weight, factor, ignore_index, reduction):
    """The loss against every class alike, times C."""
    if weight is not None:
        log_probability = log_probability * _along_classes(weight, log_probability)
    every = -log_probability.sum(_class_dim(log_probability))
    return _weighted(jg.where(target != ignore_index, every, 0.0), factor, reduction)


def _soft(log_probability, target, weight, ignore_index, reduction, label_smoothing):
    """Cross entropy against probabilities; the mean is over the elements."""
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if label_smoothing is not None:
        target = target * (1 - label_smoothing) + label_smoothing / _classes(log_probability)
    loss = log_probability * target
    if weight is not None:
        loss = loss * _along_classes(weight, log_probability)
    return reduce(-loss.sum(_class_dim(log_probability)), reduction)

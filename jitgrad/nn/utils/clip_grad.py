"""Clipping of gradients, without reading a value on the host.

`foreach` is accepted and changes nothing: the updates of all tensors always fuse.
"""

import math

import jitgrad as jg


def _gradients(parameters):
    if isinstance(parameters, jg.Tensor):
        parameters = [parameters]
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors as if they were one vector: a scalar tensor.

    >>> import jitgrad as jg
    >>> get_total_norm([jg.tensor([3.0]), jg.tensor([4.0])]).item()
    5.0
    """
    tensors = [tensors] if isinstance(tensors, jg.Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return jg.tensor(0.0)
    if math.isinf(norm_type):
        total = _join([t.abs().max() for t in tensors], jg.maximum)
    elif norm_type == 2:
        total = _join([(t * t).sum() for t in tensors], jg.add).sqrt()
    else:
        powers = [(t.abs() ** norm_type).sum() for t in tensors]
        total = _join(powers, jg.add) ** (1.0 / norm_type)
    # A read: only asked for by the argument.
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _join(values, operation):
    total = values[0]
    for value in values[1:]:
        total = operation(total, value)
    return total


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale the gradients in place so that their norm is at most `max_norm`; returns the norm.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.zeros(2))
    >>> p.grad = jg.tensor([3.0, 4.0])
    >>> clip_grad_norm_([p], 1.0).item(), [round(g, 4) for g in p.grad.tolist()]
    (5.0, [0.6, 0.8])
    """
    gradients = _gradients(parameters)
    with jg.no_grad():
        total = get_total_norm(gradients, norm_type, error_if_nonfinite)
        scale = (float(max_norm) / (total + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.to(gradient.dtype))
    return total


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Clamp every gradient in place to [-clip_value, clip_value].

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.zeros(2))
    >>> p.grad = jg.tensor([3.0, -0.25])
    >>> clip_grad_value_(p, 0.5)
    >>> p.grad.tolist()
    [0.5, -0.25]
    """
    bound = float(clip_value)
    with jg.no_grad():
        for gradient in _gradients(parameters):
            gradient.clamp_(min=-bound, max=bound)

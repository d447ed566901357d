"""`linear` and `dropout`."""

import jitgrad as jg
from jitgrad.frontend import as_call, explained
from jitgrad.frontend.record import label


def linear(input, weight, bias=None):
    """x A^T + b: (*, in), (out, in), (out) -> (*, out).

    >>> import jitgrad as jg
    >>> linear(jg.ones(1, 3), jg.ones(2, 3), jg.ones(2)).tolist()
    [[4.0, 4.0]]
    """
    return _linear(input, weight, bias)


@as_call()
def _linear(input, weight, bias):
    if weight.ndim == 2 and input.shape[-1:] != weight.shape[1:]:
        raise RuntimeError(
            f"linear: an input of shape {tuple(input.shape)} does not end in the "
            f"{weight.shape[1]} features that a weight of shape {tuple(weight.shape)} takes"
        )
    output = input.matmul(weight.t())
    return output if bias is None else label(output + bias, "addmm")


@explained
def dropout(input, p=0.5, training=True, inplace=False):
    """Each element becomes 0 with probability p, else x / (1 - p).

    >>> import jitgrad as jg
    >>> sorted(set(dropout(jg.ones(100), 0.5).tolist()))
    [0.0, 2.0]
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training:
        return input
    keep = jg.rand_like(input) >= p  # numbers in [0, 1): all pass for p = 0, none for p = 1
    scale = 0.0 if p == 1 else 1.0 / (1.0 - p)
    output = _scaled(input, keep, scale)
    return input.copy_(output) if inplace else output


@as_call("mul")
def _scaled(input, keep, scale):
    return input * (keep.to(input.dtype) * scale)

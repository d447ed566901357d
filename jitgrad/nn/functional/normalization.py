"""Normalisation functions over the last dimensions or by a norm."""

import jitgrad as jg
from jitgrad.frontend import as_call, explained
from jitgrad.nn.functional._standard import standardized


def _dims(input, normalized_shape):
    """The dimensions of `normalized_shape`, the last ones of the input's shape."""
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            f"element, but got normalized_shape = {list(shape)}"
        )
    if tuple(input.shape[-len(shape) :]) != shape:
        expected = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{expected}], "
            f"but got input of size{list(input.shape)}"
        )
    return tuple(range(input.ndim - len(shape), input.ndim))


def _same_shape(name, value, normalized_shape):
    if value is not None and tuple(value.shape) != tuple(normalized_shape):
        raise RuntimeError(
            f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
            f"{list(value.shape)} and normalized_shape = {list(normalized_shape)}"
        )


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias: (*, shape) -> (*, shape).

    >>> import jitgrad as jg
    >>> layer_norm(jg.tensor([[1.0, 3.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    return _layer_norm(input, tuple(normalized_shape), weight, bias, eps)


@as_call("native_layer_norm")
def _layer_norm(input, normalized_shape, weight, bias, eps):
    dims = _dims(input, normalized_shape)
    _same_shape("weight", weight, normalized_shape)
    _same_shape("bias", bias, normalized_shape)
    output, _, _ = standardized(input, dims, eps)
    output = output if weight is None else output * weight
    return output if bias is None else output + bias


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean(x^2) + eps) * weight: (*, shape) -> (*, shape); eps: that of the dtype.

    >>> import jitgrad as jg
    >>> rms_norm(jg.tensor([[3.0, 3.0]]), (2,), eps=0.0).tolist()
    [[1.0, 1.0]]
    """
    return _rms_norm(input, tuple(normalized_shape), weight, eps)


@as_call()
def _rms_norm(input, normalized_shape, weight, eps):
    dims = _dims(input, normalized_shape)
    _same_shape("weight", weight, normalized_shape)
    eps = jg.finfo(input.dtype).eps if eps is None else eps
    output = input * ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    return output if weight is None else output * weight


@explained
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x over its p-norm along `dim`, or over eps where that is larger.

    >>> import jitgrad as jg
    >>> normalize(jg.tensor([[0.0, 2.0]])).tolist()
    [[0.0, 1.0]]
    """
    output = _normalize(input, p, dim, eps)
    return output if out is None else out.copy_(output)


@as_call("div")
def _normalize(input, p, dim, eps):
    return input / input.norm(p, dim, keepdim=True).clamp_min(eps)

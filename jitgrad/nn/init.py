"""Initial values of parameters, written in place and returned; no gradient is recorded.

`orthogonal_` takes its decomposition from NumPy: it reads the drawn numbers on the host.
"""

import math
import warnings

import numpy as np

import jitgrad as jg

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d") + tuple(f"conv_transpose{n}d" for n in (1, 2, 3))


def calculate_gain(nonlinearity, param=None):
    """The factor by which a nonlinearity shrinks a standard deviation, inverted.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, int | float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fans(tensor):
    """(inputs, outputs) that one element of a weight (out, in, *kernel) connects."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform in [a, b).

    >>> import jitgrad as jg
    >>> t = uniform_(jg.empty(100), -2, 2)
    >>> bool((t >= -2).all()) and bool((t < 2).all())
    True
    """
    with jg.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal with a mean and a standard deviation.

    >>> import jitgrad as jg
    >>> abs(normal_(jg.empty(10000), 3.0, 0.5).mean().item() - 3) < 0.1
    True
    """
    with jg.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal, but within [a, b], by inverting the distribution function.

    >>> import jitgrad as jg
    >>> t = trunc_normal_(jg.empty(1000))
    >>> bool((t >= -2).all()) and bool((t <= 2).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    low, high = (math.erf((edge - mean) / (std * math.sqrt(2))) for edge in (a, b))
    with jg.no_grad():
        tensor.uniform_(low, high, generator=generator)
        value = _erfinv(tensor) * (std * math.sqrt(2)) + mean
        return tensor.copy_(value.clamp(min=a, max=b))


# M. Giles, "Approximating the erfinv function" (2010), single precision: relative error 3e-7.
_CENTRAL = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def _erfinv(x):
    """The inverse of erf inside (-1, 1)."""
    w = -((1 - x) * (1 + x)).log()
    near = w < 5
    return x * jg.where(near, _horner(_CENTRAL, w - 2.5), _horner(_TAIL, w.sqrt() - 3))


def _horner(coefficients, x):
    first, second, *rest = coefficients
    total = x * first + second
    for coefficient in rest:
        total = total * x + coefficient
    return total


def constant_(tensor, val):
    """The same value everywhere.

    >>> import jitgrad as jg
    >>> constant_(jg.empty(2), 0.5).tolist()
    [0.5, 0.5]
    """
    with jg.no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor):
    """The identity matrix, or as much of it as fits.

    >>> import jitgrad as jg
    >>> eye_(jg.empty(2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with jg.no_grad():
        return tensor.copy_(jg.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor, groups=1):
    """Convolutions that pass their inputs on: 1 at the kernel's centre, 0 elsewhere.

    >>> import jitgrad as jg
    >>> dirac_(jg.empty(1, 1, 3)).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    values = np.zeros(tuple(tensor.shape))
    centre = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    with jg.no_grad():
        return tensor.copy_(jg.tensor(values, dtype=tensor.dtype, device=tensor.device))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform with variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    modes = ("fan_in", "fan_out")
    if str(mode).lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    fan = _fans(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _empty(tensor):
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform with variance gain^2 / fan (He et al., 2015); `a`: leaky_relu's slope.

    >>> import jitgrad as jg
    >>> t = kaiming_uniform_(jg.empty(5, 6), nonlinearity="relu")
    >>> bool((t.abs() <= 1).all())
    True
    """
    if _empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with variance gain^2 / fan (He et al., 2015); `a`: leaky_relu's slope."""
    if _empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor, gain=1, generator=None):
    """A (semi-)orthogonal matrix (Saxe et al., 2013); further dimensions are joined.

    >>> import jitgrad as jg
    >>> q = orthogonal_(jg.empty(3, 3))
    >>> bool(((q @ q.t()) - jg.eye(3)).abs().max() < 1e-5)
    True
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = jg.randn(rows, columns, generator=generator, dtype=tensor.dtype).numpy()
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.where(np.diag(r) < 0, -1, 1).astype(q.dtype)  # uniform over all such matrices
    q = np.ascontiguousarray(q.T if rows < columns else q).reshape(tuple(tensor.shape))
    with jg.no_grad():
        return tensor.copy_(jg.tensor(q * q.dtype.type(gain), device=tensor.device))


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal, with a fraction `sparsity` of every column zero (Martens, 2010)."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    if tensor.is_meta:
        return tensor
    rows = tensor.shape[0]
    zeros = math.ceil(sparsity * rows)
    keep = np.ones(tuple(tensor.shape), dtype=np.float32)
    for column in range(tensor.shape[1]):
        keep[jg.randperm(rows, generator=generator).numpy()[:zeros], column] = 0
    with jg.no_grad():
        tensor.normal_(0, std, generator=generator)
        return tensor.mul_(jg.tensor(keep, dtype=tensor.dtype, device=tensor.device))

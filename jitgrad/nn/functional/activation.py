"""Activation functions; each (*) -> (*)."""

import math
import warnings

import jitgrad as jg
from jitgrad.frontend import as_call


def _inplace(input, result, inplace):
    return input.copy_(result) if inplace else result


def relu(input, inplace=False):
    """max(0, x).

    >>> import jitgrad as jg
    >>> relu(jg.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return input.relu_() if inplace else jg.relu(input)


def relu_(input):
    """`relu` written into its input."""
    return input.relu_()


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where x > 0, else negative_slope * x.

    >>> import jitgrad as jg
    >>> leaky_relu(jg.tensor([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    return _inplace(input, _leaky_relu(input, negative_slope), inplace)


@as_call("leaky_relu")
def _leaky_relu(input, negative_slope):
    return jg.where(input > 0, input, input * negative_slope)


def elu(input, alpha=1.0, inplace=False):
    """x where x > 0, else alpha * (exp(x) - 1).

    >>> import jitgrad as jg
    >>> elu(jg.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return _inplace(input, _elu(input, alpha), inplace)


@as_call("elu")
def _elu(input, alpha):
    # 0 where the other branch is taken: exp cannot overflow there. NaN is not replaced, so that
    # its gradient is NaN, too.
    above = input > 0
    return jg.where(above, input, jg.where(above, 0, input).expm1() * alpha)


def silu(input, inplace=False):
    """x * sigmoid(x).

    >>> import jitgrad as jg
    >>> silu(jg.zeros(1)).tolist()
    [0.0]
    """
    return _inplace(input, _silu(input), inplace)


@as_call("silu")
def _silu(input):
    return input * input.sigmoid()


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    >>> import jitgrad as jg
    >>> softplus(jg.tensor([30.0])).tolist()
    [30.0]
    """
    return jg.softplus(input, beta, threshold)


def tanh(input):
    """Hyperbolic tangent.

    >>> import jitgrad as jg
    >>> tanh(jg.zeros(1)).tolist()
    [0.0]
    """
    return jg.tanh(input)


def sigmoid(input):
    """1 / (1 + exp(-x)).

    >>> import jitgrad as jg
    >>> sigmoid(jg.zeros(1)).tolist()
    [0.5]
    """
    return jg.sigmoid(input)


@as_call("gelu")
def gelu(input, approximate="none"):
    """x * cdf(x) of the normal distribution; "tanh": by a formula with tanh instead of erf.

    >>> import jitgrad as jg
    >>> gelu(jg.zeros(1)).tolist()
    [0.0]
    """
    if approximate == "none":
        return input * 0.5 * ((input * math.sqrt(0.5)).erf() + 1)
    if approximate == "tanh":
        # (1 + tanh(u)) / 2 as sigmoid(2 u), which loses no digits where tanh is near -1.
        scale = math.sqrt(8 / math.pi)
        return input * (input * (input * input * (0.044715 * scale) + scale)).sigmoid()
    raise RuntimeError("approximate argument must be either none or tanh.")


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) over its sum along `dim`.

    >>> import jitgrad as jg
    >>> softmax(jg.zeros(2), dim=0).tolist()
    [0.5, 0.5]
    """
    dim = _implicit_dim("softmax", input, dim, _stacklevel)
    return jg.softmax(input, dim, dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax, computed without overflow.

    >>> import jitgrad as jg
    >>> log_softmax(jg.zeros(1), dim=0).tolist()
    [0.0]
    """
    dim = _implicit_dim("log_softmax", input, dim, _stacklevel)
    return jg.log_softmax(input, dim, dtype)


def _implicit_dim(name, input, dim, stacklevel):
    """PyTorch's choice, with its warning, where no dim is given."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.dim() in (0, 1, 3) else 1

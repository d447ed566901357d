"""Normalisation layers over the last dimensions: `LayerNorm`, `RMSNorm`."""

import numbers

import jitgrad as jg
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter


class _Norm(Module):
    """What both have: the shape, eps and a weight of ones."""

    def __init__(self, normalized_shape, eps, elementwise_affine, device, dtype):
        super().__init__()
        if isinstance(normalized_shape, numbers.Integral):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._add("weight", elementwise_affine, device, dtype)

    def _add(self, name, wanted, device, dtype):
        value = jg.empty(self.normalized_shape, device=device, dtype=dtype) if wanted else None
        self.register_parameter(name, None if value is None else Parameter(value))

    def reset_parameters(self):
        """The weight to ones, the bias to zeros."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def extra_repr(self):
        """The shape, eps and whether there is a weight."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LayerNorm(_Norm):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions.

    >>> import jitgrad as jg
    >>> jg.nn.LayerNorm(2, eps=0)(jg.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__(normalized_shape, eps, elementwise_affine, device, dtype)
        self._add("bias", elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self):
        """The weight to ones, the bias to zeros."""
        super().reset_parameters()
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        """(*, normalized_shape) -> (*, normalized_shape)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        """As PyTorch prints it, the bias included."""
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class RMSNorm(_Norm):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions.

    >>> import jitgrad as jg
    >>> jg.nn.RMSNorm(2, eps=0)(jg.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        super().__init__(normalized_shape, eps, elementwise_affine, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        """(*, normalized_shape) -> (*, normalized_shape)."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

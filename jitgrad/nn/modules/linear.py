"""Affine layers: `Identity`, `Linear`."""

import math

import jitgrad as jg
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter


class Identity(Module):
    """Returns its input; takes and ignores any argument, so that it can stand for any layer.

    >>> import jitgrad as jg
    >>> jg.nn.Identity(54)(jg.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        """(*) -> (*)."""
        return input


class Linear(Module):
    """y = x A^T + b: (*, in_features) -> (*, out_features).

    >>> import jitgrad as jg
    >>> layer = jg.nn.Linear(3, 2)
    >>> layer, tuple(layer(jg.ones(5, 3)).shape)
    (Linear(in_features=3, out_features=2, bias=True), (5, 2))
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        options = {"device": device, "dtype": dtype}
        self.weight = Parameter(jg.empty((out_features, in_features), **options))
        if bias:
            self.bias = Parameter(jg.empty(out_features, **options))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Uniform in ±1/sqrt(in_features), the weight by He's rule with a = sqrt(5)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        """(*, in_features) -> (*, out_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        """The sizes and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

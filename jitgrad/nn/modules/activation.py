"""Activation layers, each the function of its name in `nn.functional`."""

from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module


class ReLU(Module):
    """max(0, x).

    >>> import jitgrad as jg
    >>> jg.nn.ReLU()(jg.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """(*) -> (*)."""
        return F.relu(input, inplace=self.inplace)

    def extra_repr(self):
        """Only `inplace`."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x, or negative_slope * x below 0.

    >>> import jitgrad as jg
    >>> jg.nn.LeakyReLU(0.5)(jg.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        """(*) -> (*)."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self):
        """The slope, `inplace` if so."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """x, or alpha * (exp(x) - 1) below 0.

    >>> import jitgrad as jg
    >>> jg.nn.ELU(alpha=2.0)(jg.tensor([0.0, 3.0])).tolist()
    [0.0, 3.0]
    """

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        """(*) -> (*)."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self):
        """Alpha, `inplace` if so."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SiLU(Module):
    """x * sigmoid(x).

    >>> import jitgrad as jg
    >>> jg.nn.SiLU()(jg.zeros(2)).tolist()
    [0.0, 0.0]
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """(*) -> (*)."""
        return F.silu(input, inplace=self.inplace)

    def extra_repr(self):
        """Only `inplace`."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """x times the normal distribution's cdf at x; `approximate`: "none" or "tanh".

    >>> import jitgrad as jg
    >>> jg.nn.GELU("tanh")(jg.zeros(2)).tolist()
    [0.0, 0.0]
    """

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        """(*) -> (*)."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        """Which formula."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold.

    >>> import jitgrad as jg
    >>> jg.nn.Softplus()(jg.tensor([50.0])).tolist()
    [50.0]
    """

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        """(*) -> (*)."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        """Both numbers."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """Hyperbolic tangent.

    >>> import jitgrad as jg
    >>> jg.nn.Tanh()(jg.zeros(2)).tolist()
    [0.0, 0.0]
    """

    def forward(self, input):
        """(*) -> (*)."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    >>> import jitgrad as jg
    >>> jg.nn.Sigmoid()(jg.zeros(2)).tolist()
    [0.5, 0.5]
    """

    def forward(self, input):
        """(*) -> (*)."""
        return F.sigmoid(input)


class Softmax(Module):
    """exp(x) over its sum along `dim`.

    >>> import jitgrad as jg
    >>> jg.nn.Softmax(dim=1)(jg.zeros(1, 2)).tolist()
    [[0.5, 0.5]]
    """

    _function = staticmethod(F.softmax)

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        """(*) -> (*)."""
        return self._function(input, self.dim, _stacklevel=5)

    def extra_repr(self):
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of Softmax.

    >>> import jitgrad as jg
    >>> jg.nn.LogSoftmax(dim=0)(jg.zeros(1)).tolist()
    [0.0]
    """

    _function = staticmethod(F.log_softmax)

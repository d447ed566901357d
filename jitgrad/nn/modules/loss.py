"""Loss layers, each the function of its name in `nn.functional`.

`reduction` is "mean", "sum" or "none"; `size_average` and `reduce` are PyTorch's old spelling.
"""

from jitgrad.nn import functional as F
from jitgrad.nn.functional._reduction import legacy
from jitgrad.nn.modules.module import Module


class _Loss(Module):
    """Holds `reduction`."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.reduction = legacy(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    """Holds `reduction` and a weight for each class or element."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """(input - target)^2.

    >>> import jitgrad as jg
    >>> jg.nn.MSELoss()(jg.tensor([1.0, 3.0]), jg.zeros(2)).item()
    5.0
    """

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|.

    >>> import jitgrad as jg
    >>> jg.nn.L1Loss()(jg.tensor([1.0, -3.0]), jg.zeros(2)).item()
    2.0
    """

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared below beta, linear above.

    >>> import jitgrad as jg
    >>> jg.nn.SmoothL1Loss()(jg.tensor([1.0, -3.0]), jg.zeros(2)).item()
    1.5
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Half the square up to delta, linear above.

    >>> import jitgrad as jg
    >>> jg.nn.HuberLoss(delta=2.0)(jg.tensor([1.0, -3.0]), jg.zeros(2)).item()
    2.25
    """

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of `target` from log-probabilities `input`.

    >>> import jitgrad as jg
    >>> loss = jg.nn.KLDivLoss(reduction="batchmean")
    >>> round(loss(jg.tensor([[0.25, 0.75]]).log(), jg.tensor([[0.5, 0.5]])).item(), 4)
    0.1438
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input, target):
        """(*), (*) -> scalar, or (*)."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the target class.

    >>> import jitgrad as jg
    >>> jg.nn.NLLLoss()(jg.tensor([[-1.0, -2.0]]), jg.tensor([1])).item()
    2.0
    """

    def __init__(
        self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        """(N, C, d1, ...), (N, d1, ...) -> scalar or (N, d1, ...)."""
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_WeightedLoss):
    """NLLLoss of log_softmax; targets are classes or probabilities.

    >>> import jitgrad as jg
    >>> loss = jg.nn.CrossEntropyLoss()(jg.zeros(2, 4), jg.tensor([1, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
        label_smoothing=0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        """(N, C, d1, ...), (N, d1, ...) or (N, C, d1, ...) -> scalar or (N, d1, ...)."""
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCELoss(_WeightedLoss):
    """Cross entropy of probabilities of two classes.

    >>> import jitgrad as jg
    >>> round(jg.nn.BCELoss()(jg.tensor([0.5]), jg.tensor([1.0])).item(), 4)
    0.6931
    """

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(input), computed without overflow.

    >>> import jitgrad as jg
    >>> round(jg.nn.BCEWithLogitsLoss()(jg.zeros(1), jg.ones(1)).item(), 4)
    0.6931
    """

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        """(*), (*) -> scalar or (*)."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )

"""Batch norm layers: `BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`."""

import jitgrad as jg
from jitgrad.frontend import explained
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter

_COUNT = "num_batches_tracked"


@explained
def _batch_norm(input, dims):
    """Refuse an input that has another number of dimensions."""
    if input.ndim not in dims:
        expected = " or ".join(f"{n}D" for n in dims)
        raise ValueError(f"expected {expected} input (got {input.ndim}D input)")


class _BatchNorm(Module):
    """What the three have in common; they differ in the shapes they take."""

    _version = 2  # PyTorch's first version counted no batches
    _dims: tuple[int, ...] = ()  # numbers of dimensions that an input may have

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        options = {"device": device, "dtype": dtype}

        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(jg.empty(num_features, **options)) if wanted else None
            self.register_parameter(name, value)
        tracked = track_running_stats
        self.register_buffer("running_mean", jg.zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", jg.ones(num_features, **options) if tracked else None)
        count = jg.tensor(0, dtype=jg.int64, device=device) if tracked else None
        self.register_buffer(_COUNT, count)
        self.reset_parameters()

    def reset_running_stats(self):
        """Means of zero, variances of one, no batch seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """The weight to ones, the bias to zeros, the running statistics as if no batch was seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        """(N, C, *) -> (N, C, *)."""
        _batch_norm(input, self._dims)
        mean, var = self.running_mean, self.running_var
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and not self.track_running_stats:
            mean = var = None
        elif self.training and self.num_batches_tracked is not None:
            with jg.no_grad():
                self.num_batches_tracked.add_(1)
                if self.momentum is None:  # the mean over all batches; a tensor, so nothing waits
                    momentum = 1.0 / self.num_batches_tracked.to(input.dtype)
        training = self.training or (mean is None and var is None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)

    def extra_repr(self):
        """The settings as PyTorch prints them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *lists):
        version = local_metadata.get("version")
        if self.track_running_stats and (version is None or version < 2):
            count = self.num_batches_tracked
            if count is None:
                count = jg.tensor(0, dtype=jg.int64)
            state_dict.setdefault(prefix + _COUNT, count)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L): in training by the batch, else by the running moments.

    >>> import jitgrad as jg
    >>> layer = jg.nn.BatchNorm1d(1, eps=1e-9)
    >>> layer(jg.tensor([[1.0], [3.0]])).tolist(), layer.running_mean.tolist()
    ([[-1.0], [1.0]], [0.20000000298023224])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of (N, C, H, W).

    >>> import jitgrad as jg
    >>> jg.nn.BatchNorm2d(3)(jg.ones(2, 3, 4, 4)).abs().max().item()
    0.0
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of (N, C, D, H, W).

    >>> import jitgrad as jg
    >>> tuple(jg.nn.BatchNorm3d(3)(jg.ones(2, 3, 2, 4, 4)).shape)
    (2, 3, 2, 4, 4)
    """

    _dims = (5,)

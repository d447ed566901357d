"""PyTorch's `nn.functional`: activations, normalisation, losses as plain tensor operations.

Each is composed of elementwise operations, reductions and matmul, which the compiler fuses.
"""

from jitgrad.frontend.arranging import pad
from jitgrad.nn.functional.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    relu_,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from jitgrad.nn.functional.batchnorm import batch_norm
from jitgrad.nn.functional.classification import cross_entropy, nll_loss
from jitgrad.nn.functional.dense import dropout, linear
from jitgrad.nn.functional.normalization import layer_norm, normalize, rms_norm
from jitgrad.nn.functional.regression import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from jitgrad.nn.functional.sparse import (
    embedding,
    embedding_padding,
    embedding_refuse,
    one_hot,
)

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "embedding_padding",
    "embedding_refuse",
    "gelu",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu_",
    "rms_norm",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

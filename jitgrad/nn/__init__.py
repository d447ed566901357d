"""PyTorch's `nn` room: Modules, their functions (`functional`), initial values (`init`), `utils`.

Everything is written with the public Tensor API; nothing here knows how a tensor is computed.
"""

from jitgrad.nn import functional, init, modules, parameter, utils
from jitgrad.nn.modules import *  # noqa: F403
from jitgrad.nn.parameter import Buffer, Parameter

__all__ = [
    *modules.__all__,
    "Buffer",
    "Parameter",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]

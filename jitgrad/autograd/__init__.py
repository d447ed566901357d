"""PyTorch's `autograd`: gradients of recorded operations.

Job: `backward`, `grad`, gradient modes, `Function`, gradient checks. Entry: those names. May
import: the front end.
"""

from jitgrad.autograd.checks import gradcheck, gradgradcheck
from jitgrad.autograd.function import Function
from jitgrad.frontend.gradients import backward, grad
from jitgrad.frontend.modes import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)

set_grad_mode = set_grad_enabled

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_grad_mode",
]

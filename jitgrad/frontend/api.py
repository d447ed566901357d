"""Everything public at the top level of `jitgrad`.

Entry: `from jitgrad.frontend.api import *`. Imports: the front end.
"""

from __future__ import annotations

from typing import Any

from jitgrad.frontend import (
    arguments,
    compiling,
    creation,
    draws,
    modes,
    pending,
    printing,
    repeating,
)
from jitgrad.frontend.methods import FUNCTIONS
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.types import DTYPES, Size, device, finfo, iinfo
from jitgrad.ir.dtype import DType as dtype

_CREATION = [
    "tensor", "as_tensor", "asarray", "from_numpy", "from_dlpack", "zeros", "ones", "empty", "full",
    "zeros_like", "ones_like", "empty_like", "full_like", "arange", "linspace", "logspace", "eye",
    "scalar_tensor", "get_default_dtype", "set_default_dtype",
]  # fmt: skip
_DRAWS = [
    "Generator", "manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state",
    "default_generator", "rand", "randn", "rand_like", "randn_like", "randint", "randperm",
    "normal",
]  # fmt: skip
_MODES = [
    "no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "set_mode", "get_mode", "mode",
]  # fmt: skip

inf = float("inf")
nan = float("nan")
pi = 3.141592653589793
e = 2.718281828459045
newaxis = None


def _names() -> dict[str, Any]:
    out: dict[str, Any] = {**FUNCTIONS, **DTYPES}
    for module, names in ((creation, _CREATION), (draws, _DRAWS), (modes, _MODES)):
        out |= {n: getattr(module, n) for n in names}
    out |= {n: getattr(pending, n) for n in ("flush_all", "soft_flush")}
    out |= {
        "compile": compiling.compile, "scan": repeating.scan, "Tensor": Tensor, "Size": Size,
        "device": device,
        "finfo": finfo, "iinfo": iinfo,
        "dtype": dtype, "set_printoptions": printing.set_printoptions, "strided": arguments.strided,
        "contiguous_format": arguments.contiguous_format,
        "preserve_format": arguments.preserve_format, "inf": inf, "nan": nan, "pi": pi, "e": e,
        "newaxis": newaxis,
    }  # fmt: skip
    return out


PUBLIC = _names()
globals().update(PUBLIC)
__all__ = list(PUBLIC)

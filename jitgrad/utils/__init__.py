"""PyTorch's `utils` room: `utils.checkpoint`, `utils.data` (datasets and loaders), `utils.hooks`.

All but `checkpoint` uses the public Tensor API only.
"""

from jitgrad.utils import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]

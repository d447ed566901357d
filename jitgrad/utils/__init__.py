"""PyTorch's `utils` room: `utils.data` (datasets and loaders) and `utils.hooks`.

Uses the public Tensor API only.
"""

from jitgrad.utils import data, hooks

__all__ = ["data", "hooks"]

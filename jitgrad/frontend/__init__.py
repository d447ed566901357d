"""What the user holds and how it is recorded: Tensor, storages, the tape, modes.

Job: PyTorch's Tensor over the recorded graph. Entry: `Tensor`, `api`. May import: ir, ops, runtime.
"""

from jitgrad.frontend.indexing import checked_index
from jitgrad.frontend.methods import FUNCTIONS
from jitgrad.frontend.pending import flush_all, soft_flush
from jitgrad.frontend.tensor import Tensor

__all__ = ["FUNCTIONS", "Tensor", "checked_index", "flush_all", "soft_flush"]

"""What the user holds and how it is recorded: Tensor, storages, the tape, modes.

Job: PyTorch's Tensor over the recorded graph. Entry: `Tensor`, `api`. May import: ir, ops, runtime.
"""

from jitgrad.frontend.composing import as_call, composed
from jitgrad.frontend.expecting import explained
from jitgrad.frontend.indexing import checked_index
from jitgrad.frontend.methods import FUNCTIONS
from jitgrad.frontend.pending import flush_all, soft_flush
from jitgrad.frontend.recovery import undo
from jitgrad.frontend.ruling import ruled
from jitgrad.frontend.tensor import Tensor
from jitgrad.frontend.types import slot

__all__ = [
    "FUNCTIONS",
    "Tensor",
    "checked_index",
    "as_call",
    "composed",
    "explained",
    "flush_all",
    "ruled",
    "slot",
    "soft_flush",
    "undo",
]

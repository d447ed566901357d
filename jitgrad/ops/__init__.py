"""What can be computed: every primitive, each in one entry.

Job: the op table. Entry: `OPS` (by name) or the recorders themselves (`ops.tanh(x)`), which take
Nodes or Tensors. May import: ir.
"""

from jitgrad.ir.op import OPS
from jitgrad.ops.elementwise import *  # noqa: F403
from jitgrad.ops.library import *  # noqa: F403
from jitgrad.ops.movement import *  # noqa: F403
from jitgrad.ops.reduction import *  # noqa: F403
from jitgrad.ops.source import *  # noqa: F403

__all__ = ["OPS"]

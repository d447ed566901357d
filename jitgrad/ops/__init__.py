"""What can be computed: every primitive, each in one entry.

Job: the op table. Entry: `OPS` (by name) and `FUNCTIONS`/`OPERATORS`, the table that makes the
public API; `ops.tanh(x)` finds a function there, on Nodes or Tensors. May import: ir.
"""

from typing import Any

from jitgrad.ir.op import OPS
from jitgrad.ops.methods import FUNCTIONS, OPERATORS, RECORDERS

__all__ = ["FUNCTIONS", "OPERATORS", "OPS", "RECORDERS"]


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no op {name!r}") from None

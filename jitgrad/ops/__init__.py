"""What can be computed: every primitive, each in one entry.

Job: the op table. Entry: `OPS` (by name) and `FUNCTIONS`/`OPERATORS`, the table that makes the
public API; `ops.tanh(x)` finds a function or a recorder, on Nodes or Tensors. May import: ir.
"""

from typing import Any

from jitgrad.ir.op import OPS
from jitgrad.ops.methods import FUNCTIONS, OPERATORS, RECORDERS

__all__ = ["FUNCTIONS", "OPERATORS", "OPS", "RECORDERS"]


def __getattr__(name: str) -> Any:
    found: Any = RECORDERS.get(name.removesuffix("_"))  # sum_, abs_: where Python has the name
    if not name.endswith("_"):
        found = FUNCTIONS.get(name, found)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no op {name!r}")
    return found

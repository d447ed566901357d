"""What can be computed: every primitive, each in one entry.

Job: the op table. Entry: `OPS` (by name) and `FUNCTIONS`/`OPERATORS`, the table that makes the
public API; `ops.tanh(x)` finds a function there, on Nodes or Tensors. May import: ir.
"""

from typing import Any

from jitgrad.ir.op import OPS
from jitgrad.ops import source as _source  # noqa: F401  (registers the leaves)
from jitgrad.ops.methods import FUNCTIONS, OPERATORS

__all__ = ["FUNCTIONS", "OPERATORS", "OPS"]


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no op {name!r}") from None

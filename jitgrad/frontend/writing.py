"""What a write through a view does to its storage, and the Edge it leaves.

Entry: `put`, `written_edge`. Imports: ir.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from jitgrad.frontend import pending
from jitgrad.frontend.rules import UNUSED, Rule, rule_for
from jitgrad.frontend.state import local
from jitgrad.frontend.storage import Storage
from jitgrad.frontend.tape import Edge, Leaf, passing
from jitgrad.frontend.views import Chain, invert, numpy_view, replay
from jitgrad.ir.dtype import DType
from jitgrad.ir.node import Node, Shape
from jitgrad.ir.op import OPS
from jitgrad.ops.fill import zeros_of


def put(storage: Storage, chain: Chain, value: Node, site: Any) -> None:
    """Replace the elements that `chain` selects; memory of NumPy is written at once."""
    base = storage.node
    if base is None:
        capture = local.state.capture
        if capture is not None:
            capture.write_external(storage, chain, value, site)
            return
        pending.flush((value,))
        np.copyto(numpy_view(storage.external, chain), value.array())
        return
    if base.realised:
        storage.settled = ref(base)
    if not chain:
        storage.node = value
    else:
        back = invert(chain, base.shape)
        if back is not None:  # the view covers its storage: nothing of the old value stays
            storage.node = replay(value, back, site)
        else:
            storage.node = Node(
                OPS["write"], (base, value), (chain,), base.shape, base.dtype, base.device, site
            )


_NOTHING = Rule(lambda g, *_: zeros_of(g, g), (), UNUSED)  # of a value that was overwritten


def written_edge(
    shape: Shape, dtype: DType, chain: Chain, old: Any, value: Any, site: Any
) -> Edge | None:
    """The history of a storage of `shape` after a write: of what stayed and of the value."""
    if not chain:
        if type(value) is Leaf:  # what was written to is a copy of the leaf, no leaf itself
            value = passing(value, shape, dtype)
            value.label, value.site = "copy", site
        return value or Edge("fill", _NOTHING, (old,), (), shape, dtype, site)
    stays = old is not None and invert(chain, shape) is None
    wanted = stays * 1 | (value is not None) * 2
    if not wanted:
        return Edge("fill", _NOTHING, (old,), (), shape, dtype, site)
    op = OPS["write"]
    inputs = (old if stays else None, value)
    edge = Edge("copy_slices", rule_for(op, wanted), inputs, (chain,), shape, dtype, site)
    part = shape
    for name, attrs in chain:
        part = OPS[name].shape(part, *attrs)
    edge.saved = (None, None, (part, dtype))
    return edge

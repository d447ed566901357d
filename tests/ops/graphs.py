"""Graphs in tests: leaves over arrays, reverse mode over Nodes, central differences."""

import numpy as np

from jitgrad.ir import dtype as dt
from jitgrad.ir.apply import buffer
from jitgrad.ir.evaluate import evaluate
from jitgrad.ir.node import walk
from jitgrad.ops.fill import full_of, zeros_of


class Memory:
    """What a realised node's `data` must offer."""

    def __init__(self, array):
        self.array = np.array(array, order="C").reshape(-1).view(np.uint8)


def leaf(array):
    """A realised node holding `array`."""
    array = np.asarray(array)
    return buffer(Memory(array), array.shape, dt.BY_NUMPY[array.dtype])


def value(node):
    """The node's values by the oracle."""
    return evaluate([node])[0]


def gradients(out, leaves, seed=None):
    """The gradient nodes of `out` (weighted by `seed`) with respect to `leaves`."""
    grads = {id(out): full_of(1, out) if seed is None else seed}
    for node in reversed(walk([out])):
        g = grads.get(id(node))
        if g is None or not node.inputs or node.op.gradient is None:
            continue
        parts = node.op.gradient(g, node, *node.inputs, *node.attrs)
        if len(node.inputs) == 1 and not isinstance(parts, tuple):
            parts = (parts,)
        assert len(parts) == len(node.inputs), f"{node.op}: one gradient per operand"
        for x, part in zip(node.inputs, parts, strict=True):
            if part is None or x.dtype.kind != "f":
                continue
            assert part.shape == x.shape, f"{node.op}: {part.shape} for an operand {x.shape}"
            assert part.dtype is x.dtype, f"{node.op}: {part.dtype} for an operand {x.dtype}"
            before = grads.get(id(x))
            grads[id(x)] = part if before is None else before + part
    return [grads.get(id(x), None) or zeros_of(x) for x in leaves]


def numeric(fn, arrays, weights, step=1e-6):
    """Central differences of sum(fn(*arrays) * weights) with respect to each array."""
    out = []
    for k, array in enumerate(arrays):
        slope = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[k][at] += sign * step
                ends.append((value(fn(*map(leaf, moved))) * weights).sum())
            slope[at] = (ends[0] - ends[1]) / (2 * step)
        out.append(slope)
    return out


def check_gradient(fn, arrays, order=2, rtol=2e-5, atol=1e-6):
    """First and second order gradients of `fn` on float64 arrays against central differences."""
    rng = np.random.default_rng(7)
    arrays = [np.asarray(a, np.float64) for a in arrays]
    weights = rng.uniform(0.5, 1.5, fn(*map(leaf, arrays)).shape)

    def first(*nodes):
        return gradients(fn(*nodes), nodes, leaf(weights))

    got = [value(g) for g in first(*map(leaf, arrays))]
    want = numeric(fn, arrays, weights)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol, atol)
    if order < 2:
        return
    for k in range(len(arrays)):
        mix = rng.uniform(0.5, 1.5, arrays[k].shape)

        def slope(*nodes, k=k):
            return first(*nodes)[k]

        nodes = [leaf(a) for a in arrays]
        got = [value(g) for g in gradients(slope(*nodes), nodes, leaf(mix))]
        want = numeric(slope, arrays, mix)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol, atol * 10, err_msg=f"second order, operand {k}")

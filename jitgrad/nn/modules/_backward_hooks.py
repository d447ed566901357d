"""Full backward hooks of one call of a Module, built from tensor hooks; entry `BackwardHooks`.

The differentiable inputs pass through one alias each (several are joined into one flat tensor and
split again, so that their gradients arrive together); a tensor hook there sees grad_input, one on
the aliased outputs grad_output. An output that nothing uses has a gradient of zeros, where PyTorch
passes None.
"""

import math
from typing import Any

import jitgrad as jg
from jitgrad.frontend import Tensor


class BackwardHooks:
    """One call: `enter(args)` before forward, `leave(result)` after it."""

    def __init__(self, module):
        self._module = module
        self._hooks = list(module._backward_hooks.values())
        self._pre_hooks = list(module._backward_pre_hooks.values())
        self._grad_output = None
        self._inputs: Any = None  # places of the inputs a gradient comes back for

    def enter(self, args):
        """The arguments with an alias in the place of each tensor that requires grad."""
        if not self._hooks:
            return args
        self._inputs = _Places(args)
        return self._inputs.alias(args, self._input_hook) if self._inputs else args

    def leave(self, result):
        """The result with an alias in the place of each tensor that requires grad."""
        single = not isinstance(result, tuple)
        if not isinstance(result, tuple | Tensor):
            raise NotImplementedError(
                "full backward hooks need forward to return a Tensor or a tuple of Tensors, "
                f"not {type(result).__name__}"
            )
        results: Any = (result,) if single else result
        self._outputs = _Places(results)
        if self._outputs:
            results = self._outputs.alias(results, self._output_hook)
        return results[0] if single else results

    def _output_hook(self, grads):
        grad_output = self._outputs.spread(grads)
        for hook in self._pre_hooks:
            changed = hook(self._module, grad_output)
            if changed is not None:
                grad_output = _as_tuple(changed, grad_output, "Backward pre hook", "grad_output")
        if self._hooks:
            self._grad_output = grad_output
        if self._inputs is not None and not self._inputs:
            self._run((None,) * self._inputs.count)
        return self._outputs.pick(grad_output)

    def _input_hook(self, grads):
        if self._grad_output is None:  # the gradient came by a way around the outputs
            return grads
        return self._inputs.pick(self._run(self._inputs.spread(grads)))

    def _run(self, grad_input):
        for hook in self._hooks:
            changed = hook(self._module, grad_input, self._grad_output)
            if changed is not None:
                grad_input = _as_tuple(changed, grad_input, "Backward hook", "grad_input")
        self._grad_output = None
        return grad_input


class _Places:
    """Where in a tuple the tensors that require grad stand."""

    def __init__(self, values):
        self.count = len(values)
        grad = jg.is_grad_enabled()
        self._at = [
            i for i, v in enumerate(values) if grad and isinstance(v, Tensor) and v.requires_grad
        ]

    def __len__(self):
        return len(self._at)

    def alias(self, values, hook):
        """`values` with aliases; `hook(list of gradients)` may return replacements."""
        tensors = [values[i] for i in self._at]
        if len(tensors) == 1:
            aliases = [tensors[0].view_as(tensors[0])]
            aliases[0].register_hook(lambda grad: hook([grad])[0])
        else:
            aliases = _join(tensors, hook)
        values = list(values)
        for i, tensor in zip(self._at, aliases, strict=True):
            values[i] = tensor
        return tuple(values)

    def spread(self, grads):
        """The gradients in their places, None elsewhere."""
        full = [None] * self.count
        for i, grad in zip(self._at, grads, strict=True):
            full[i] = grad
        return tuple(full)

    def pick(self, full):
        """The gradients out of their places."""
        return [full[i] for i in self._at]


def _join(tensors, hook):
    """Aliases of several tensors whose gradients pass `hook` together."""
    if len({tensor.dtype for tensor in tensors}) > 1:
        raise NotImplementedError("full backward hooks over tensors of several dtypes")
    shapes = [tuple(tensor.shape) for tensor in tensors]
    sizes = [math.prod(shape) for shape in shapes]
    flat = jg.cat([tensor.reshape(-1) for tensor in tensors])

    def flat_hook(grad):
        grads = [g.reshape(s) for g, s in zip(grad.split(sizes), shapes, strict=True)]
        return jg.cat([g.reshape(-1) for g in hook(grads)])

    flat.register_hook(flat_hook)
    return [part.reshape(s) for part, s in zip(flat.split(sizes), shapes, strict=True)]


def _as_tuple(changed, old, who, what):
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(old):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(changed)}, "
            f"but expected {len(old)}"
        )
    return changed

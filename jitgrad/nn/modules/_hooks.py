"""Hooks around `forward`, and calling a Module. Base of Module."""

import sys
import warnings

from jitgrad.nn.modules import _backward_hooks
from jitgrad.nn.modules._registry import Registry
from jitgrad.utils.hooks import RemovableHandle


class Hooks(Registry):
    """Registration of hooks, and `__call__`, which runs them."""

    def _add_hook(self, hooks, hook, prepend=False, marks=()):
        handle = RemovableHandle(hooks, marks, self._bump)
        hooks[handle.id] = hook
        if prepend:
            for key in [key for key in hooks if key != handle.id]:
                hooks[key] = hooks.pop(key)
        for mark in marks:
            mark[handle.id] = True
        self._bump()
        return handle

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """`hook(module, args)` before forward; what it returns replaces the arguments.

        `with_kwargs`: `hook(module, args, kwargs)` returns None or `(args, kwargs)`.
        """
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return self._add_hook(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """`hook(module, args, output)` after forward; what it returns replaces the output.

        `with_kwargs`: `hook(module, args, kwargs, output)`. `always_call`: also if forward raises.

        >>> import jitgrad as jg
        >>> relu, shapes = jg.nn.ReLU(), []
        >>> handle = relu.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape)))
        >>> _ = relu(jg.zeros(2, 3))
        >>> handle.remove()
        >>> shapes
        [(2, 3)]
        """
        marks = [self._forward_hooks_with_kwargs] if with_kwargs else []
        marks += [self._forward_hooks_always_called] if always_call else []
        return self._add_hook(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """`hook(module, grad_output)` before the gradient passes the module; may replace it."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """`hook(module, grad_input, grad_output)` once both are known; may replace grad_input."""
        return self._add_hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook):
        """Not supported: its gradients were wrong for modules of several operations."""
        raise NotImplementedError("register_backward_hook: use register_full_backward_hook")

    def __call__(self, *args, **kwargs):
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        ):
            return self._call_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_hooked(self, args, kwargs):
        called = set()
        try:
            args, kwargs = self._run_pre_hooks(args, kwargs)
            backward = None
            if self._backward_hooks or self._backward_pre_hooks:
                backward = _backward_hooks.BackwardHooks(self)
                args = backward.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook in list(self._forward_hooks.items()):
                called.add(key)
                changed = self._run_hook(key, hook, args, kwargs, result)
                result = result if changed is None else changed
            return result if backward is None else backward.leave(result)
        except Exception:
            self._run_always_called(called, args, kwargs)
            raise

    def _run_pre_hooks(self, args, kwargs):
        for key, hook in list(self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}."
                    )
                args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs

    def _run_hook(self, key, hook, args, kwargs, result):
        if key in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _run_always_called(self, called, args, kwargs):
        """Forward or a hook raised: run the hooks that asked to see that; theirs only warn."""
        raised = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        for key, hook in list(self._forward_hooks.items()):
            if key in called or key not in self._forward_hooks_always_called:
                continue
            try:
                self._run_hook(key, hook, args, kwargs, None)
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    "silenced as another error was raised in forward: "
                    f"{error!s} (after {raised!r})",
                    stacklevel=4,
                )

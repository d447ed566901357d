"""Saving, loading and hooks of an optimizer. Base of `Optimizer`."""

from collections import defaultdict
from itertools import chain
from typing import Any

import jitgrad as jg
from jitgrad.frontend.hostscalar import refuse
from jitgrad.optim.param_group import ParamGroup
from jitgrad.utils.hooks import OrderedHooks, RemovableHandle


class StateDict:
    """`state_dict` and `load_state_dict`: parameters are numbered in the order of the groups."""

    def __init__(self):
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[ParamGroup] = []
        self._step_pre_hooks = OrderedHooks()
        self._step_post_hooks = OrderedHooks()
        self._state_dict_pre_hooks = OrderedHooks()
        self._state_dict_post_hooks = OrderedHooks()
        self._load_state_dict_pre_hooks = OrderedHooks()
        self._load_state_dict_post_hooks = OrderedHooks()

    def _add_hook(self, hooks, hook, prepend=False):
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            for key in [key for key in hooks if key != handle.id]:
                hooks[key] = hooks.pop(key)
        return handle

    def register_step_pre_hook(self, hook):
        """`hook(optimizer, args, kwargs)` before a step; may return new (args, kwargs)."""
        return self._add_hook(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """`hook(optimizer, args, kwargs)` after a step."""
        return self._add_hook(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """`hook(optimizer)` before state_dict."""
        return self._add_hook(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """`hook(optimizer, state_dict)` after state_dict; may return another."""
        return self._add_hook(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """`hook(optimizer, state_dict)` before loading; may return another."""
        return self._add_hook(self._load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """`hook(optimizer)` after loading."""
        return self._add_hook(self._load_state_dict_post_hooks, hook, prepend)

    def state_dict(self):
        """{"state": {number: ...}, "param_groups": [...]}; its tensors are the live ones.

        >>> import jitgrad as jg
        >>> optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=0.5)
        >>> optimizer.state_dict()["param_groups"][0]["params"]
        [0]
        """
        refuse("state_dict() of an optimizer")
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self)
        params = list(chain.from_iterable(group["params"] for group in self.param_groups))
        number = {id(param): i for i, param in enumerate(params)}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [number[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            number.get(id(key), key) if isinstance(key, jg.Tensor) else key: dict(value)
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in list(self._state_dict_post_hooks.values()):
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict):
        """Take back what `state_dict` gave, PyTorch's own included; tensors are copied."""
        state_dict = dict(state_dict)
        for hook in list(self._load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        pairs = list(zip(self.param_groups, saved, strict=True))
        if any(len(own["params"]) != len(given["params"]) for own, given in pairs):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        param_of: dict[Any, Any] = {}
        for own, given in pairs:
            param_of.update(zip(given["params"], own["params"], strict=True))
        self.state.clear()
        for key, value in state_dict["state"].items():
            if key in param_of:
                self.state[param_of[key]] = _copy_state(value, param_of[key])
            else:
                self.state[key] = value
        self.param_groups = [_merge(own, given) for own, given in pairs]
        for hook in list(self._load_state_dict_post_hooks.values()):
            hook(self)


def _merge(own, given):
    """The saved settings over the live parameters; settings that the file lacks stay."""
    group = ParamGroup(own)
    group.update({key: value for key, value in given.items() if key != "params"})
    return group


def _copy_state(state, param):
    """One parameter's state with tensors copied, floating ones to the parameter's dtype."""
    copy = {}
    for key, value in state.items():
        if key == "step":
            value = int(value)  # PyTorch keeps a tensor here
        elif isinstance(value, jg.Tensor):
            dtype = param.dtype if param.is_floating_point() else value.dtype
            value = value.detach().to(device=param.device, dtype=dtype, copy=True)
        copy[key] = value
    return copy

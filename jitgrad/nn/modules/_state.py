"""state_dict and load_state_dict. Base of Module."""

from collections import OrderedDict, namedtuple
from typing import Any

import jitgrad as jg
from jitgrad.frontend import Tensor
from jitgrad.nn.modules._hooks import Hooks
from jitgrad.nn.modules._registry import typename
from jitgrad.nn.parameter import Parameter

_EXTRA = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns."""

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class State(Hooks):
    """A Module's state by dotted names, out and in."""

    _version = 1  # of what the class writes into a state_dict; subclasses raise it

    def get_extra_state(self):
        """Override, with `set_extra_state`, to add more than tensors to the state_dict."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called."
        )

    def set_extra_state(self, state):
        """Override to take back what `get_extra_state` gave."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called."
        )

    def _has_extra(self, which):
        return getattr(type(self), which) is not getattr(State, which)

    def _register_state_dict_hook(self, hook):
        """`hook(module, state_dict, prefix, local_metadata)`; what it returns replaces the dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        return self._add_hook(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """`hook(module, state_dict, prefix, local_metadata)` changes the dict in place."""
        hook = _must_return_none(hook)
        return self._add_hook(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        """`hook(module, prefix, keep_vars)` before the state is read."""
        return self._add_hook(self._state_dict_pre_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook):
        """`hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)`."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return self._add_hook(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook):
        """`hook(module, incompatible_keys)` after loading; it may empty the lists in place."""
        return self._add_hook(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """This module's own entries, without its children's."""
        for name, value in [*self._parameters.items(), *self._buffers.items()]:
            if value is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def state_dict(self, *, destination: Any = None, prefix="", keep_vars=False):
        """Parameters and persistent buffers by dotted name; they share memory with the module.

        >>> import jitgrad as jg
        >>> list(jg.nn.Sequential(jg.nn.Linear(2, 2), jg.nn.ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            changed = hook(self, destination, prefix, metadata)
            destination = destination if changed is None else changed
        return destination

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Take this module's own entries, without its children's."""
        for hook, with_module in list(self._load_state_dict_pre_hooks.values()):
            hook(
                *([self] if with_module else []),
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        left_out = self._non_persistent_buffers_set
        own = {
            name: value
            for name, value in [*self._parameters.items(), *self._buffers.items()]
            if value is not None and name not in left_out
        }
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in own.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(key, name, value, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        key = prefix + _EXTRA
        if self._has_extra("set_extra_state"):
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)
        if strict:
            unexpected_keys.extend(self._strangers(state_dict, prefix, own))

    def _strangers(self, state_dict, prefix, own):
        for key in state_dict:
            if key.startswith(prefix) and key != prefix + _EXTRA:
                name, *deeper = key[len(prefix) :].split(".", 1)
                if name not in (self._modules if deeper else own):
                    yield key

    def _load_one(self, key, name, value, given, assign, error_msgs):
        if not isinstance(given, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected jitgrad.Tensor or '
                f"Tensor-like object from checkpoint but received {type(given)}"
            )
        elif tuple(given.shape) != tuple(value.shape):
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from "
                f"checkpoint, the shape in current model is {value.shape}."
            )
        elif assign:
            if isinstance(value, Parameter) and not isinstance(given, Parameter):
                given = Parameter(given, requires_grad=value.requires_grad)
            elif isinstance(given, Parameter):
                given.requires_grad_(value.requires_grad)
            setattr(self, name, given)
        else:
            with jg.no_grad():
                value.copy_(given)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy a state into this module's tensors; returns the keys that did not match.

        `strict`: missing and unexpected keys raise. `assign`: the module takes the given tensors
        themselves, with their dtype.

        >>> import jitgrad as jg
        >>> net = jg.nn.Linear(2, 2)
        >>> net.load_state_dict(jg.nn.Linear(2, 2).state_dict())
        <All keys matched successfully>
        """
        if not hasattr(state_dict, "items"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state = OrderedDict(state_dict)
        _load(self, state, metadata, assign, (missing, unexpected, errors), "")
        if strict and unexpected:
            errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if strict and missing:
            errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            listed = "\n\t".join(errors)
            name = type(self).__name__
            raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t{listed}")
        return _IncompatibleKeys(missing, unexpected)


def _load(module, state, metadata, assign, lists, prefix):
    """Load a module and, with the part of the state that is theirs, its children."""
    local = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local = {**local, "assign_to_params_buffers": True}
    # Strict here in any case: hooks and the returned keys show what did not match either way.
    module._load_from_state_dict(state, prefix, local, True, *lists)
    for name, child in module._modules.items():
        if child is not None:
            inner = f"{prefix}{name}."
            part = {k: v for k, v in state.items() if k.startswith(inner)}
            _load(child, part, metadata, assign, lists, inner)
    keys = _IncompatibleKeys(lists[0], lists[1])
    for hook in list(module._load_state_dict_post_hooks.values()):
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                f"inplace. Got one from {typename(hook)}."
            )


def _must_return_none(hook):
    def checked(module, state_dict, prefix, local_metadata):
        if hook(module, state_dict, prefix, local_metadata) is not None:
            raise RuntimeError("state_dict post-hook must return None")

    return checked


def _quoted(keys):
    return ", ".join(f'"{key}"' for key in keys)

"""`Optimizer`, the base: parameter groups, state, saving, and the step that all share.

A step has two parts. `_tick` counts and gives every Python number that the step needs, by the
subclass's `_numbers(group, step)`; a replay of a compiled step runs it alone. `_update(...)` then
records elementwise operations on one parameter, with those numbers as they are: they reach the
kernel as run-time arguments, so a new learning rate compiles nothing. Every parameter gets the same
sequence of operations, so the compiler makes one step of many segments of them; all of them
together are one Call, recorded once. `step` ends with a flush of everything pending; so does the
constructor, for which every step has the same form.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np

import jitgrad as jg
from jitgrad.frontend import flush_all, undo
from jitgrad.frontend.hostscalar import host, refuse, watch
from jitgrad.frontend.updates import Updates
from jitgrad.optim.param_group import ParamGroup
from jitgrad.optim.state import StateDict


class Optimizer(StateDict):
    """What all optimizers have; `params` are tensors, (name, tensor) pairs or dicts of a group.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = jg.optim.SGD([p], lr=0.5)
    >>> (p * 4).sum().backward()
    >>> optimizer.step()
    >>> p.tolist(), optimizer.param_groups[0]["lr"]
    ([-1.0], 0.5)
    """

    _switches: tuple[str, ...] = (
        "maximize",
    )  # settings whose truth chooses the operations of an update

    def __init__(self, params, defaults):
        super().__init__()
        if isinstance(params, jg.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self._steps = 0  # taken by this object
        self._updates = Updates(type(self).__name__)
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        # Initial values: else the first step would be another program than the next.
        flush_all("new optimizer")

    def add_param_group(self, param_group):
        """Add a group: a dict with "params" and what differs from the defaults.

        >>> import jitgrad as jg
        >>> optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=0.5)
        >>> optimizer.add_param_group({"params": [jg.zeros(1, requires_grad=True)], "lr": 0.1})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 0.1]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _named(param_group["params"])
        for param in params:
            if not isinstance(param, jg.Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(param)}"
                )
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        if len({id(p) for p in params}) < len(params):
            raise ValueError(
                "optimizer contains a parameter group with duplicate parameters; remove one of them"
            )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in self.param_groups[0]) != (names is not None):
            raise ValueError("all optimizer param groups should be with/without names.")
        group = ParamGroup(param_group)
        group["params"] = params
        if names is not None:
            group["param_names"] = names
        for name, default in self.defaults.items():
            group.setdefault(name, default)
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, or fill them with zeros."""
        watch(self)
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None  # not read: a compiled step is the same with and without one
                elif param.grad is not None:
                    param.grad = param.grad.detach().zero_()

    def step(self, closure=None):
        """Update every parameter that has a gradient; returns what `closure` returns.

        `closure` computes the loss again, gradients included.
        """
        if self._step_pre_hooks or self._step_post_hooks:
            refuse("a hook around an optimizer's step")
        args: tuple[Any, ...] = (closure,)
        kwargs: dict[str, Any] = {}
        for hook in list(self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{self.step} must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}."
                    )
                args, kwargs = changed
                closure = args[0] if args else kwargs.get("closure")
        loss = None
        if closure is not None:
            with jg.enable_grad():
                loss = closure()
        watch(self)
        with jg.no_grad():
            work = self._work()
            self._record(work, host(lambda: self._tick(work)))
        for hook in list(self._step_post_hooks.values()):
            hook(self, args, kwargs)
        try:
            flush_all("optimizer step")
        except Exception:
            self._undo(work)
            raise
        return loss

    def _record(self, work, numbers):
        """Record the updates of all parameters: as one Call, unless their order matters."""
        tensors, names = [], []
        for param, _ in work:
            own = {k: v for k, v in self.state[param].items() if isinstance(v, jg.Tensor)}
            tensors += (param, param.grad, *own.values())
            names.append(tuple(own))

        def update(tensors, numbers):
            rest, count = iter(tensors), len(numbers) // len(work)
            for k, ((param, i), keys) in enumerate(zip(work, names, strict=True)):
                given, grad = next(rest), next(rest)
                own = dict(zip(keys, rest, strict=False))
                state, group = self.state[param], self.param_groups[i]
                self._update(
                    given,
                    -grad if group["maximize"] else grad,
                    state if given is param else state | own,
                    group,
                    numbers[k * count : (k + 1) * count],
                )

        switches = [bool(g[key]) for g in self.param_groups for key in self._switches]
        form = (*switches, *[i for _, i in work], *names)
        if work and not self._updates.record(update, form, tensors, numbers):
            update(tensors, numbers)

    def _undo(self, work):
        """Take back a step that could not be computed, all of it."""
        undo([param for param, _ in work])
        for param, _ in work:
            state = self.state[param]
            state["step"] -= 1
            if state["step"]:
                undo([v for v in state.values() if isinstance(v, jg.Tensor)])
            else:
                del self.state[param]  # its first step made it
        self._steps -= 1

    def _work(self):
        """(parameter, number of its group) wherever there is a gradient; makes missing state."""
        work = []
        for i, group in enumerate(self.param_groups):
            for param in group["params"]:
                if param.grad is not None:
                    self._prepare(param, group)
                    work.append((param, i))
        return work

    def _prepare(self, param, group):
        """Make the state of a parameter if there is none."""
        state = self.state[param]
        if "step" not in state:
            loaded = bool(state)  # from PyTorch's SGD, which keeps no count
            state["step"] = int(loaded)
            if not loaded:
                self._start(param, state, group)

    def _tick(self, work):
        """Count one step; the numbers of every parameter's update, one after the other."""
        self._steps += 1
        flat = []
        last, numbers = None, ()  # parameters of a group rarely differ in their counts
        for param, i in work:
            state = self.state[param]
            state["step"] = step = state["step"] + 1
            if (i, step) != last:
                given = self._numbers(self.param_groups[i], step)
                last, numbers = (i, step), tuple([_number(x) for x in given])
            flat += numbers
        return tuple(flat)

    def _check(self, group):
        """Refuse values out of range; called for every new group."""

    def _start(self, param, state, group):
        """Put the state of a parameter before its first step."""

    def _numbers(self, group, step):
        """All Python numbers in the update of step 1, 2, ...: a function of its arguments alone."""
        raise NotImplementedError

    def _update(self, param, grad, state, group, numbers):
        """Write the new parameter and state in place."""
        raise NotImplementedError

    def __repr__(self):
        refuse("repr() of an optimizer")
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines += [""] * (index > 0) + [f"Parameter Group {index}"]
            for key in sorted(group):
                if key != "params":
                    lines.append(f"    {key}: {group[key]}")
        return "\n".join([*lines, ")"])

    def __deepcopy__(self, memo):
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(
            {
                key: deepcopy(value, memo)
                for key, value in self.__dict__.items()
                if key != "_updates"
            }
        )
        copy._updates = Updates(type(self).__name__)
        return copy


def _named(params):
    """(tensors, names or None) of a group's "params"."""
    if isinstance(params, jg.Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    elif not isinstance(params, Iterable):
        raise TypeError(f"'{type(params).__name__}' object is not iterable")
    params = list(params)
    named = [isinstance(param, tuple) for param in params]
    if not any(named):
        return params, None
    if not all(named):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [param for _, param in params], [name for name, _ in params]


def _number(value):
    """A setting without dimensions, even if it is a tensor of one element: all parameters take it,
    those of no dimensions too."""
    return value.reshape(()) if isinstance(value, jg.Tensor) and value.ndim else value


def filled(param, value=0):
    """New state like a parameter, there already and not to be computed: no step differs by it."""
    if param.is_meta:
        return jg.empty_like(param).detach()
    values = np.full(tuple(param.shape), value, np.float64 if value else np.float32)
    return jg.tensor(values, dtype=param.dtype, device=param.device)


def unsupported(optimizer, **options):
    """`capturable` and `differentiable` are not supported; `foreach` and `fused` change nothing."""
    for name, value in options.items():
        if value:
            raise NotImplementedError(f"{type(optimizer).__name__}: {name}")


def at_least(least, **values):
    """Refuse numbers below a bound; a value that is a tensor is one number, and is not read."""
    for name, value in values.items():
        what = name.replace("_", " ")
        if not isinstance(value, jg.Tensor):
            if not value >= least:
                raise ValueError(f"Invalid {what}: {value}")
        elif value.numel() != 1:
            raise ValueError(
                f"Invalid {what}: a tensor of shape {tuple(value.shape)}; it must have one "
                "element. Parameters with numbers of their own need a group each"
            )

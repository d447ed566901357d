"""Memory for time: what backward would read of a function is computed again instead of kept.

Entry: `checkpoint`, `checkpoint_sequential`. Imports: the front end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from jitgrad.frontend.checkpointing import CheckpointError, checkpointed

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


def noop_context_fn() -> Contexts:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`; its intermediate values are not kept: backward computes them
    again. Values, gradients and random draws have the same bits as without.

    Tensors among the arguments (in tuples, lists and dicts, too) keep the values they have now;
    what else the function reads, the parameters of a module say, is read again in backward.

    Args:
        function: what to run; results are Tensors, or tuples, lists and dicts of them. Those in
            other containers have their own history, of which everything is kept.
        use_reentrant: PyTorch has two implementations. One serves both here: it does what
            PyTorch's does for False, and so much as works there works for True.
        context_fn: called once; the function runs in the first of its two contexts, and in the
            second when it runs again.
        determinism_check: "default" raises `CheckpointError` if both runs differ in the number,
            shape or dtype of what they record, "none" only if they depend on other tensors.
        early_stop: nothing to choose: what the gradients do not need is never computed again.
        preserve_rng_state: whether the second run draws the same random numbers.

    Raises:
        NotImplementedError: for `debug`.

    >>> import jitgrad as jg
    >>> from jitgrad.utils.checkpoint import checkpoint
    >>> x = jg.tensor([0.0, 1.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([ 0.5403, -2.4783])
    """
    if debug:
        raise NotImplementedError("checkpoint: debug=True; jitgrad.debug.explain shows the graph")
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"checkpoint: determinism_check must be 'default' or 'none', not {determinism_check!r}"
        )
    return checkpointed(
        function,
        args,
        kwargs,
        contexts=context_fn(),
        draws=preserve_rng_state,
        check=determinism_check == "default",
    )


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The functions (an `nn.Sequential`, or a list) one after the other, cut into `segments` of
    which all but the last are run by `checkpoint`.

    >>> import jitgrad as jg
    >>> from jitgrad import nn
    >>> from jitgrad.utils.checkpoint import checkpoint_sequential
    >>> model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid())
    >>> y = checkpoint_sequential(model, 2, jg.ones(5, 3), use_reentrant=False)
    >>> jg.equal(y, model(jg.ones(5, 3)))
    True
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential: unexpected arguments {', '.join(kwargs)}")
    steps = list(functions.children() if hasattr(functions, "children") else functions)
    size = len(steps) // segments
    if not 0 < segments <= len(steps):
        raise ValueError(f"checkpoint_sequential: {segments} segments of {len(steps)} functions")
    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(
            _Chain(steps[start : start + size]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
    return _Chain(steps[last:])(input)


class _Chain:
    """Functions one after the other."""

    def __init__(self, steps: list[Callable[..., Any]]) -> None:
        self._steps = steps

    def __call__(self, x: Any) -> Any:
        for step in self._steps:
            x = step(x)
        return x


__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]

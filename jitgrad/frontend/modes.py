"""What is recorded and when it runs: gradient modes, and eager or lazy.

Entry: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`, `set_mode`, `mode`.
Imports nothing of jitgrad but the thread's state and flushes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from jitgrad.frontend.pending import flush_all
from jitgrad.frontend.state import default_eager, local


class _GradMode:
    """A context manager and decorator that sets the gradient mode; it can be entered again."""

    __slots__ = ("_before", "_mode")
    _mode: bool

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        state = local.state
        self._before.append((state.grad, state.inference))
        state.grad = self._mode

    def __exit__(self, *_: Any) -> None:
        state = local.state
        state.grad, state.inference = self._before.pop()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(fn):

            @functools.wraps(fn)
            def generator(*args: Any, **kwargs: Any) -> Any:
                inner = fn(*args, **kwargs)
                while True:  # the mode holds only while the generator itself runs
                    with self._again():
                        try:
                            value = next(inner)
                        except StopIteration as stop:
                            return stop.value
                    yield value

            return generator

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return fn(*args, **kwargs)

        return wrapper

    def _again(self) -> _GradMode:
        """A context of the same mode that no other thread has entered."""
        return type(self)()


def _bare(cls: Any, fn: Any) -> Any:
    """`@no_grad` without parentheses."""
    return fn if fn is None else cls()(fn)


class no_grad(_GradMode):
    """Record no history inside: results do not require grad.

    >>> import jitgrad as jg
    >>> x = jg.ones(2, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """

    __slots__ = ()
    _mode = False

    def __new__(cls, orig_func: Any = None) -> Any:
        return super().__new__(cls) if orig_func is None else _bare(cls, orig_func)


class enable_grad(_GradMode):
    """Record history inside, also within `no_grad`."""

    __slots__ = ()
    _mode = True

    def __new__(cls, orig_func: Any = None) -> Any:
        return super().__new__(cls) if orig_func is None else _bare(cls, orig_func)


class set_grad_enabled(_GradMode):
    """Set the gradient mode, at once; as a context, back to what it was at the end."""

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._mode = bool(mode)
        state = local.state
        self._before.append((state.grad, state.inference))
        state.grad = self._mode

    def __enter__(self) -> None:
        local.state.grad = self._mode

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()
        return super().__call__(fn)

    def _again(self) -> _GradMode:
        return set_grad_enabled(self._mode)


class inference_mode(_GradMode):
    """Like `no_grad`, for code that will never differentiate its results."""

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else _bare(cls, mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self._mode = not mode

    def __enter__(self) -> None:
        super().__enter__()
        local.state.inference = not self._mode

    def _again(self) -> _GradMode:
        return inference_mode(not self._mode)


def is_grad_enabled() -> bool:
    """Whether operations are recorded for backward."""
    return local.state.grad


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on."""
    return local.state.inference


_MODES = {"eager": True, "lazy": False}


def _eager(name: str) -> bool:
    if name not in _MODES:
        raise ValueError(f"mode: must be 'eager' or 'lazy', not {name!r}")
    return _MODES[name]


def set_mode(name: str) -> None:
    """ "lazy" (the default) computes when a value is needed, "eager" after each operation."""
    eager = _eager(name)
    state = local.state
    if eager and not state.eager:
        flush_all("eager mode")
    state.eager = default_eager[0] = eager


def get_mode() -> str:
    """The mode of this thread."""
    state = local.state
    eager = state.eager if state.capture is None else state.capture.eager
    return "eager" if eager else "lazy"


class mode:
    """`with mode("eager"):` runs the block in that mode."""

    __slots__ = ("_before", "_eager")

    def __init__(self, name: str) -> None:
        self._eager = _eager(name)
        self._before: list[bool] = []

    def __enter__(self) -> None:
        state = local.state
        self._before.append(state.eager)
        if self._eager and not state.eager:
            flush_all("eager mode")
        state.eager = self._eager

    def __exit__(self, *_: Any) -> None:
        local.state.eager = self._before.pop()

"""`compile`: a function of tensors, or a whole training step, recorded once and replayed.

The first two calls with arguments of one pattern record; later ones check guards and make one
native call. Entry: `compile`. Imports: captures and programs.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

from jitgrad.frontend.agree import difference
from jitgrad.frontend.argchange import changed
from jitgrad.frontend.argfloats import PATIENCE as WAITS
from jitgrad.frontend.argfloats import Form
from jitgrad.frontend.argtree import Pattern, numbered, remake, swapped
from jitgrad.frontend.capture import Capture, Unfit
from jitgrad.frontend.conditions import GRADIENT, OTHER, Conditions, Miss
from jitgrad.frontend.guards import structured
from jitgrad.frontend.hostscalar import HostFloat
from jitgrad.frontend.program import Program
from jitgrad.frontend.record import Base
from jitgrad.frontend.recording import Recording, Shared
from jitgrad.frontend.recovery import recover
from jitgrad.frontend.settings import check_function, check_settings
from jitgrad.frontend.state import local
from jitgrad.ir import apply
from jitgrad.runtime import fork, switches, trace
from jitgrad.runtime.flush import flush
from jitgrad.runtime.script import Script
from jitgrad.runtime.stats import counts

KEPT = 16  # programs of one function
PATTERNS = 64  # patterns of arguments remembered, those that run lazily included
TOLD = 32  # times that one reason is listed in `stats()`
LAZY = "runs lazily from now on"
PATIENCE = 3  # calls in a row that could not be replayed, before recording stops


class Entry:
    """What is known for one pattern of arguments and one set of guarded values.

    `test(args, kwargs)` gives a `Miss` unless the call is the one recorded; once there is a
    program, it is its `call`.
    """

    __slots__ = ("first", "program", "test")

    def __init__(self, first: Recording, args: Any, kwargs: Any, name: str) -> None:
        self.first: Recording | None = first
        self.program: Program | None = None
        script = Script(f"test of {name}")
        with script.block("def test(args, kwargs):"):
            Conditions(first).write(script, args, kwargs)
        self.test: Any = script.build("test")

    def second(self, recording: Recording, args: Any, kwargs: Any, name: str) -> None:
        """From now on calls are replayed."""
        self.program = Program(recording, Conditions(recording), args, kwargs, name)
        self.test = self.program.call
        self.first = None


class Known:
    """The entries of one pattern, most recent last; `lazy` says why there will be none."""

    __slots__ = ("apart", "entries", "failures", "form", "lazy", "objects")

    def __init__(self, objects: list[Any], form: Form | None) -> None:
        self.form = form
        self.entries: list[Entry] = []
        self.failures = 0
        self.lazy = ""
        self.apart: WeakSet[Any] = WeakSet()  # storages that held one value in a recording
        self.objects = objects  # whose identities are part of the pattern


class Compiled:
    """What `compile` returns; attributes are those of the function it wraps."""

    __slots__ = (
        "__dict__", "__weakref__", "_active", "_fallback", "_fn", "_forms", "_full", "_known",
        "_last", "_lock", "_name", "_replay", "_told", "_warned",
    )  # fmt: skip

    def __init__(self, fn: Any, fallback: bool, full: bool) -> None:
        self._fn = fn
        self._fallback = fallback  # what cannot be compiled runs lazily: all of it, or
        self._full = full  # nothing; by default what raises no error of its own
        self._name = getattr(fn, "__qualname__", type(fn).__name__)
        self._known: OrderedDict[Any, Known] = OrderedDict()
        self._forms: OrderedDict[Any, Form] = OrderedDict()
        self._lock: Any
        fork.renew(self)
        self._last: Any = None
        self._active: Program | None = None  # the program that ran last
        self._replay: Callable[[Any, Any], Any] = _nothing  # its call
        self._warned = False
        self._told: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Compiled.__slots__:
            raise AttributeError(name)
        return getattr(self._fn, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<compiled {self._name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out = self._replay(args, kwargs)
        return self._choose(args, kwargs) if type(out) is Miss else out

    def _choose(self, args: Any, kwargs: Any) -> Any:
        """A call that is not the one that ran last."""
        state = local.state
        if state.capture is not None:  # part of a larger function that is being compiled
            return self._fn(*args, **kwargs)
        pattern = Pattern(args, kwargs)
        modes = (state.grad, state.inference, state.eager, apply._default["float"])
        modes += switches.switched().kernels
        with self._lock:
            form = None
            if pattern.floats:
                form = self._form(modes, Pattern(args, kwargs, frozenset(pattern.floats)))
                slots = form.meet(pattern.floats)
                pattern = Pattern(args, kwargs, slots) if slots else pattern
            key = (*modes, pattern.key)
            known = self._known.get(key)
            if known is None:
                known = self._admit(key, pattern, form)
            elif key is not self._last:
                self._known.move_to_end(key)
            self._last = key
            failed: Any = None
            for entry in known.entries[::-1]:
                out = entry.test(args, kwargs)
                if type(out) is Miss:
                    failed = failed or out.reason()
                elif entry.program is None:
                    return self._second(known, entry, pattern, args, kwargs)
                else:
                    if entry is not known.entries[-1]:
                        known.entries.remove(entry)
                        known.entries.append(entry)
                    self._activate(entry.program)
                    return out
            if not known.lazy:
                self._say(known, failed)
                return self._first(known, pattern, args, kwargs)
        return self._fn(*args, **kwargs)

    def _activate(self, program: Program) -> None:
        """`program` is tried first from now on."""
        if program is not self._active:
            if self._active is not None:
                self._active.release()
            self._active = program
            self._replay = program.call

    def _say(self, known: Known, failed: Any) -> None:
        """Report what a replay failed on; that a first call met no gradients is no news."""
        young = not any(e.program for e in known.entries)
        if failed is not None and not (young and failed[0] == GRADIENT):
            self._report(*failed)

    # ---- recording

    def _record(
        self, known: Known, pattern: Pattern, args: Any, kwargs: Any
    ) -> tuple[Any, Recording | None]:
        """Run the function; a Recording unless Python is needed again."""
        capture = Capture(self._name, self._fn, self._fallback, pattern)
        try:
            tensors = capture.start(known.apart)
            if pattern.batches:
                args, kwargs = swapped(args, kwargs, pattern.tensors, tensors)
            if pattern.slots:
                args, kwargs = numbered(args, kwargs, capture.give())
            result = self._fn(*args, **kwargs)
        except BaseException:
            capture.stop()
            capture.settle()
            raise
        return self._judge(known, capture, pattern, result, args, kwargs)

    def _judge(
        self, known: Known, capture: Capture, pattern: Pattern, result: Any, args: Any, kwargs: Any
    ) -> tuple[Any, Recording | None]:
        capture.stop()
        if capture.batches:
            result = _real(result, capture)
        del args, kwargs
        try:
            recording = Recording(capture, result, patient=known.failures > 0)
        except Shared as shared:
            capture.settle()
            known.apart.update(shared.storages)
            return result, None
        except Unfit as unfit:
            capture.settle()
            if pattern.slots:
                self._close(known, str(unfit))
                return result, None
            known.failures += 1
            if known.failures >= PATIENCE or capture.abandoned:
                self._give_up(known, str(unfit))
            return result, None
        known.failures = 0
        looked = capture.given is not None and capture.given.looked
        if known.form is not None and (looked or capture.watch.tells):
            self._close(known, "Python looks at its value")
            if pattern.slots:
                _compute(recording)
                return _real(result, capture), None
        return result, recording

    def _give_up(self, known: Known, why: str) -> None:
        """Calls of this pattern run lazily from now on."""
        if self._full:
            raise RuntimeError(
                f"compile: {self._name} cannot be run without Python: {why}. With fullgraph=True "
                "that is an error; without, it runs lazily"
            )
        known.lazy = why
        self._report(LAZY, "compiled", why)

    def _close(self, known: Known, why: str) -> None:
        """The floats that have changed count by value from now on."""
        form = known.form
        assert form is not None
        names = self._parameters()
        for at in form.slots:
            name = names[at] if isinstance(at, int) and at < len(names) else at
            self._report(f"argument {name}", "any number", f"by value: {why}")
        form.close()

    def _first(self, known: Known, pattern: Pattern, args: Any, kwargs: Any) -> Any:
        result, recording = self._record(known, pattern, args, kwargs)
        if recording is not None:
            _compute(recording)
            known.entries.append(Entry(recording, args, kwargs, self._name))
            self._trim()
        return result

    def _second(self, known: Known, entry: Entry, pattern: Pattern, args: Any, kwargs: Any) -> Any:
        result, recording = self._record(known, pattern, args, kwargs)
        if recording is None:
            known.entries.remove(entry)
            return result
        assert entry.first is not None
        own = entry.first.watch.changed()
        if own is not None:  # it was the same when this call began
            known.entries.remove(entry)
            _compute(recording)
            self._give_up(known, f"it changes {own.label}")
            return result
        parted = difference(entry.first, recording)
        form = known.form
        if pattern.slots and form and (parted or not form.shown(entry.first, recording)):
            known.entries.remove(entry)
            _compute(recording)
            form.waited += 1
            if parted or form.waited >= WAITS:
                self._close(known, f"it decides {parted[0]}" if parted else "it rarely changes")
            else:
                known.entries.append(Entry(recording, args, kwargs, self._name))
            return result
        if parted is not None:
            known.entries.remove(entry)
            _compute(recording)
            where, one, two = parted
            message = (
                f"compile: {self._name} did something else in its second call, and no value that "
                f"it read from Python explains it. First difference: {where}: {one}, then {two}. "
                "Pass what changes as an argument"
            )
            if self._fallback:
                known.lazy = message
                return result
            raise RuntimeError(message)
        if form is not None and not pattern.slots:
            form.keep(recording)
        with recovering(recording):
            entry.second(recording, args, kwargs, self._name)
        recording.capture.settle()
        return result

    # ---- which programs are kept, and why there are several

    def _form(self, modes: Any, pattern: Pattern) -> Form:
        """The Form of calls that differ from one in floats alone; `pattern` is without them."""
        key = (*modes, pattern.key)
        form = self._forms.setdefault(key, Form(pattern.floats))
        self._forms.move_to_end(key)
        if len(self._forms) > PATTERNS:
            self._forms.popitem(last=False)
        return form

    def _admit(self, key: Any, pattern: Pattern, form: Form | None) -> Known:
        if self._last is not None:
            self._report(*changed(self._last, key, self._parameters()))
        known = self._known[key] = Known(pattern.objects, form)
        while len(self._known) > PATTERNS:
            self._known.popitem(last=False)
        return known

    def _parameters(self) -> list[str]:
        """The names of the arguments given by position, as far as they have any."""
        try:
            parameters = inspect.signature(self._fn).parameters.values()
        except (TypeError, ValueError):
            return []
        return [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]

    def _trim(self) -> None:
        while sum(len(k.entries) for k in self._known.values()) > KEPT:
            key, oldest = next((k, v) for k, v in self._known.items() if v.entries)
            del oldest.entries[0]
            if not oldest.entries and key is not self._last:
                del self._known[key]
            if not self._warned:
                self._warned = True
                what = max(self._told, key=self._told.__getitem__, default="its arguments")
                warnings.warn(
                    f"compile: {self._name} has been recorded for more than {KEPT} patterns; the "
                    f"least recently used are dropped. What varies: {what}",
                    stacklevel=5,
                )

    def _report(self, what: str, was: str, now: str) -> None:
        self._told[what] = self._told.get(what, 0) + 1
        if self._told[what] <= TOLD:
            entry = {"function": self._name, "what": what, "was": was, "now": now}
            counts.recompiles.append(entry)
        if switches.debug() >= 1:
            told = f"{what}: {now}" if what == LAZY else f"records again: {what}: {was} -> {now}"
            trace.say(f"compile {self._name}: {told}")


class CompiledModule:
    """Of a Module: another one of its class with the very same `__dict__`, so that parameters,
    children, modes and hooks are those of the one it wraps, wherever it is put."""

    __slots__ = ()  # beside which a class may have slots of its own
    _compiled: Compiled

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Classes made here are not the user's: a registry of theirs hears nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in Compiled.__slots__:
            return getattr(self._compiled, name)
        return super().__getattr__(name)  # type: ignore[misc]  # a Module follows it

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        inner = self._compiled
        return compile(
            copy.deepcopy(inner._fn, memo), fallback=inner._fallback, fullgraph=inner._full
        )

    def __repr__(self) -> str:
        return repr(self._compiled)


def _wrapped(fn: Any, fallback: bool, full: bool) -> Any:
    compiled = Compiled(fn, fallback, full)
    if not structured(fn):
        return functools.update_wrapper(compiled, fn, updated=())
    kind = type(fn)
    names: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    names |= {name: _slot(name) for cls in kind.__mro__ for name, raw in cls.__dict__.items()
              if isinstance(raw, types.MemberDescriptorType)}  # fmt: skip
    names["__slots__"] = ("_compiled",)
    made = types.new_class(kind.__name__, (CompiledModule, kind), {}, lambda own: own.update(names))
    out = object.__new__(made)
    object.__setattr__(out, "_compiled", compiled)
    object.__setattr__(out, "__dict__", fn.__dict__)
    return out


def _slot(name: str) -> property:
    """A slot of the Module that was compiled."""

    def get(self: Any) -> Any:
        return getattr(self._compiled._fn, name)

    def set_to(self: Any, value: Any) -> None:
        setattr(self._compiled._fn, name, value)

    def delete(self: Any) -> None:
        delattr(self._compiled._fn, name)

    return property(get, set_to, delete)


def uncompiled(fn: Any) -> Any:
    """What `compile` was given, if it made `fn` (be that a method of an object); else `fn`."""
    if isinstance(fn, functools.partial) and isinstance(fn.func, Compiled):
        return functools.partial(fn.func._fn, *fn.args, **fn.keywords)
    return fn._fn if isinstance(fn, (Compiled, CompiledModule)) else fn


def _nothing(args: Any, kwargs: Any) -> Miss:
    """The call of no program."""
    return OTHER


@contextlib.contextmanager
def recovering(recording: Recording) -> Iterator[None]:
    """Computing a recording that fails leaves what the call has written as it was."""
    try:
        yield
    except BaseException as error:  # Ctrl-C too
        recover(local.state, recording.capture.live(), error)
        raise


def _compute(recording: Recording) -> None:
    """All results of a recording, in one schedule."""
    with recovering(recording):
        flush(recording.roots)
    recording.capture.settle()


def _real(value: Any, capture: Capture) -> Any:
    """What is returned, over the real arguments in place of their stand-ins."""
    if isinstance(value, Base):
        return capture.returned(value)
    if type(value) is HostFloat:
        return float.__float__(value)
    if type(value) is dict:
        return {k: _real(v, capture) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return remake(type(value), [_real(v, capture) for v in value])
    return value


def compile(
    fn: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    fallback: bool = False,
    **settings: Any,
) -> Any:
    """`fn` recorded once and then run without Python, with the same results bit for bit.

    Works on functions of tensors, whole training steps and Modules, for which it gives a Module of
    the same class with the same parameters, children and hooks. Calls 1 and 2 with arguments
    of one pattern (structure, shapes, dtypes, plain values) record; later calls check that the
    Python values which the function read are as they were, and record again when not. A float
    argument that changes, such as a learning rate, counts as a value only if Python decides
    something by it. A tensor's value that is read in the middle raises; with `fallback=True` such a
    function runs lazily instead. With `fullgraph=True` nothing does: what cannot be compiled is an
    error. PyTorch's other arguments are taken where what they ask for is done anyway: `dynamic`,
    `mode="default"` or `"reduce-overhead"`, `backend="inductor"`. The gradient of a differentiable
    result is a program of its own, with the same bits again.

    >>> import jitgrad as jg
    >>> @jg.compile
    ... def scaled(x):
    ...     return (x * 2).sum()
    >>> [scaled(jg.ones(3) * i).item() for i in range(4)]
    [0.0, 6.0, 12.0, 18.0]
    """
    check_settings(settings)
    if fullgraph and fallback:
        raise ValueError("compile: fullgraph=True allows no lazy runs, fallback=True asks for them")
    if fn is None:
        return lambda fn: compile(fn, fullgraph=fullgraph, fallback=fallback)
    inner = fn._fn if isinstance(fn, (Compiled, CompiledModule)) else fn
    check_function(inner)
    return _wrapped(inner, bool(fallback), bool(fullgraph))

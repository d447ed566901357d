"""What a `register_*hook` returns; entry `RemovableHandle`. Imports nothing of jitgrad."""

import itertools
import weakref

_ids = itertools.count()


class RemovableHandle:
    """Takes a hook away again, by `remove()` or at the end of a `with` block.

    >>> hooks = OrderedHooks()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> len(hooks)
    0
    """

    def __init__(self, hooks, extra=(), changed=None):
        """`hooks` and the dicts in `extra` lose the id; then the method `changed` is called."""
        self.id = next(_ids)
        self._dicts = tuple(weakref.ref(d) for d in (hooks, *extra))
        # Weak: a module may keep the handle of a hook on itself.
        self._changed = None if changed is None else weakref.WeakMethod(changed)

    def remove(self):
        """Take the hook away; a second call does nothing."""
        dicts = [d for ref in self._dicts if (d := ref()) is not None]
        removed = [d.pop(self.id) for d in dicts if self.id in d]
        if removed and self._changed is not None and (changed := self._changed()) is not None:
            changed()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()


class OrderedHooks(dict):
    """Hooks by id in the order they run; a dict that a handle can refer to weakly."""

"""`override`: an edited kernel file in place of the generated one.

Imports: runtime.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jitgrad.runtime import build, flush, overrides, program, threads


class Override:
    """An edit that holds until `remove()`, or until the end of a `with` block."""

    def __init__(self, kernel: str, path: Path, edit: overrides.Edit) -> None:
        self.kernel = kernel
        self.path = path
        self._edit = edit

    @property
    def active(self) -> bool:
        """Whether it holds: it was not removed, and no later one took its place."""
        return overrides.edits.get(self.kernel) is self._edit

    def remove(self) -> None:
        """Run the generated kernel again; a second time, nothing happens."""
        with threads.execution_lock:
            if not self.active:
                return
            del overrides.edits[self.kernel]
            if self._edit.original is not None:
                program.replace(build.get(self._edit.original))
                flush.forget()

    def __enter__(self) -> Override:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()

    def __repr__(self) -> str:
        state = "" if self.active else ", removed"
        return f"<override of {self.kernel} by {self.path}{state}>"


def override(kernel: str, path: str | os.PathLike[str]) -> Override:
    """Run the kernel that the file `path` defines wherever the generated one of that name would.

    Files to edit come from `eject`; names stand in `explain` and `JITGRAD_DEBUG=2`. The file is
    read now, so override again after another edit. It holds in this process, for programs of
    compiled functions that exist, too, and for a kernel that is generated only later.

    Raises:
        ValueError: the file does not define `kernel`, or with other arguments than it is called
            with.
        jitgrad.runtime.build.CompileError: it does not compile; what ran before stays.

    Example:
        >>> import jitgrad as jg, tempfile
        >>> x = jg.ones(3).realize()
        >>> (file,) = jg.debug.eject(x * 2, tempfile.mkdtemp())
        >>> _ = file.write_text(file.read_text().replace("x_ * s0", "x_ + s0"))
        >>> with override(file.stem, file):
        ...     print((x * 2).tolist())
        [3.0, 3.0, 3.0]
        >>> (x * 2).tolist()
        [2.0, 2.0, 2.0]
    """
    source = Path(path)
    edit = overrides.Edit(source.read_text(), str(source))
    overrides.parameters(kernel, edit.text, edit.path)
    with threads.execution_lock:
        before = overrides.edits.pop(kernel, None)
        try:
            edit.original = before.original if before is not None else _generated(kernel)
            if edit.original is not None:
                overrides.check(edit.original, edit)
                built = overrides.Kernel(kernel, edit.text, edit.original.params)
                program.replace(build.get(built))
        except Exception:
            if before is not None:
                overrides.edits[kernel] = before
            raise
        overrides.edits[kernel] = edit
        flush.forget()
    return Override(kernel, source, edit)


def _generated(kernel: str) -> overrides.Kernel | None:
    """The kernel that programs of this process run under that name."""
    function = program.known(kernel)
    if function is None:
        return None
    return overrides.Kernel(kernel, function.source, function.params)

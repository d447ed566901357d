"""`DeviceKernel`: a Kernel whose text runs over a grid, and what a launch adds to its arguments.

Imports: compiler.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jitgrad.compiler.kernel import Kernel


@dataclass(eq=False, slots=True)
class DeviceKernel(Kernel):
    """A kernel for the device; its function is `name(error, *params, *extra)`.

    Attributes:
        launch: how threads take the work, see `compiler.cuda.launch`: "elements", "rows",
            "chunks", "columns", "single", "units", or "library" for a call that has no source.
        wide: neighbouring elements that a thread takes at once.
        extra: (name, type) of the arguments that the launch computes.
        results: of a column reduction, the argument that is lent for partial results -> the
            parameter that `finish`, a function with the same parameters, makes of it.
    """

    launch: str = ""
    wide: int = 1
    extra: tuple[tuple[str, str], ...] = ()
    results: dict[str, str] = field(default_factory=dict)

    @property
    def finish(self) -> str:
        """Name of the second function."""
        return f"{self.name}_finish" if self.results else ""

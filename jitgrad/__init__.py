"""jitgrad: operations record a graph; a value asked for fuses, compiles and runs it.

The public names are those of `jitgrad.frontend.api` and of the table below; the rooms (`nn`,
`optim`, ...) are imported when first touched. Imports no compiler: Numba is loaded by the first
kernel that must be built.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

__version__ = "0.1.0"

_ROOMS = frozenset(
    ["autograd", "bench", "cuda", "debug", "nn", "optim", "serialization", "testing", "utils"]
    + ["vision"]
)
_ELSEWHERE = {
    "empty_cache": "runtime.memory",
    "get_num_threads": "runtime.threads",
    "load": "serialization",
    "memory_stats": "runtime.memory",
    "save": "serialization",
    "set_num_threads": "runtime.threads",
    "stats": "runtime.stats",
}


def _register_kernels():
    """In a bare checkout, make kernels/, which stands beside jitgrad/, `jitgrad.kernels`."""
    here = Path(__file__).parent
    beside = here.parent / "kernels" / "__init__.py"
    if (here / "kernels").is_dir() or not beside.is_file():
        return  # installed: the package lies where the import system looks
    name = f"{__name__}.kernels"
    spec = importlib.util.spec_from_file_location(
        name, beside, submodule_search_locations=[str(beside.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    globals()["kernels"] = module


_register_kernels()

from jitgrad.frontend.api import *  # noqa: E402, F403
from jitgrad.frontend.api import __all__ as _names  # noqa: E402

__all__ = [*_names, *sorted(_ELSEWHERE), *sorted(_ROOMS)]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _ELSEWHERE:
        module = importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}")
        globals()[name] = value = getattr(module, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})

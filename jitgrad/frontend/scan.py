"""Which Python values can a code object read, and where does it write? From its bytecode.

Entry: `chains(code)`: a global, closure cell or local, followed by attributes and constant
subscripts. Imports nothing of jitgrad.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from types import CodeType
from typing import NamedTuple

GLOBAL, CELL, LOCAL = "global", "closure", "local"
MODULE = "module"  # named in full, dots of a relative import included
LOOSE = "result"  # an attribute of what a call returned, say: its name alone is known


class Chain(NamedTuple):
    """A root and the steps from it: ("a", attribute) or ("k", constant); `store`: written to."""

    root: str
    name: str
    path: tuple[tuple[str, object], ...]
    store: bool


_ROOTS = {
    "LOAD_GLOBAL": GLOBAL, "LOAD_NAME": GLOBAL, "LOAD_DEREF": CELL, "LOAD_CLASSDEREF": CELL,
}  # fmt: skip
_STORES = {
    "STORE_GLOBAL": GLOBAL, "DELETE_GLOBAL": GLOBAL, "STORE_DEREF": CELL, "DELETE_DEREF": CELL,
}  # fmt: skip
_SILENT = frozenset(["CACHE", "PRECALL", "RESUME", "NOP", "PUSH_NULL", "EXTENDED_ARG", "COPY"])


def chains(code: CodeType) -> tuple[Chain, ...]:
    """All chains in `code`, each once."""
    out: dict[Chain, None] = {}
    found: list[tuple[str, str, tuple[tuple[str, object], ...]]] = []  # the chain being read

    def end() -> None:
        for root, name, path in found:
            out[Chain(root, name, path, False)] = None
        found.clear()

    def start(root: str, names: object) -> None:
        end()
        for name in names if isinstance(names, tuple) else (names,):
            found.append((root, str(name), ()))

    def step(kind: str, key: object) -> None:
        if found:
            root, name, path = found[-1]
            found[-1] = (root, name, (*path, (kind, key)))

    constant: list[object] = []
    module = ""
    for x in dis.get_instructions(code):
        op = x.opname
        if op in _SILENT:
            continue
        if op in _ROOTS:
            start(_ROOTS[op], x.argval)
        elif op.startswith("LOAD_FAST") and op != "LOAD_FAST_AND_CLEAR":
            start(LOCAL, x.argval)
        elif op in ("LOAD_ATTR", "LOAD_METHOD"):
            if not found:
                out[Chain(LOOSE, str(x.argval), (), False)] = None
            step("a", x.argval)
        elif op in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constant.append(x.argval)
            continue
        elif op == "BINARY_SUBSCR" or (op == "BINARY_OP" and x.argrepr == "[]"):
            if constant:
                step("k", constant[-1])
            else:
                end()
        elif op in ("STORE_ATTR", "DELETE_ATTR"):
            if found:
                root, name, path = found.pop()
                out[Chain(root, name, (*path, ("a", x.argval)), True)] = None
            end()
        elif op == "IMPORT_NAME":
            end()
            level = constant[-2] if len(constant) > 1 else 0
            module = "." * (level if isinstance(level, int) else 0) + str(x.argval)
        elif op == "IMPORT_FROM":
            out[Chain(MODULE, module, (("a", x.argval),), False)] = None
        elif op in _STORES:
            end()
            out[Chain(_STORES[op], str(x.argval), (), True)] = None
        else:
            end()
        constant.clear()
    end()
    return tuple(out)


_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ROOMS = _HERE + "nn" + os.sep
_LIBRARIES = tuple(
    os.sep + name + os.sep for name in ("numpy", "numba", "llvmlite", "scipy", "click", "tqdm")
)


def reads(code: CodeType) -> str:
    """What to look for in a function: "all", "self" (the rooms' own code) or nothing."""
    name = code.co_filename
    if name.startswith(_HERE):
        return "self" if name.startswith(_ROOMS) else ""
    if name.startswith("<frozen") or (name.startswith(_STDLIB) and "site-packages" not in name):
        return ""
    return "" if any(part in name for part in _LIBRARIES) else "all"


def foreign(module: object) -> bool:
    """Whether a module is a library whose names nobody changes."""
    name = getattr(module, "__name__", "").partition(".")[0]
    return name in ("jitgrad", "numpy", "numba") or name in sys.stdlib_module_names

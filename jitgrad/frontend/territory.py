"""Whose code is it? The user's is watched while a function records, a library's less or not at all.

Entry: `reads(code)`, `foreign(module)`. Imports nothing of jitgrad.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType

import numpy as np

_STDLIB = os.path.realpath(sysconfig.get_paths()["stdlib"]) + os.sep
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ROOMS = (_HERE + "nn" + os.sep, os.path.join(_HERE, "optim", "lr_scheduler"))
_SITE = {os.path.dirname(os.path.dirname(np.__file__))}
_SITE |= {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
_COMPILERS = tuple(os.path.join(s, n) + os.sep for s in _SITE for n in ("numba", "llvmlite"))
_LIBRARIES = tuple(
    os.path.join(s, n) + os.sep for s in _SITE for n in ("numpy", "scipy", "click", "tqdm")
)
_kinds: dict[str, str] = {}  # by file


def reads(code: CodeType) -> str:
    """What to look for in a function: "all", "self" (what code of others reads from the object that
    it works on) or nothing."""
    name = code.co_filename
    kind = _kinds.get(name)
    if kind is None:
        kind = _kinds[name] = _kind(name)
    return kind


def _kind(name: str) -> str:
    if name.startswith(_HERE):
        return "self" if name.startswith(_ROOMS) else ""
    if name.startswith("<frozen") or name.startswith(_COMPILERS):
        return ""
    return "self" if library(name) else "all"


def own(code: CodeType) -> bool:
    """Whether code is jitgrad's."""
    return code.co_filename.startswith(_HERE)


def library(file: str) -> bool:
    """Whether a file is of the standard library, or of a library whose code nobody changes."""
    own = file.startswith(_STDLIB) or os.path.realpath(file).startswith(_STDLIB)
    return (own and "site-packages" not in file) or file.startswith(_LIBRARIES)


def foreign(module: object) -> bool:
    """Whether a module is a library whose names nobody changes."""
    name = getattr(module, "__name__", "").partition(".")[0]
    if name in ("jitgrad", "numpy", "numba"):
        return True
    file = getattr(module, "__file__", None)
    if file is None:
        return (
            name in sys.builtin_module_names
            or name in sys.stdlib_module_names
            and (
                getattr(getattr(module, "__spec__", None), "origin", None) in ("built-in", "frozen")
            )
        )
    return name in sys.stdlib_module_names and library(file)

"""Kernel sources that stand in for generated ones, by name: what `debug.override` sets.

Entry: `edits`, which `applied(kernels)` puts in place of what `build` was given; `check`.
Imports nothing of jitgrad.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """What `build` needs of a kernel."""

    name: str
    source: str
    params: tuple[Any, ...]


@dataclass
class Edit:
    """A source, where it was read, and the kernel it stands for, once that is known."""

    text: str
    path: str
    original: Kernel | None = None


edits: dict[str, Edit] = {}


def applied(kernels: list[Any]) -> list[Any]:
    """The kernels, those that have an edit with its source.

    Raises:
        ValueError: an edit takes other arguments than the kernel that was generated.
    """
    if not edits:
        return kernels
    return [_edited(kernel) if kernel.name in edits else kernel for kernel in kernels]


def _edited(kernel: Any) -> Kernel:
    edit = edits[kernel.name]
    original = Kernel(kernel.name, kernel.source, tuple(kernel.params))
    check(original, edit)
    edit.original = original
    return Kernel(kernel.name, edit.text, original.params)


def check(kernel: Kernel, edit: Edit) -> None:
    """Refuse an edit whose arguments are not those that the kernel is called with."""
    wanted = parameters(kernel.name, kernel.source, "the generated kernel")
    found = parameters(kernel.name, edit.text, edit.path)
    if wanted != found:
        raise ValueError(
            f"override: {edit.path}: {kernel.name} takes ({', '.join(found)}), but it is called "
            f"with ({', '.join(wanted)}); an edit changes what a kernel does, not its arguments"
        )


def parameters(name: str, text: str, path: str) -> list[str]:
    """The names of the arguments of the function `name` in the text of a kernel file."""
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"override: {path}:{error.lineno}: {error.msg}") from None
    defined = {node.name: node.args for node in module.body if isinstance(node, ast.FunctionDef)}
    if name not in defined:
        names = ", ".join(defined) or "no function"
        raise ValueError(f"override: {path} defines {names}, not {name}")
    spec = defined[name]
    if spec.vararg or spec.kwarg or spec.defaults or spec.kwonlyargs or spec.posonlyargs:
        raise ValueError(f"override: {path}: {name} may take plain arguments only")
    return [argument.arg for argument in spec.args]

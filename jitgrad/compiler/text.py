"""The text of a kernel's module around its body, and the name that follows from both.

Entry: `assemble`, `kernel_name`. Imports: compiler.
"""

from __future__ import annotations

import hashlib

from jitgrad.compiler.names import module_of
from jitgrad.compiler.source import TAB
from jitgrad.compiler.values import Value


def assemble(
    functions: set[str],
    runs: set[str],
    constants: dict[tuple[str, str], str],
    params: list[tuple[str, str]],
    body: list[str],
) -> tuple[str, list[tuple[str, str]]]:
    """Source text of a module; the function is called KERNEL."""
    lines = ["import numpy as np", "", *imports(functions)]
    for name in sorted(runs):
        lines.append(f"from jitgrad.kernels.reduce import {name} as run_{name}")
    lines.append("")
    for (_, text), name in constants.items():
        lines.append(f"{name} = {text}")
    arguments = "".join(f"{n}, " for n, _ in params)
    lines += ["", "", f"def KERNEL(error, {arguments}lo, hi, scratch):"]
    lines += [TAB + line for line in body]
    lines += [TAB + "return np.int32(0)", ""]
    return "\n".join(lines), params


def imports(functions: set[str]) -> list[str]:
    """Lines that import functions of kernels/."""
    modules: dict[str, list[str]] = {}
    for fn in sorted(functions):
        modules.setdefault(module_of(fn), []).append(fn)
    return [
        f"from jitgrad.kernels.{module} import {', '.join(names)}"
        for module, names in sorted(modules.items())
    ]


def kernel_name(values: list[Value], text: str, params: list[tuple[str, str]]) -> str:
    """Meaning and a hash of the body and its types."""
    words: list[str] = []
    for v in values:
        if v.op not in ("copy", "cast", "mul", "add", "sub", "neg", "where") and v.op not in words:
            words.append(v.op)
    if not words:
        words = [values[-1].op]
    digest = hashlib.sha256((text + repr(params)).encode()).hexdigest()[:8]
    return "_".join(words[:4]) + "_" + digest

"""The text around a CUDA kernel's body. Entry: `assemble`, `segments`. Imports: compiler."""

from __future__ import annotations

from collections.abc import Sequence

from jitgrad.compiler.cuda.kernel import DeviceKernel
from jitgrad.compiler.source import TAB
from jitgrad.compiler.text import imports

Param = tuple[str, str]


def assemble(
    functions: set[str],
    constants: dict[tuple[str, str], str],
    params: Sequence[Param],
    extra: Sequence[Param],
    body: list[str],
    finish: Sequence[str] = (),
) -> str:
    """Source text of a module; the function is called KERNEL, a second one KERNEL_finish."""
    lines = ["import numpy as np", "from numba import cuda", "", *imports(functions), ""]
    lines += [f"{name} = {text}" for (_, text), name in constants.items()]
    arguments = ", ".join(["error", *(n for n, _ in (*params, *extra))])
    lines += ["", "", f"def KERNEL({arguments}):", *(TAB + line for line in body), ""]
    if finish:
        lines += ["", f"def KERNEL_finish({arguments}):", *(TAB + line for line in finish), ""]
    return "\n".join(lines)


_WORD = {"f32": "bits_f32(np.int32({}))", "f64": "bits_f64({})", "b1": "{} != 0", "i64": "{}"}


def segments(kernel: DeviceKernel) -> str:
    """The kernel's module with an entry that runs it over many argument lists in one launch.

    `<name>_segments(error, table)`: row y of the grid takes the arguments of row y of the table,
    each a 64-bit word.
    """
    words = []
    functions: set[str] = set()
    given = (*kernel.params, *kernel.extra)
    for at, (_, kind) in enumerate(given):
        word = f"row[{at}]"
        if kind.endswith("*"):
            functions.add(f"pointer_{kind[:-1]}")
            words.append(f"pointer_{kind[:-1]}({word})")
        else:
            functions |= {f"bits_{kind}"} if kind in ("f32", "f64") else set()
            words.append(_WORD.get(kind, "np.{}({{}})".format(f"int{kind[1:]}")).format(word))
    functions.add("at")
    entry = [
        f"def {kernel.name}_segments(error, table):",
        f"{TAB}row = at(table, cuda.blockIdx.y * {len(given)})",
        f"{TAB}{kernel.name}(error, {', '.join(words)})",
    ]
    head, _, rest = kernel.source.partition("\n\n")
    return "\n".join([head, "", *imports(functions), rest.rstrip(), "", "", *entry, ""])

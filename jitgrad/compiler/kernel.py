"""`Kernel`: readable source plus typed parameters, and how its arguments are found at run time.

Plain data: no backend, no size, no pointer. Imports: compiler.values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jitgrad.compiler.values import Access, Value

# How an argument is found at run time:
#   ("memory", Access)            address of the viewed value
#   ("own", Value)                address of the value's own buffer
#   ("size", (class, ...))        product of sizes
#   ("chunks", (class, ...))      number of reduction chunks of that many elements
#   ("row chunks", (class, ...))  number of chunks of that many rows in a reduction of leading axes
#   ("lanes", (class, ...), (class, ...))  lanes of such a chunk, by rows and columns behind them
#   ("stride", Access, axis)      stride of the viewed value, in elements
#   ("scalar", snapshot node)     the user's number
#   ("slot", snapshot node, i)    an attribute
#   ("extent", Access, axis)      size of one axis of the viewed value
#   ("leading", Access)           leading dimension of a matrix operand
#   ("tiles", Value)              address of the tiled product, 0 where OpenBLAS is called
#   ("row_parts", Value)          parts that the rows of a product are cut into
#   ("column_parts", Value)       and its columns
#   ("parts", Value)              parts over all batches
#   ("part", Value)               elements of the largest one
#   ("operand", Value)            elements of the right operand that such a part takes
Spec = tuple[Any, ...]


@dataclass(eq=False, slots=True)
class Kernel:
    """One fused group as source.

    Attributes:
        name: meaning and hash: the function's name and the file's stem.
        source: a Python module with one function
            `name(error, *params, lo, hi, scratch) -> code`.
        params: (name, type) in order; "f32*" is a pointer, "f32" a value.
        specs: where each argument comes from.
        units: spec of the work range.
        unit_size: spec of elements per unit, to choose a grain.
        scratch: list of (size, bytes per element) that a thread needs.
        serial: runs on one thread: a few numbers only.
        combine: a step that is small beside the kernels around it: it finishes a reduction.
        checks: snapshot node of each check in the kernel, by the number it reports.
        flops: (operations, classes) terms; first the elements of the kernel's own loops. An
            addition counts 1, a division 4, a function 8, a random number 40.
        product, depth: a matrix product computed here and where its inner size is read.
    """

    name: str
    source: str
    params: tuple[tuple[str, str], ...]
    specs: tuple[Spec, ...]
    units: Spec
    unit_size: Spec
    scratch: list[tuple[Spec, int]] = field(default_factory=list)
    serial: bool = False
    combine: bool = False
    checks: list[int] = field(default_factory=list)
    flops: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    product: Value | None = None
    depth: tuple[Access, int] | None = None

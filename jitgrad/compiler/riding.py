"""Column sums that ride along with a product: a linear layer's bias gradient sums the rows of the
matrix that its weight gradient multiplies from the left.

The product's kernel adds up the columns of each part of the matrix it has just read. Entry: `ride`,
`sums` (their lines in the kernel). Imports: compiler, kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.compiler.columns import lanes
from jitgrad.compiler.groups import Group
from jitgrad.compiler.loops import indent
from jitgrad.compiler.source import Writer
from jitgrad.compiler.values import Access, Value
from jitgrad.kernels.columns import BLOCK, LEVELS

if TYPE_CHECKING:
    from jitgrad.compiler.fuse import Fusion

_PLAIN = {"reshape", "permute"}  # view steps that neither leave out elements nor repeat them


def ride(fusion: Fusion) -> None:
    """Move sums of leading axes that stand alone into a product that reads the same matrix."""
    products: dict[Value, list[Group]] = {}
    for group in fusion.groups.values():
        product = group.product
        if product is not None and _turned(product.inputs[0]):
            products.setdefault(product.inputs[0].value, []).append(group)
    for group in list(fusion.groups.values()):
        if group.kind != "column" or len(group.values) != 1 or not _plain(group.values[0]):
            continue
        (total,) = group.values
        read = total.inputs[0]
        for other in products.get(read.value, ()):
            product = other.product
            assert product is not None
            if product.inputs[0].dims[-2] == read.dims[-1] and not other.before & 1 << group.id:
                _join(fusion, group, other)
                break


def _turned(left: Access) -> bool:
    """Whether a product reads its left operand column by column, all of a row-major matrix."""
    rows, columns = left.tags()[-2:]
    return (
        len(left.dims) == 2
        and (rows, columns) in (("u", "s"), ("u", "c"))
        and all(name in _PLAIN for name, _, _ in left.moves)
    )


def _plain(total: Value) -> bool:
    """Whether a sum of leading axes leaves the last one, over floats that lie row after row."""
    read = total.inputs[0]
    return (
        total.op == "sum"
        and total.dtype.kind == "f"
        and read.value.dtype is total.dtype
        and total.attrs[-1] < len(read.dims) - 1
        and total.space == (read.dims[-1],)
        and all(tag in "1cu" for tag in read.tags())
        and all(name in _PLAIN for name, _, _ in read.moves)
    )


def _join(fusion: Fusion, group: Group, product: Group) -> None:
    """`group`'s one value becomes a "margin" of the product: it is ready when that is."""
    (total,) = group.values
    total.kind = "margin"
    product.values.append(total)
    product.place[total] = (0,)
    fusion.of[total] = product
    del fusion.groups[group.id]
    gone, into = 1 << group.id, 1 << product.id
    for other in fusion.groups.values():
        if other.before & gone:
            other.before = (other.before & ~gone) | into | product.before
    fusion.graph.fired.append("column sum rides along with a product")


def sums(w: Writer, total: Value, depth: str, left: str, leading: str) -> list[str]:
    """Lines that sum the columns first .. first + high of the left operand, in the first part of
    the product's columns."""
    suffix = total.dtype.suffix
    out = w.param(("own", total.id), "out", suffix + "*", ("own", total))
    stack = w.scratch_run(f"{total.op}_acc", suffix, BLOCK * LEVELS)
    call = w.function(f"column_sum_{suffix}")
    at = w.function("at")
    return [
        "if across == 0:",
        *indent([
            f"{call}({at}({left}, first), {leading}, {depth}, high, {lanes(w, total)}, "
            f"{at}({out}, first), {stack})"
        ]),
    ]  # fmt: skip

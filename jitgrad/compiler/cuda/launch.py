"""How a DeviceKernel is launched at given sizes: blocks, threads, memory, the added arguments.

Everything that bits depend on (team, width, span, threads of a block) follows from the sizes; only
the number of blocks follows from the device. Entry: `configure`. Imports: compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jitgrad.compiler.cuda.kernel import DeviceKernel
from jitgrad.compiler.kernel import Spec
from jitgrad.compiler.source import BYTES

WARP = 32
ALIGN = 256  # bytes, of arrays that share a workspace


@dataclass(frozen=True, slots=True)
class Device:
    """What a launch depends on; the defaults suit sm_80 and sm_90.

    Attributes:
        processors: multiprocessors.
        blocks: of one multiprocessor, where blocks stride over the work.
        threads: of a block.
        row: columns of a row up to which a warp takes it alone.
        shared: bytes of shared memory that any block may ask for.
        parts: spans of rows, at most, that a column reduction is cut into.
    """

    processors: int = 132
    blocks: int = 8
    threads: int = 256
    row: int = 1024
    shared: int = 48 << 10
    parts: int = 64

    def grid(self, blocks: int) -> int:
        """As many blocks as there is work for, or as fill the device."""
        return min(blocks, self.processors * self.blocks)


@dataclass(frozen=True, slots=True)
class Launch:
    """Grid and arguments of one launch.

    Attributes:
        blocks: of the grid; 0 where there is nothing to do.
        threads: of a block.
        numbers: the kernel's added arguments that are numbers.
        shared: bytes of shared memory of a block.
        workspace: bytes of device memory to lend: as `scratch`, or as the partial results of a
            column reduction, one array behind the other at multiples of ALIGN.
        finish: blocks of the kernel's second function; 0 where it is not to run, and the partial
            results are the results.
    """

    blocks: int
    threads: int
    numbers: dict[str, int]
    shared: int = 0
    workspace: int = 0
    finish: int = 0


def configure(
    kernel: DeviceKernel, number: Callable[[Spec], int], device: Device | None = None
) -> Launch:
    """The launch at the sizes that `number` answers with."""
    device = device or Device()
    units, size = number(kernel.units), number(kernel.unit_size)
    room = sum(-(-number(spec) * item // 64) * 64 for spec, item in kernel.scratch)
    return _LAUNCHES[kernel.launch](kernel, units, size, room, device)


def _elements(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    pieces = -(-units // kernel.wide) if size == 1 else units * -(-size // kernel.wide)
    blocks = device.grid(-(-pieces // device.threads))
    return Launch(blocks, device.threads, {"units": units})


def _rows(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    alone = size <= device.row and device.threads // WARP * room <= device.shared
    team = WARP if alone else device.threads
    teams = device.threads // team
    blocks = device.grid(-(-units // teams))
    numbers = {"units": units, "team": team, "per_team": room}
    if teams * room <= device.shared:
        return Launch(blocks, device.threads, numbers, shared=teams * room)
    return Launch(blocks, device.threads, numbers, workspace=blocks * teams * room)


def _chunks(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    return Launch(device.grid(units), device.threads, {"units": units})


def _columns(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    """`units` is the number of columns, `size` that of rows."""
    width = 1
    while width < min(WARP, device.threads) and width * kernel.wide < units:
        width *= 2
    lines = device.threads // width
    span = max(8, -(-size // (device.parts * lines))) * lines
    parts = max(1, -(-size // span))
    blocks = device.grid(parts * -(-units // (kernel.wide * width)))
    numbers = {"span": span, "width": width, "parts": parts}
    if parts == 1:
        return Launch(blocks, device.threads, numbers)
    room = sum(places(kernel, parts * units).values())
    finish = device.grid(-(-units // device.threads))
    return Launch(blocks, device.threads, numbers, workspace=room, finish=finish)


def places(kernel: DeviceKernel, count: int) -> dict[str, int]:
    """Bytes of each array of `count` partial results of a column reduction."""
    kinds = dict(kernel.extra)
    return {name: -(-count * BYTES[kinds[name][:-1]] // ALIGN) * ALIGN for name in kernel.results}


def _single(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    return Launch(1, device.threads, {})


def _units(kernel: DeviceKernel, units: int, size: int, room: int, device: Device) -> Launch:
    blocks = device.grid(-(-units // device.threads))
    numbers = {"units": units, "per_thread": room}
    return Launch(blocks, device.threads, numbers, workspace=blocks * device.threads * room)


_LAUNCHES = {
    "elements": _elements,
    "rows": _rows,
    "chunks": _chunks,
    "columns": _columns,
    "single": _single,
    "units": _units,
}

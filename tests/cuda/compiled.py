"""PTX and machine code of the kernels of a computation, and what must hold of them.

Needs the compiler packages, no GPU. Entry: `device_kernels`, `entries`, `checked`.
"""

import re

from jitgrad.compiler.cuda.text import segments
from jitgrad.compiler.source import BYTES
from jitgrad.runtime import cuda_compile
from tests.cuda.graphs import scheduled, taken

ARCHITECTURES = (8, 0), (9, 0)
_FUSED = re.compile(r"\bfma\.")
_CONTRACTIBLE = re.compile(r"\b(?:add|sub|mul)\.(?:ftz\.)?f(?:32|64)\b")
_WIDE = r"\b{}\.(?:global\.)?(?:v4\.(?:f32|u32|b32)|v2\.(?:f64|u64|b64))\b"
_LONG_DIVISION = re.compile(r"\b(?:div|rem)\.[su]64\b")
_SHORT_DIVISION = re.compile(r"\b(?:div|rem)\.u32\b")
_ANYWHERE = re.compile(r"\b(?:ld|st)\.(?!param|global|shared)")
_LEAVES = re.compile(r"^\s+(?:@!?%p\d+ )?(?:call|trap|exit|brkpt)\b", re.M)
_CALLS = re.compile(r"from jitgrad\.kernels\.(\w+) import (.*)")


def device_kernels(tensors):
    """(kernel, how many segments its step has) of each step with source, by name."""
    schedule = scheduled(taken(tensors))
    return [(s.kernels[0], len(s.kernels)) for s in schedule.steps if s.kernels[0].source]


def entries(kernel, count):
    """(source, function, parameters) of every function of a step that is launched."""
    given = (*kernel.params, *kernel.extra)
    out = [(kernel.source, name, given) for name in (kernel.name, kernel.finish) if name]
    if count > 1:
        out = [(segments(kernel), f"{kernel.name}_segments", (("table", "i64*"),))]
    return out


def checked(kernel, source, function, params):
    """Compile one function and hold its PTX and machine code to the rules."""
    lowered = cuda_compile.lower(source, function, params)
    for cc in ARCHITECTURES:
        ptx = cuda_compile.ptx(lowered, cc)
        assert f".target sm_{cc[0]}{cc[1]}\n" in ptx
        hold(kernel, source, function, ptx)
        fits(ptx, cc)


def fits(ptx, cc):
    """Machine code of PTX is there and keeps a thread's own values in registers."""
    made = cuda_compile.machine(ptx, cc)
    assert made.cubin[:4] == b"\x7fELF" and _entry(ptx).encode() in made.cubin
    assert made.memory == 0, f"{made.memory} bytes of a thread's own are not registers"


def hold(kernel, source, function, ptx):
    """What PTX must be for any architecture."""
    assert not _CONTRACTIBLE.search(ptx), "an operation that ptxas may contract"
    modules = {module for module, _ in _CALLS.findall(source)}
    if not {"math", "math64", "random"} & modules:
        assert not _FUSED.search(ptx), "a fused multiply-add that nobody asked for"
    kinds = {kind.rstrip("*") for _, kind in kernel.params}
    if "f64" not in kinds and "np.float64(" not in source:
        assert ".f64" not in ptx, "float64 arithmetic in a float32 kernel"
    assert ".local" not in ptx, "the thread's own arrays are not registers"
    assert not _LEAVES.search(ptx), "a call or a trap"
    # NVVM divides in 32 bits where both numbers fit: a second, short division beside each.
    long, short = len(_LONG_DIVISION.findall(ptx)), len(_SHORT_DIVISION.findall(ptx))
    assert long <= short, "a 64-bit division of numbers that may be short"
    assert "%nctaid.x" in ptx or kernel.launch == "single", "no stride over the grid"
    if not kernel.scratch:  # which lies in shared memory, or does not fit there
        assert not _ANYWHERE.search(ptx), "an access that does not know its memory"
    if function != kernel.finish:
        for access, name in (("ld", "fetch"), ("st", "spill")):
            asked = sum(
                source.count(f" {name}_{s}(") for s, n in BYTES.items() if n == 16 // kernel.wide
            )
            found = len(re.findall(_WIDE.format(access), ptx))
            assert asked <= found, f"{asked} 128-bit accesses by {name}, {found} in PTX"
    if function == kernel.name and "lines_" in source:
        assert "bar.sync" in ptx and ".shared" in ptx
    if function == kernel.name and re.search(r"\b(?:team|block)_(?!memory)", source):
        assert "shfl.sync.bfly" in ptx and "bar.sync" in ptx


def _entry(ptx):
    return re.search(r"\.visible \.entry (\w+)\(", ptx)[1]

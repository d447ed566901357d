"""PTX and machine code of the kernels of a computation, and what must hold of them.

Needs the compiler packages, no GPU. Entry: `device_kernels`, `entries`, `checked`.
"""

import re

from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.cuda.emit import CUDA
from jitgrad.compiler.cuda.text import segments
from jitgrad.debug.explaining import waiting
from jitgrad.frontend.pending import kept
from jitgrad.runtime import cuda_compile, sources

ARCHITECTURES = (8, 0), (9, 0)
# float32 functions that reduce their argument, or carry the product, in float64; see kernels/math.
IN_FLOAT64 = {"sin_f32", "cos_f32", "tan_f32", "pow_f32"}
_FUSED = re.compile(r"\bfma\.")
_CONTRACTIBLE = re.compile(r"\b(?:add|sub|mul)\.(?:ftz\.)?f(?:32|64)\b")
_WIDE = re.compile(r"\b(?:ld|st)\.(?:global\.)?(?:v4\.(?:f32|u32|b32)|v2\.(?:f64|u64|b64))\b")
_CALLS = re.compile(r"from jitgrad\.kernels\.(\w+) import (.*)")


def device_kernels(tensors):
    """(kernel, how many segments its step has) of each step with source, by name."""
    schedule = schedules.build(snapshot.take(kept(waiting(tensors))), True, CUDA)
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
        code = cuda_compile.cubin(ptx, cc)
        assert f".target sm_{cc[0]}{cc[1]}\n" in ptx
        assert code[:4] == b"\x7fELF" and _entry(ptx).encode() in code
        assert not _CONTRACTIBLE.search(ptx), "an operation that ptxas may contract"
        hold(kernel, source, function, ptx)


def hold(kernel, source, function, ptx):
    """What PTX must be for any architecture."""
    modules = {module for module, _ in _CALLS.findall(source)}
    if not {"math", "math64", "random"} & modules:
        assert not _FUSED.search(ptx), "a fused multiply-add that nobody asked for"
    kinds = {kind.rstrip("*") for _, kind in kernel.params}
    reached = {name for _, name in sources.needs(kernel)}
    if "f64" not in kinds and "np.float64(" not in source and not reached & IN_FLOAT64:
        assert ".f64" not in ptx, "float64 arithmetic in a float32 kernel"
    assert "__local_depot" not in ptx, "the thread's own arrays are not registers"
    if kernel.wide > 1 and function != kernel.finish:
        assert _WIDE.search(ptx), "no 128-bit access"
    if function == kernel.name and "lines_" in source:
        assert "bar.sync" in ptx and ".shared" in ptx
    if function == kernel.name and re.search(r"\b(?:team|block)_(?!memory)", source):
        assert "shfl.sync.bfly" in ptx and "bar.sync" in ptx


def _entry(ptx):
    return re.search(r"\.visible \.entry (\w+)\(", ptx)[1]

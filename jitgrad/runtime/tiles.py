"""Where `kernels.tiles` lies as machine code: built once, like any kernel, for all that call it.

Entry: `address`, `called_by`, `CPU`. Imports the compiler's `schedule`, `blas`, `build`,
`switches`, kernels' `gemm`.
"""

import dataclasses

from jitgrad.compiler import schedule
from jitgrad.kernels.gemm import TILED_CORES
from jitgrad.runtime import blas, build, switches


class _Tiles:
    """The tiled product as a kernel; its work range means nothing."""

    name = "tiles"
    form = "vectors"
    params = (
        *((name, "i64") for name in ("transa", "transb", "m", "n", "k")),
        ("a", "f32*"), ("lda", "i64"), ("b", "f32*"), ("ldb", "i64"), ("c", "f32*"), ("ldc", "i64"),
    )  # fmt: skip
    source = (
        "import numpy as np\n"
        "from jitgrad.kernels.intrinsics import view_f32\n"
        "from jitgrad.kernels.tiles import tiled_f32\n"
        "def tiles(error, transa, transb, m, n, k, a, lda, b, ldb, c, ldc, lo, hi, scratch):\n"
        "    room = view_f32(scratch, 0)\n"
        "    tiled_f32(transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room)\n"
        "    return np.int32(0)\n"
    )


def called_by(kernels):
    """What `kernels` need built beside them."""
    calls = any("gemm_f32" in kernel.source for kernel in kernels)
    return [_Tiles] if calls and switches.jit() and _used() else []


def _used():
    """Whether products of float32 run in tiles."""
    return blas.core_name() in TILED_CORES


# What schedules are made for. OpenBLAS cuts products into panels of few rows on some cores: an
# operand would be computed anew for each.
CPU = dataclasses.replace(schedule.CPU, prologues=_used)


def address():
    """The address; under JITGRAD_JIT=0 there is none, and 1 stands for it."""
    return build.get(_Tiles).address if switches.jit() else 1

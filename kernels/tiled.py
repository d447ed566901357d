"""Calls `tiles.tiled_f32` where it has been built: at an address that kernels get as an argument.

Entry function: `tiled_f32`; `tiled_llvm` is its form for compiled code. May import: `tiles`.
"""

from . import tiles


def tiled_f32(address, transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room):
    """`tiles.tiled_f32` at `address`, which Python does not need."""
    tiles.tiled_f32(transa, transb, m, n, k, a, lda, b, ldb, c, ldc, room)

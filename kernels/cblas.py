"""OpenBLAS's matrix product over pointers; `jitgrad.runtime.blas` maps the library.

Entry functions: `sgemm`, `dgemm`; `cblas_llvm` calls the same library from compiled code, so both
give the same bits. May import: ctypes, llvmlite.
"""

import ctypes

_INT, _POINTER = ctypes.c_int32, ctypes.c_void_p
_ROW_MAJOR, _NO_TRANS = 101, 111
_routines = {}


def address_of(name):
    """Where a routine that was mapped lies; 0 or None for one that was not."""
    from llvmlite import binding

    return binding.address_of_symbol(name)


def _routine(name, scalar):
    routine = _routines.get(name)
    if routine is None:
        address = address_of(name)
        if not address:
            raise RuntimeError(f"{name} is not loaded: call jitgrad.runtime.blas.load() first")
        kind = ctypes.CFUNCTYPE(
            None,
            *[_INT] * 6,
            scalar,
            *[_POINTER, _INT] * 2,
            scalar,
            *[_POINTER, _INT],
        )
        routine = _routines[name] = kind(address)
    return routine


def _address(p):
    """Where a flat array, or a pointer object with an address, begins."""
    address = getattr(p, "address", None)
    return p.ctypes.data if address is None else address


def _gemm(name, scalar, transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
    where = _address(a), int(lda), _address(b), int(ldb)
    sizes = int(m), int(n), int(k)
    flags = _NO_TRANS + int(transa), _NO_TRANS + int(transb)
    _routine(name, scalar)(_ROW_MAJOR, *flags, *sizes, 1.0, *where, 0.0, _address(c), int(ldc))


def sgemm(transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
    """c = op(a) @ op(b), all row-major float32; c is not read."""
    _gemm("jg_sgemm", ctypes.c_float, transa, transb, m, n, k, a, lda, b, ldb, c, ldc)


def dgemm(transa, transb, m, n, k, a, lda, b, ldb, c, ldc):
    """c = op(a) @ op(b), all row-major float64; c is not read."""
    _gemm("jg_dgemm", ctypes.c_double, transa, transb, m, n, k, a, lda, b, ldb, c, ldc)

"""Our own copy of OpenBLAS, single-threaded, for the matrix products inside kernels.

`load()` maps the library of the scipy-openblas32 wheel (NumPy's own copy is another file) and makes
`jg_sgemm`, `jg_dgemm` known to compiled code; `core_name()` is the kernel set it chose and
`gemm_parts` what is given to it, and how. Imports `machine` and kernels' `gemm`.
"""

import ctypes
import functools
import importlib.util
import os
import re

from jitgrad.kernels import gemm

from . import machine

_ROUTINES = {"jg_sgemm": "scipy_cblas_sgemm", "jg_dgemm": "scipy_cblas_dgemm"}


@functools.cache
def load():
    """Map the library once and register its routines; the ctypes library."""
    # Where its `get_lib_dir` points: importing it would read package metadata, 15 ms for a version.
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or not spec.origin:
        raise ModuleNotFoundError("jitgrad needs scipy-openblas32: pip install scipy-openblas32")
    folder = os.path.join(os.path.dirname(spec.origin), "lib")
    names = [n for n in sorted(os.listdir(folder)) if re.match(r"lib.*openblas.*\.(so|dylib)", n)]
    if not names:
        raise RuntimeError(f"scipy-openblas32 has no library in {folder}: reinstall it")
    # Read when the library is mapped: with more it would start threads of its own.
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        library = ctypes.CDLL(os.path.join(folder, names[0]))
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
    library.scipy_openblas_set_num_threads(1)
    library.scipy_openblas_get_corename.restype = ctypes.c_char_p
    for name, routine in _ROUTINES.items():
        machine.define(name, getattr(library, routine))
    return library


def load_for(symbols):
    """Map the library if one of `symbols` is in it."""
    if any(symbol in _ROUTINES for symbol in symbols):
        load()


@functools.cache
def core_name():
    """The kernel set that OpenBLAS runs, e.g. Haswell, Zen, SkylakeX."""
    return load().scipy_openblas_get_corename().decode()


def gemm_parts(m, n, k, suffix):
    """How an (m, n) product over k is made on the core in use: see `kernels.gemm.gemm_parts`."""
    return gemm.gemm_parts(m, n, k, suffix, core_name())

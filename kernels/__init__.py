"""Hand-written kernels: the code that jitgrad does not generate, one file a subject.

Everything here is plain undecorated Python over scalars and pointers. `jitgrad.runtime.build`
executes these sources a second time with every function wrapped by Numba and `intrinsics` replaced
by `intrinsics_llvm`; with JITGRAD_JIT=0 they run as they stand on NumPy scalars and flat arrays
and give the same bits. A name with a dtype suffix may be an alias of one generic function. A
module that says `INLINE = True` wants its functions inlined into the loops that call them, else
those stay scalar. `X64` is X for float64: tables and thresholds are constants of a module to Numba,
so each precision has a module; `tests/kernels/test_precisions.py` keeps what else they hold alike.

What only CUDA threads can do is in `device`, `teams` and `wide`; there `X_cuda` takes the place of
X's functions, as `X_llvm` does on the CPU, and the Python twins serve the CUDA simulator.

Entry: import the subject, e.g. `from jitgrad.kernels.math import exp_f32`. May import: NumPy, and
Numba in `*_llvm`, `*_cuda` and what is for CUDA alone; nothing of jitgrad.
"""

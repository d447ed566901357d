"""What only a thread of a CUDA block can do, as Python twins for the CUDA simulator.

Index arithmetic: `strides`, `over`.
Registers and wide accesses: `private_<s>(n)`, `count_of`, `aligned`, `load_vector`, `store_vector`.
Other threads: `shuffle_xor`, `slots_like`, `index_slots`, `block_slots`. Memory: `dynamic_shared`,
`present`, `pointer_<s>`, `claim`. `device_cuda` defines the same names for compiled code. What has
no twin (shuffles, addresses) the simulator brings. May import: NumPy, `numba.cuda`.
"""

import numpy as np
from numba import cuda

THREADS = 1024  # at most in a block
WARP = 32

# ---- index arithmetic


def strides(start, stop, step):
    """A loop from `start` to before `stop`; the step is positive."""
    return range(start, stop, step)


def over(a, n):
    """a // n, for a that is not negative and n that is positive."""
    return a // n


# ---- registers and wide accesses


def private_f32(n):
    """n float32 of this thread: registers, once the loops over them are unrolled."""
    return np.zeros(n, np.float32)


def private_f64(n):
    """n float64 of this thread."""
    return np.zeros(n, np.float64)


def private_i8(n):
    """n int8 of this thread."""
    return np.zeros(n, np.int8)


def private_i16(n):
    """n int16 of this thread."""
    return np.zeros(n, np.int16)


def private_i32(n):
    """n int32 of this thread."""
    return np.zeros(n, np.int32)


def private_i64(n):
    """n int64 of this thread."""
    return np.zeros(n, np.int64)


def private_u8(n):
    """n uint8 of this thread."""
    return np.zeros(n, np.uint8)


private_b1 = private_u8


def count_of(private):
    """How many elements a thread's own array has; a constant."""
    return len(private)


def aligned(p, i, private):
    """Whether element i of p starts as many bytes as `private` has in one access."""
    start = p.ctypes.data if isinstance(p, np.ndarray) else p.address
    return (start + i * p.dtype.itemsize) % private.nbytes == 0


def load_vector(private, p, i):
    """Elements i and on of p in one access, which must be aligned."""
    for k in range(len(private)):
        private[k] = p[i + k]


def store_vector(p, i, private):
    """To elements i and on of p in one access, which must be aligned."""
    for k in range(len(private)):
        p[i + k] = private[k]


# ---- other threads of the block


def shuffle_xor(x, mask):
    """The x of the thread of the warp whose number differs in the bits of `mask`."""
    raise NotImplementedError("simulated threads bring their own shuffle")


def slots_like(x):
    """Shared memory for one x of each warp; 64 bits wide in this twin."""
    if isinstance(x, np.floating):
        return _float_slots()
    return _integer_slots()


def _float_slots():
    return cuda.shared.array(THREADS, np.float64)


def _integer_slots():
    return cuda.shared.array(THREADS, np.int64)


def index_slots():
    """Shared memory for one int64 of each warp."""
    return cuda.shared.array(WARP, np.int64)


def block_slots(x):
    """Shared memory for one x of each thread of a block of 256."""
    return slots_like(x)


# ---- memory


def dynamic_shared():
    """The bytes of shared memory that the launch asked for."""
    return cuda.shared.array(0, np.dtype(np.uint8))


def present(p):
    """Whether a pointer is not null."""
    return p is not None


def _pointer():
    def pointer(word):
        raise NotImplementedError("an address is a pointer only where memory has addresses")

    return pointer


pointer_f32, pointer_f64, pointer_i8, pointer_i16 = (_pointer() for _ in range(4))
pointer_i32, pointer_i64, pointer_u8, pointer_b1 = (_pointer() for _ in range(4))


def claim(error):
    """Whether this thread is the first to set the error slot."""
    return cuda.atomic.cas(error, 0, 0, 1) == 0

"""Host memory that never goes back in the hot path: `alloc(nbytes) -> Buffer`, `wrap(array)`.

Fresh pages cost more than most kernels, so memory comes in arenas that are touched at once and
kept; a Buffer that dies goes to the free list of its size class. `empty_cache()` gives unused
memory back to the system, `memory_stats()` tells what is held. Imports `switches` alone.
"""

import bisect
import collections
import contextlib
import ctypes
import functools
import threading
import weakref

import numpy as np

from . import fork, switches

ALIGN = 64
_ARENA = 4 << 20  # small blocks are cut from arenas of this size
_LARGE = 1 << 20  # from here on a block is a mapping of its own
_HUGE = 2 << 20
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MADV_HUGEPAGE, _MADV_POPULATE_WRITE = 14, 23

_lock = threading.RLock()
_free: dict[int, collections.deque] = collections.defaultdict(collections.deque)
_mappings: dict[int, int] = {}  # address -> bytes of every mapping held
_arenas: set[int] = set()  # those of them that small blocks are cut from
_rest = [0, 0]  # address and bytes of what is left of the newest arena
_peak = 0
_external: "weakref.WeakValueDictionary[int, Buffer]" = weakref.WeakValueDictionary()
# Interpreted kernels check their indices against single buffers, so those are listed then.
_tracked: list[int] | None = None if switches.jit() else []
_sizes: dict[int, int] = {}


class Buffer:
    """A block of memory, 64-byte aligned; it goes back to the pool when nothing refers to it."""

    __slots__ = ("__weakref__", "_block", "keep", "nbytes", "ptr", "readonly")

    def __init__(self, ptr, nbytes, block, keep=None, readonly=False):
        self.ptr = ptr
        self.nbytes = nbytes
        self.keep = keep
        self.readonly = readonly
        self._block = block

    @property
    def external(self):
        """Whether the memory belongs to someone else (an array that this keeps alive)."""
        return self.keep is not None

    @property
    def __array_interface__(self):
        return {
            "version": 3,
            "shape": (self.nbytes,),
            "typestr": "|u1",
            "data": (self.ptr, self.readonly),
        }

    @property
    def array(self):
        """The bytes as a flat NumPy array, which keeps this Buffer alive."""
        return np.asarray(self)

    def view(self, dtype, shape, strides=None, offset=0, readonly=False):
        """A NumPy array over part of the memory, which keeps this Buffer alive."""
        array = np.ndarray(shape, dtype, self.array, offset, strides)
        if readonly:
            array.flags.writeable = False
        return array

    def __del__(self):
        if self._block and _free is not None:  # at the end of a process our names become None
            if _tracked is not None:
                _untrack(_tracked, self.ptr)
            _free[self._block].append(self.ptr)

    def __repr__(self):
        return f"Buffer({self.nbytes} bytes at {self.ptr:#x})"


@functools.lru_cache(4096)
def size_class(nbytes):
    """The block size that `nbytes` are taken from: eight sizes to each doubling."""
    if nbytes <= 8 * ALIGN:
        return max(ALIGN, (nbytes + ALIGN - 1) & -ALIGN)
    shift = (nbytes - 1).bit_length() - 4
    return ((nbytes - 1 >> shift) + 1) << shift


def alloc(nbytes):
    """A Buffer of at least `nbytes`; the contents are arbitrary."""
    size = size_class(nbytes)
    try:
        ptr = _free[size].pop()
    except IndexError:
        size, ptr = _fresh(size)
    if _tracked is not None:
        with _lock:
            bisect.insort(_tracked, ptr)
            _sizes[ptr] = nbytes
    return Buffer(ptr, nbytes, size)


def wrap(array):
    """A Buffer over the memory of a C-contiguous NumPy array, which it keeps alive."""
    if not array.flags.c_contiguous:
        raise NotImplementedError("array: only C-contiguous memory can be wrapped as a whole")
    buffer = Buffer(array.ctypes.data, array.nbytes, 0, array, not array.flags.writeable)
    _external[buffer.ptr] = buffer
    return buffer


def memory_stats():
    """Bytes held from the system, in use, cached in free lists, and the most ever held."""
    with _lock:
        held = sum(_mappings.values())
        cached = sum(size * len(blocks) for size, blocks in list(_free.items())) + _rest[1]
        return {
            "held_bytes": held,
            "live_bytes": held - cached,
            "cached_bytes": cached,
            "peak_held_bytes": _peak,
            "mappings": len(_mappings),
        }


def empty_cache():
    """Give unused memory back to the system: the number of bytes.

    Large blocks go one by one; small ones only when no small block is in use any more.
    """
    given = 0
    with _lock:
        small = []  # taken off the lists first: other threads allocate without the lock
        for size, blocks in list(_free.items()):
            with contextlib.suppress(IndexError):
                while True:
                    address = blocks.pop()
                    if size >= _LARGE:
                        given += _unmap(address)
                    else:
                        small.append((size, address))
        if sum(size for size, _ in small) + _rest[1] == len(_arenas) * _ARENA:
            given += sum(_unmap(address) for address in _arenas)
            _arenas.clear()
            _rest[:] = 0, 0
        else:
            for size, address in reversed(small):
                _free[size].append(address)
    return given


def extent(address):
    """(first byte, past the last) of the smallest thing known to hold `address`."""
    with _lock:
        if _tracked:
            at = bisect.bisect_right(_tracked, address) - 1
            if at >= 0 and address <= _tracked[at] + _sizes[_tracked[at]]:
                return _tracked[at], _tracked[at] + _sizes[_tracked[at]]
        for buffer in list(_external.values()):
            if buffer.ptr <= address <= buffer.ptr + buffer.nbytes:
                return buffer.ptr, buffer.ptr + buffer.nbytes
        for start, size in _mappings.items():
            if start <= address < start + size:
                return start, start + size
    return 0, 1 << 63


def _untrack(tracked, ptr):
    with _lock:
        del tracked[bisect.bisect_left(tracked, ptr)]
        del _sizes[ptr]


def _fresh(size):
    """A block of `size` or somewhat more: (its size, its address)."""
    with _lock:
        if size >= _LARGE:
            for other in sorted(_free):
                # Alternating sizes share a block instead of holding one each.
                if size < other <= size + size // 2:
                    with contextlib.suppress(IndexError):
                        return other, _free[other].pop()
            return size, _map(size)
        if _rest[1] < size:
            _keep_rest()
            _rest[:] = _map(_ARENA), _ARENA
            _arenas.add(_rest[0])
        ptr = _rest[0]
        _rest[0] += size
        _rest[1] -= size
        return size, ptr


def _keep_rest():
    """Put what is left of an arena on the free lists, in pieces that are classes themselves."""
    while _rest[1] >= ALIGN:
        size = size_class(_rest[1])
        if size > _rest[1]:  # the class below: an eighth of a doubling less
            size -= 1 << max(6, (_rest[1]).bit_length() - 4)
        _free[size].append(_rest[0])
        _rest[0] += size
        _rest[1] -= size


def _map(size):
    """Fresh pages of the system, all of them touched."""
    global _peak
    address = _mmap(size)
    if address is None:
        empty_cache()
        address = _mmap(size)
    if address is None:
        stats = memory_stats()
        raise MemoryError(
            f"no memory for {size} bytes: jitgrad holds {stats['held_bytes']}, of which "
            f"{stats['live_bytes']} are in use and {stats['cached_bytes']} are cached"
        )
    _mappings[address] = size
    _peak = max(_peak, sum(_mappings.values()))
    return address


def _mmap(size):
    slack = _HUGE if size >= _HUGE else 0
    start = _libc.mmap(None, size + slack, 3, 0x22, -1, 0)  # read-write, private, anonymous
    if start in (None, ctypes.c_void_p(-1).value):
        return None
    address = (start + slack - 1) & -slack if slack else start
    if slack:  # aligned, so that the system can use large pages
        if address > start:
            _libc.munmap(start, address - start)
        end = (address + size + 4095) & -4096
        if start + size + slack > end:
            _libc.munmap(end, start + size + slack - end)
        _libc.madvise(address, size, _MADV_HUGEPAGE)
    if _libc.madvise(address, size, _MADV_POPULATE_WRITE):
        ctypes.memset(address, 0, size)
    return address


def _unmap(address):
    size = _mappings.pop(address)
    _libc.munmap(address, size)
    return size


fork.guard(_lock)

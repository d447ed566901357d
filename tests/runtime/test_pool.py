"""The buffer pool: reuse, alignment, lifetimes, what is given back."""

import collections
import gc
import random
import subprocess
import sys

import numpy as np
import pytest

from jitgrad.runtime import pool


def test_size_classes():
    rng = random.Random(0)
    for n in [*range(3000), *(rng.randrange(1 << rng.randrange(10, 40)) for _ in range(5000))]:
        size = pool.size_class(n)
        assert n <= size <= max(n * 1.13, n + pool.ALIGN) and size % pool.ALIGN == 0
        assert pool.size_class(size) == size


@pytest.mark.parametrize("nbytes", [0, 1, 100, 5000, 1 << 20, 3 << 20])
def test_memory_comes_back(nbytes):
    first = pool.alloc(nbytes)
    assert first.ptr % pool.ALIGN == 0 and first.nbytes == nbytes
    first.array[:] = 7
    where = first.ptr
    del first
    assert pool.alloc(nbytes).ptr == where


def test_views_keep_the_buffer():
    buffer = pool.alloc(400)
    where = buffer.ptr
    view = buffer.view(np.float32, (5, 4), offset=16)
    fixed = buffer.view(np.float32, (100,), readonly=True)
    view[:] = 3
    assert fixed[4] == 3 and view.ctypes.data == where + 16
    with pytest.raises(ValueError):
        fixed[0] = 1
    with pytest.raises(TypeError):  # beyond the end
        buffer.view(np.float32, (101,))
    del buffer, fixed
    gc.collect()
    other = pool.alloc(400)
    assert other.ptr != where
    other.array[:] = 0
    assert (view == 3).all()
    del view
    assert pool.alloc(400).ptr == where


def test_external_memory():
    array = np.arange(6.0)
    buffer = pool.wrap(array)
    assert buffer.external and not buffer.readonly and buffer.ptr == array.ctypes.data
    buffer.view(np.float64, (2, 3))[1, 2] = -1
    assert array[5] == -1
    fixed = np.arange(3)
    fixed.flags.writeable = False
    assert pool.wrap(fixed).readonly and not pool.wrap(fixed).array.flags.writeable
    with pytest.raises(NotImplementedError, match="contiguous"):
        pool.wrap(np.zeros((4, 4))[:, ::2])


def test_blocks_do_not_overlap():
    rng, live = random.Random(3), {}
    for number in range(3000):
        nbytes = rng.randrange(1, 1 << rng.randrange(3, 18))
        buffer = pool.alloc(nbytes)
        buffer.array[:] = number % 251
        live[number] = buffer
        if len(live) > 40:
            old = rng.choice(list(live))
            assert (live.pop(old).array == old % 251).all()


def test_alternating_sizes_share_memory():
    pool.empty_cache()
    before = pool.memory_stats()["held_bytes"]
    for step in range(200):
        sizes = (4 << 20, 3 << 20) if step % 2 else (3 << 20, 2 << 20)
        held = [pool.alloc(n) for n in sizes]
        assert held[0].ptr != held[1].ptr
        del held
    assert pool.memory_stats()["held_bytes"] - before <= 1.5 * (7 << 20)


def test_statistics_and_giving_back():
    pool.empty_cache()
    before = pool.memory_stats()
    buffer = pool.alloc(10 << 20)
    during = pool.memory_stats()
    assert during["held_bytes"] - before["held_bytes"] == 10 << 20
    assert during["live_bytes"] - before["live_bytes"] == 10 << 20
    assert pool.empty_cache() == 0
    del buffer
    after = pool.memory_stats()
    assert after["cached_bytes"] - before["cached_bytes"] == 10 << 20
    assert pool.empty_cache() >= 10 << 20
    assert pool.memory_stats()["held_bytes"] == before["held_bytes"]


def test_too_much_memory():
    with pytest.raises(MemoryError, match="jitgrad holds"):
        pool.alloc(1 << 60)
    assert pool.alloc(100).nbytes == 100


class Counted(collections.deque):
    """A free list of which another thread takes a block right after somebody has counted them."""

    def __len__(self):
        count = super().__len__()
        if count:
            self.taken.append(self.pop())
        return count

    taken: list[int] = []


@pytest.fixture
def raced(monkeypatch):
    """A pool without any memory, whose free lists are `Counted`."""
    monkeypatch.setattr(Counted, "taken", [])
    monkeypatch.setattr(pool, "_free", collections.defaultdict(Counted))
    monkeypatch.setattr(pool, "_mappings", {})
    monkeypatch.setattr(pool, "_arenas", set())
    monkeypatch.setattr(pool, "_rest", [0, 0])


@pytest.mark.usefixtures("raced")
def test_a_block_that_another_thread_takes():
    size = 3 << 20
    larger = pool.alloc(size + size // 4)
    del larger
    assert pool.alloc(size).nbytes == size


@pytest.mark.usefixtures("raced")
def test_memory_that_another_thread_takes_is_not_given_back():
    small = pool.alloc(64)
    del small
    given = pool.empty_cache()
    assert not (given and Counted.taken)
    assert given or pool._arenas


def test_memory_that_outlives_the_module_ends_quietly():
    program = (
        "import warnings, jitgrad\n"
        "held = jitgrad.ones(1000).realize()\n"
        "warnings.showwarning = lambda *a, held=held: None\n"
        "del held"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")

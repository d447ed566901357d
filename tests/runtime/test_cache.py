"""The disk cache: faults are misses, processes do not harm each other, the directory is private."""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from jitgrad.runtime import build, cache, sources, switches
from tests.runtime import samples

KEY = "0123456789abcdef" * 4
ENTRY = cache.Entry("jg_0123", ("memcpy",), bytes(range(256)) * 2)
USE = "from tests.runtime import samples; from jitgrad.runtime import build; import sys\n"
TELL = "print(build.counters.compiled, build.counters.loaded, 'numba' in sys.modules)\n"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache directory."""
    path = tmp_path / "cache"
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(path))
    return path


def _only(directory):
    (path,) = directory.glob("*.kernel")
    return path


def test_store_and_fetch(directory):
    assert cache.fetch(KEY) == (None, "absent")
    cache.store(KEY, ENTRY)
    assert cache.fetch(KEY) == (ENTRY, "")
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert os.stat(_only(directory)).st_mode & 0o777 == 0o600
    assert cache.summary() == (str(directory), 1, _only(directory).stat().st_size)


def test_every_truncation_and_every_flipped_bit_is_a_miss(directory):
    cache.store(KEY, ENTRY)
    path = _only(directory)
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        assert cache.fetch(KEY) == (None, "corrupt")
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            assert cache._decode(bytes(bad), KEY) is None
    path.write_bytes(good + b"x")
    assert cache.fetch(KEY) == (None, "corrupt")


def test_an_entry_answers_to_its_own_key_only(directory):
    cache.store(KEY, ENTRY)
    other = KEY[::-1]
    os.rename(_only(directory), directory / (other + ".kernel"))
    assert cache.fetch(other) == (None, "corrupt")


def test_a_damaged_kernel_is_compiled_again(directory):
    kernel = samples.kernel("twice", "y[i] = x[i] + x[i]", [("x", "f32*"), ("y", "f32*")])
    x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
    path = directory / (sources.key(kernel) + ".kernel")
    for state, from_cache in (("absent", False), ("good", True), ("corrupt", False)):
        if state == "corrupt":
            path.write_bytes(path.read_bytes()[:-3])
        build.forget()
        misses = build.counters.misses.get(state, 0)
        function = build.get(kernel)
        assert function.from_cache == from_cache
        assert build.counters.misses.get(state, 0) == misses + (not from_cache)
        samples.run(function, [x, y], 5)
        assert (y == 2 * x).all()


def test_a_second_process_compiles_nothing_and_imports_no_numba(directory):
    code = USE + "assert samples.squares()\n" + TELL
    compiled, loaded, numba = samples.python(code, directory).split()
    assert int(compiled) > 0 and loaded == "0" and numba == "True"
    assert samples.python(code, directory).split() == ["0", compiled, "False"]


def test_a_kernel_that_calls_the_c_library_is_loaded_first(directory):
    code = USE + "from jitgrad.runtime import threads\nbuild.get(threads._Driver)\n" + TELL
    assert samples.python(code, directory).split() == ["1", "0", "False"]  # the driver needs none
    assert samples.python(code, directory).split() == ["0", "1", "False"]


def test_an_unknown_external_symbol_is_a_miss(directory, monkeypatch):
    kernel = samples.kernel("alone", "y[i] = x[i] + np.float32(3)", [("x", "f32*"), ("y", "f32*")])
    key = build.get(kernel).key
    entry, _ = cache.fetch(key)
    cache.store(key, cache.Entry(entry.symbol, ("no_such_function",), entry.code))
    build.forget()
    before = build.counters.compiled
    assert build.get(kernel).address
    assert build.counters.misses["needs no_such_function"] == 1
    assert build.counters.compiled == before + 1


def _faulty(directory, fault):
    if fault == "symbolic link":
        directory.parent.joinpath("real").mkdir(mode=0o700)
        directory.symlink_to("real")
    elif fault == "other users":
        directory.mkdir()
        directory.chmod(0o770)
    elif fault == "another user":
        directory.mkdir(mode=0o700)
        os.chown(directory, 12345, 12345)
    elif fault == "no directory":
        directory.write_text("a file")
    elif fault == "cannot make":
        directory.parent.joinpath("file").write_text("")
        return directory.parent / "file" / "cache"
    return directory


FAULTS = ["symbolic link", "other users", "another user", "no directory", "cannot make"]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unsafe_directory_is_not_used_and_one_warning_says_so(directory, fault, monkeypatch):
    if fault == "another user" and os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(_faulty(directory, fault)))
    with pytest.warns(RuntimeWarning, match=f"in memory only.*{fault}"):
        assert cache.fetch(KEY) == (None, "no directory")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(KEY, ENTRY)
        assert cache.fetch(KEY) == (None, "no directory")
    assert not list(directory.parent.rglob("*.kernel"))


def test_no_home(tmp_path):
    """Import and run work; what cannot be written stays in memory."""
    code = "import warnings; warnings.simplefilter('ignore')\n" + USE + "assert samples.squares()"
    samples.python(code, tmp_path, JITGRAD_CACHE_DIR=None, HOME="/proc/no/such/home")


def test_a_full_disk_is_one_warning(directory, monkeypatch):
    cache.usable_directory()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        cache.store(KEY, ENTRY)
    cache.store(KEY, ENTRY)
    assert not list(directory.iterdir())


def test_removing_the_directory_during_the_run(directory):
    for _ in range(3):
        cache.store(KEY, ENTRY)
        assert cache.fetch(KEY)[0] == ENTRY
        shutil.rmtree(directory)
        assert cache.fetch(KEY) == (None, "absent")
        cache.store(KEY, ENTRY)  # this one finds no directory
        cache.store(KEY, ENTRY)  # and this one has made it again
        assert cache.fetch(KEY)[0] == ENTRY


def test_the_least_recently_used_go_first(directory):
    keys = [f"{i:064d}" for i in range(20)]
    for i, key in enumerate(keys):
        cache.store(key, ENTRY)
        os.utime(directory / (key + ".kernel"), (1e9 + i, 1e9 + i))
    cache.fetch(keys[0])  # renews its time
    stale = directory / "x.kernel.1.2.part"
    stale.write_bytes(b"left by a killed writer")
    os.utime(stale, (1e9, 1e9))
    cache.trim(str(directory), max_files=10)
    left = {path.stem for path in directory.glob("*.kernel")}
    assert len(left) == 9 and keys[0] in left and keys[-1] in left and keys[1] not in left
    assert not stale.exists()
    size = ENTRY.code.__len__()
    cache.trim(str(directory), max_bytes=4 * size)
    assert sum(path.stat().st_size for path in directory.iterdir()) <= 4 * size


def test_killed_while_writing(directory):
    code = (
        "from jitgrad.runtime import cache\n"
        "entry = cache.Entry('jg_x', (), bytes(200_000))\n"
        "i = 0\n"
        "while True:\n"
        "    cache.store(f'{i % 7:064d}', entry); i += 1\n"
        "    if i == 1: print('started', flush=True)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(samples.ROOT)}
    for delay in (0.0, 0.01, 0.023):
        process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for i in range(7):
            assert cache.fetch(f"{i:064d}")[1] in ("", "absent")


def _use_the_cache():
    for i in range(100):
        key = f"{i % 5:064d}"
        entry = cache.Entry("jg_x", (), str(i % 5).encode() * 5000)
        found, reason = cache.fetch(key)
        if found not in (None, entry) or reason not in ("", "absent"):
            return 1
        cache.store(key, entry)
    return 0


def test_sixteen_processes_on_an_empty_directory(directory):
    children = []
    for _ in range(16):
        child = os.fork()
        if child == 0:
            code = 2
            try:
                warnings.simplefilter("error")
                code = _use_the_cache()
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children] == [0] * 16
    assert len(list(directory.iterdir())) == 5


def test_several_processes_compile_at_once(directory):
    env = {**os.environ, "PYTHONPATH": str(samples.ROOT)}
    code = USE + "assert samples.squares()\n"
    processes = [subprocess.Popen([sys.executable, "-c", code], env=env) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]


@pytest.mark.slow
def test_sixteen_processes_compile_at_once(directory):
    env = {**os.environ, "PYTHONPATH": str(samples.ROOT)}
    code = USE + "assert samples.squares()\n"
    processes = [subprocess.Popen([sys.executable, "-c", code], env=env) for _ in range(16)]
    assert [process.wait(300) for process in processes] == [0] * 16
    assert samples.python(code + TELL, directory).split()[0] == "0"


def test_switches(monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "yes")
    with pytest.raises(ValueError, match="JITGRAD_JIT=yes: expected 0 or 1"):
        switches.jit()
    monkeypatch.setenv("JITGRAD_DEBUG", "9")
    with pytest.raises(ValueError, match="expected 0 to 4"):
        switches.debug()
    monkeypatch.setenv("JITGRAD_DEBUG", "2")
    assert switches.debug() == 2
    for name in switches.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert switches.jit() and switches.fuse() and not switches.check()
    assert switches.debug() == 0 and switches.device() == "cpu"
    assert switches.cache_dir().endswith(".cache/jitgrad")

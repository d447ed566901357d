"""Programs: memory and errors do not depend on threads; forks; several Python threads."""

import gc
import os
import random
import signal
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest

from jitgrad.kernels import driver
from jitgrad.runtime import build, program, threads
from tests.runtime import samples


@pytest.fixture(autouse=True)
def _restore_threads():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def _random_program(rng, function):
    """Steps over counters; sometimes one step has a bad element in each of its segments."""
    steps, cells, bad_step = [], [], None
    count = rng.randrange(1, 30)
    chosen = rng.randrange(count) if rng.random() < 0.3 else -1
    for number in range(count):
        segments = []
        for _ in range(rng.choice([1, 1, 2, 9])):
            units = rng.choice([0, 1, 3, rng.randrange(1, 5000)])
            cell = np.zeros(max(units, 1), np.int64)
            bad = rng.randrange(units) if units and number == chosen else -1
            segments.append((program.pack(function.params, [cell, bad]), units))
            cells.append((number, cell, units, bad))
            if bad >= 0 and bad_step is None:
                bad_step = (number, len(segments) - 1, bad)
        grain = rng.choice([1, 64, 1000])
        steps.append(program.Step(function, segments, grain, serial=rng.random() < 0.2))
    return program.Program(steps), cells, bad_step


@pytest.mark.parametrize("count", [1, 2, 3])
def test_random_programs(count):
    function, rng = build.get(samples.count()), random.Random(count)
    threads.set_num_threads(count)
    for _ in range(120):
        run, cells, bad = _random_program(rng, function)
        for _ in range(2):
            for _, cell, _, _ in cells:
                cell[:] = 0
            failure = run.run()
            if bad:
                found = failure.step, failure.segment, failure.code, failure.op, failure.element
                assert found == (bad[0], bad[1], 3, 7, bad[2])
            else:
                assert failure is None
            for step, cell, units, _ in cells:
                if bad is None or step < bad[0]:
                    assert (cell[:units] == 1).all()
                elif step > bad[0]:
                    assert (cell == 0).all()


def test_interpreted_program_reports_the_same(monkeypatch):
    results = []
    for jit in "10":
        monkeypatch.setenv("JITGRAD_JIT", jit)
        function = build.get(samples.count())
        cells = [np.zeros(20, np.int64) for _ in range(3)]
        values = zip(cells, (-1, 5, 2), strict=True)
        segments = [(program.pack(function.params, v), 20) for v in values]
        results.append(program.Program([program.Step(function, segments, grain=4)]).run())
    assert results[0] == results[1] == program.Failure(0, 1, 3, 7, 5, 1)


def test_words_and_units_may_change_between_runs():
    function = build.get(samples.count())
    first, second = np.zeros(100, np.int64), np.zeros(100, np.int64)
    block = program.pack(function.params, [first, -1])
    run = program.Program([program.Step(function, [(block, 100)], grain=8)])
    run.run()
    block[1] = second.ctypes.data
    run.segments[0][0, 1] = 50
    run.run()
    assert first.sum() == 100 and second.sum() == 50


def test_scratch_is_aligned_and_large_enough():
    imports = "from jitgrad.kernels.intrinsics import view_f32"
    body = """
kept = view_f32(scratch, 0)
for j in range(n):
    kept[j] = np.float32(i)
total = np.float32(0)
for j in range(n):
    total = total + kept[j]
y[i] = total
"""
    function = build.get(samples.kernel("fill", body, [("y", "f32*"), ("n", "i64")], imports))
    for n in (16, 100_000):
        y = np.zeros(64, np.float32)
        samples.run(function, [y, n], 64, grain=1, scratch=4 * n)
        np.testing.assert_allclose(y, np.arange(64) * n, rtol=1e-6)


def test_python_threads_take_turns():
    function = build.get(samples.count())
    cells = [np.zeros(5000, np.int64) for _ in range(8)]

    def work(cell):
        block = program.pack(function.params, [cell, -1])
        run = program.Program([program.Step(function, [(block, 5000)], grain=100)] * 5)
        for _ in range(40):
            run.run()

    workers = [threading.Thread(target=work, args=(cell,)) for cell in cells]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((cell == 200).all() for cell in cells)


@pytest.mark.skipif(threads.default_threads() < 2, reason="needs two cores")
def test_a_worker_leaves_the_core_of_the_thread_that_runs_the_program():
    threads.set_num_threads(2)
    cells = np.zeros(100_000, np.int64)
    function = build.get(samples.count())
    step = program.Step(function, [(program.pack(function.params, [cells, -1]), cells.size)], 100)
    run = program.Program([step])
    run.run()
    (worker, *_), allowed = threads._pool.workers, os.sched_getaffinity(0)
    try:
        for core in sorted(allowed)[:2] * 2:
            os.sched_setaffinity(0, {core})
            os.sched_setaffinity(worker.native_id, {core})  # as the system might wake it there
            end = time.monotonic() + 20
            while core in os.sched_getaffinity(worker.native_id) and time.monotonic() < end:
                run.run()
            assert os.sched_getaffinity(worker.native_id) == allowed - {core}
    finally:
        os.sched_setaffinity(0, allowed)


def test_changing_the_number_of_threads_between_runs():
    for count in (2, 1, 4, 2, 1, 3):
        threads.set_num_threads(count)
        assert threads.get_num_threads() == count
        assert samples.squares(5000)


def test_a_worker_that_leaves_late_keeps_the_pool():
    group = threads._Pool(2)
    native, arguments = group.drive, group.arguments
    leave = threading.Event()

    def late(what, *rest):
        if what is arguments[driver.WORK]:
            leave.wait(20)
        return native(what, *rest)

    group.drive = late
    group.prepare(2, 0)
    native(arguments[driver.STOP], threads.word(0), threads.word(0), threads.word(0))
    (worker,), memory = group.workers, weakref.ref(group.memory)
    del group
    gc.collect()
    assert memory() is not None
    leave.set()
    worker.join(20)
    gc.collect()
    assert not worker.is_alive()
    assert memory() is None


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", 10_000])
def test_wrong_number_of_threads(n):
    with pytest.raises(ValueError, match="expected an integer"):
        threads.set_num_threads(n)


def test_a_forked_child_runs_alone():
    threads.set_num_threads(2)
    assert samples.squares()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if samples.squares(5000) and threads.get_num_threads() == 1 else 2
        finally:
            os._exit(code)
    end = time.monotonic() + 60
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status) == 0
    assert samples.squares()


def test_fork_while_other_threads_run_programs():
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            assert samples.squares(5000)

    worker = threading.Thread(target=busy)
    worker.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if samples.squares(5000) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        worker.join()


def test_interrupt_leaves_everything_usable():
    function = build.get(samples.count())
    cell = np.zeros(1 << 16, np.int64)
    block = program.pack(function.params, [cell, -1])
    run = program.Program([program.Step(function, [(block, len(cell))], grain=4096)] * 20)
    runs = 0
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # test runners may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                run.run()
                runs += 1
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert cell[0] in (20 * runs, 20 * (runs + 1)) and (cell == cell[0]).all()
    assert samples.squares()


def test_cgroup_limits(tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert threads._quota(str(tmp_path)) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads._quota(str(tmp_path)) == float("inf")
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert threads._quota(str(tmp_path)) == float("inf")
    (tmp_path / "cpu.cfs_quota_us").write_text("400000\n")
    assert threads._quota(str(tmp_path)) == 4
    assert 1 <= threads.default_threads() <= len(os.sched_getaffinity(0))


def test_a_pool_made_under_jit_0_runs_machine_code(tmp_path):
    """What drives a program of machine code is machine code, whatever JITGRAD_JIT says by then."""
    code = """
        import os
        import numpy as np
        from jitgrad.runtime import build, threads
        from tests.runtime import samples
        function = build.get(samples.square())
        threads.set_num_threads(3)
        os.environ["JITGRAD_JIT"] = "0"
        x, y = np.arange(9, dtype=np.float32), np.zeros(9, np.float32)
        assert samples.run(function, [x, y], 9, grain=2) is None
        print((y == x * x).all())
    """
    assert samples.python(textwrap.dedent(code), tmp_path).strip() == "True"

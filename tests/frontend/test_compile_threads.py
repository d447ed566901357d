"""Compiled functions and remembered plans where other threads record, fork or forget."""

import os
import signal
import sys
import threading
import time
import warnings

import pytest

import jitgrad as jg
from jitgrad.runtime import fork, meta, recall


def in_child(work):
    """The exit status of a forked child that does `work`; -9 if that takes too long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(done[1])


def test_a_fork_while_another_thread_records():
    inside, over = threading.Event(), threading.Event()

    def wait():
        inside.set()
        over.wait(60)

    @jg.compile(fallback=True)
    def f(x):
        if threading.current_thread() is not threading.main_thread():
            wait()
        return x * 2

    worker = threading.Thread(target=f, args=(jg.ones(3),))
    worker.start()
    try:
        assert inside.wait(60)
        assert in_child(lambda: f(jg.ones(3)).tolist()) == 0
    finally:
        over.set()
        worker.join()
    assert f(jg.ones(3)).tolist() == [2.0] * 3


def test_a_fork_inside_a_recording():
    codes = []

    @jg.compile(fallback=True)
    def f(x):
        if len(codes) < 1:
            codes.append(in_child(lambda: other(jg.ones(3)).tolist()))
        return x * 2

    other = jg.compile(lambda x: x * 3)
    assert f(jg.ones(3)).tolist() == [2.0] * 3
    assert codes == [0]


def test_a_fork_while_another_thread_counts_memory():
    inside, over = threading.Event(), threading.Event()

    def hold():
        with meta._lock:
            inside.set()
            over.wait(0.2)

    worker = threading.Thread(target=hold)
    worker.start()
    assert inside.wait(60)
    assert in_child(lambda: meta.Memory(8)) == 0
    over.set()
    worker.join()


def test_locks_of_dead_functions_are_not_kept():
    before = len(fork._owners)
    f = jg.compile(lambda x: x)
    assert len(fork._owners) == before + 1
    del f
    assert len(fork._owners) == before


class Plan:
    """Takes the place of a plan; its own thread is often put off where plans are compared."""

    nodes = 1

    def __init__(self, key, wanted):
        self.programs = wanted


class Key:
    def __init__(self, key):
        self.key = key


@pytest.fixture
def hasty():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_plans_are_remembered_and_forgotten_by_several_threads(hasty, monkeypatch):
    monkeypatch.setattr(recall, "Recalled", Plan)
    failed = []
    end = time.monotonic() + 1

    def work(number):
        try:
            count = 0
            while time.monotonic() < end:
                count += 1
                recall.remember(Key((number, count % 700)), [number])
                if count % 50 == 0:
                    recall.forget(number)
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    recall.forget()
    assert not failed


def in_a_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call().tolist()))
    thread.start()
    thread.join()
    return found[0]


def test_what_another_thread_recorded_is_no_constant():
    w, x = jg.ones(3) * 2, jg.ones(3).realize()

    @jg.compile
    def f(x):
        return x * w

    for _ in range(3):
        assert in_a_thread(lambda: f(x)) == [2, 2, 2]
    w[1] = 7
    assert in_a_thread(lambda: f(x)) == [2, 7, 2]
    assert "another thread" in str(jg.stats())
    w.realize()
    for _ in range(3):
        assert in_a_thread(lambda: f(x)) == [2, 7, 2]
    w.fill_(9)
    assert in_a_thread(lambda: f(x)) == [9, 9, 9]

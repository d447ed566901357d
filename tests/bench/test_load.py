"""Nobody else's work in a subject's turn: threads come to rest, others' share of the cores."""

import os
import subprocess
import sys
import threading
import time

import pytest

from jitgrad.bench import clock, load
from jitgrad.bench.race import race
from jitgrad.bench.subjects import SUBJECTS
from jitgrad.bench.workloads import cases

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="this system has none")


def _spin(until):
    while not until.is_set():
        pass


def test_threads_that_spin_are_waited_for(monkeypatch):
    monkeypatch.setattr(clock, "STILL", 0.2)  # the thread gets its turn in it, however many wait
    stop = threading.Event()
    thread = threading.Thread(target=_spin, args=(stop,))
    thread.start()
    try:
        assert not clock.settle(0.1)
        threading.Timer(0.2, stop.set).start()
        start = time.perf_counter()
        assert clock.settle(30)
        assert stop.is_set() and time.perf_counter() - start >= 0.2
    finally:
        stop.set()
        thread.join()


def _others(mine):
    """What a watch of one core says of 0.5 s in which a child runs there, known to it or not."""
    (core,) = load.cores(1)
    code = f"import os, time; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile 1: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            child.stdout.readline()
            before = time.process_time()
            watch = load.Watch(1)
            while watch._busy + 0.5 > load.busy([core]):
                time.sleep(0.05)
            if mine:
                watch.ours(0.5 - (time.process_time() - before))
            return watch.others()
        finally:
            child.kill()


@needs_proc
def test_what_others_use_is_what_nobody_here_has_used():
    assert load.cores(1) == sorted(os.sched_getaffinity(0))[:1]
    assert _others(mine=False) > 0.5  # at least this child keeps the core busy
    assert _others(mine=True) < 0.5


def test_nobody_knows_where_the_system_does_not_say(monkeypatch):
    assert load.busy([]) is None
    monkeypatch.setattr(load, "busy", lambda cores: None)
    assert load.Watch(1).others() is None


@needs_proc
def test_a_race_knows_how_busy_others_were():
    found = race(cases(["gelu:64"])[0], [SUBJECTS["lazy"]], threads=1, seconds=0.2, rounds=2)
    assert 0 <= found.others <= 1.1

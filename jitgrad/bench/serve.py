"""A subject's process: it opens one case and then times itself when told to.

`python -m jitgrad.bench.serve SUBJECT CASE THREADS` answers each line on stdin with a line of JSON:
`time SECONDS`, `save FILE` (the result of the third call, .npz). Its first line says that it is
ready, what the first call took and the digest of that result; or what failed. It answers when its
threads have come to rest: the next subject's turn begins then.
"""

import hashlib
import json
import os
import sys
import time

import numpy as np

from jitgrad.bench import clock, load
from jitgrad.bench.subjects import SUBJECTS
from jitgrad.bench.workloads import cases

CALLS = 3  # before the first time is asked for; jitgrad's compile records twice


def main(name, label, threads):
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        for answer in _serve(SUBJECTS[name], cases([label])[0], int(threads)):
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip()
        print(json.dumps({"failed": reason}), file=answers, flush=True)
        raise


def _serve(subject, case, threads):
    _confine(threads)
    start = time.perf_counter()
    session = subject.open(case, threads)
    opened = time.perf_counter()
    calls = [clock.once(session.step, session.finish) for _ in range(CALLS)]
    early, result = [seconds for seconds, _ in calls], calls[-1][1]
    del calls
    result = session.host(result)
    clock.settle()
    timer = session.timer or (
        lambda seconds: clock.Spread.of(clock.repeat(session.step, session.finish, seconds))
    )
    yield {
        "import_s": session.imported - start,
        "build_s": opened - session.imported,
        "first_s": early[0],
        "early_s": early,
        "digest": digest(result),
        "note": session.note(),
    }
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "time":
            before = time.process_time()
            found, note = vars(timer(float(rest))), session.note()
            if not clock.settle():
                note = note or "its threads went on working after the last call"
            yield {**found, "note": note, "cpu_s": time.process_time() - before}
        elif word == "save":
            np.savez(rest, *result)
            yield {}
        else:
            raise ValueError(f"no request {word!r}")


def _confine(threads):
    """Leave this process as many cores as threads: XLA's pool is as large as its affinity."""
    cores = load.cores(threads)
    if cores is not None:
        os.sched_setaffinity(0, cores)


def digest(arrays):
    """The bits of a result."""
    bits = hashlib.sha256()
    for array in arrays:
        bits.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    return bits.hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Processes of the benchmark: entry `Server`, the other end of `serve`, and `child`.

Imports nothing of jitgrad.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading

# Held against the subjects: what would slow one down or give it other threads than were asked for.
DROPPED = (
    "GOMP_CPU_AFFINITY",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "XLA_FLAGS",
)
# Fresh pages cost the peers more than their kernels do: malloc is told to keep what was freed, in
# one arena (threads' own have no room for large blocks, which then are mapped anew each time), and
# to ask for large pages, as jitgrad does.
# PyTorch's compiler keeps no pool of processes that would run beside the others' turns.
PEERS = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "JAX_PLATFORMS": "cpu",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "100000000000",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


class Failed(Exception):
    """A subject could not answer; the text says why, in a line."""


def environment(peer=False, **more):
    """The variables for a subject's process; a `peer` is at its best."""
    env = {key: value for key, value in os.environ.items() if key not in DROPPED}
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    if peer:
        env |= PEERS
    return env | more


def child(code, patience=300.0, **env):
    """What the program `code` prints as JSON, run in a process of its own; or raises Failed."""
    command, env = [sys.executable, "-c", code], environment(**env)
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer in {patience:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.split("\n") if line.strip()]
        raise Failed(_short(lines[-1] if lines else f"ended with {done.returncode}"))
    return json.loads(done.stdout)


class Server:
    """A subject's process; `ask` returns its answer or raises Failed."""

    def __init__(self, subject, case, threads, patience=300.0, **env):
        """`patience`: seconds until it must be ready, compiling included."""
        self._said = tempfile.TemporaryFile("w+")
        command = [sys.executable, "-m", "jitgrad.bench.serve", subject.name, case.label]
        self._process = subprocess.Popen(
            [*command, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=environment(peer=subject.kind == "peer", **env),
        )
        try:
            self.ready = self._answer(patience)
        except Failed:
            self.close()
            raise

    def ask(self, request, patience=120.0):
        """The answer to a line such as "time 0.3"."""
        try:
            print(request, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the answer that is missing says why
        return self._answer(patience)

    def _answer(self, patience):
        assert self._process.stdout is not None
        late = []

        def give_up():
            late.append(f"no answer in {patience:.0f} s")
            self._process.kill()

        timer = threading.Timer(patience, give_up)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise Failed(late[0] if late else self._end())
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(_short(answer["failed"]))
        return answer

    def _end(self):
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return _short(f"ended with {code}: {said}")

    def close(self):
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


def _short(text, most=300):
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."

"""The simulator's process: each program's values by simulated kernels against the CPU's.

`python -m tests.cuda.simulated NAME ...` with NUMBA_ENABLE_CUDASIM=1 and JITGRAD_JIT=0 prints one
line of JSON a program: its name, the kernels that ran, what is wrong ("" if nothing). With
`--faults` the names are those of `tests.cuda.faults`, each planted in a process of its own.
"""

import json
import os
import sys
import time

import numpy as np

import jitgrad as torch
from jitgrad.compiler.cuda.launch import Device
from tests.cuda.failing import FAILING
from tests.cuda.faults import FAULTS
from tests.cuda.programs import EXACT, PROGRAMS
from tests.cuda.simulator import simulated

# A block is two warps: short rows go to one of them, longer ones to both.
SMALL = Device(processors=3, blocks=1, threads=64, row=8, shared=1 << 14, parts=4)
ONE_BLOCK = Device(processors=1, blocks=1, threads=64, row=8, shared=1 << 14, parts=4)
NO_SHARED = Device(processors=3, blocks=1, threads=64, row=8, shared=0, parts=4)
SPILLING = {"softmax", "layer norm", "cross entropy"}  # also with their scratch in global memory


def wrong(name, got, want):
    """What differs between arrays of the device and of the CPU."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if want.dtype.kind != "f" or name in EXACT:
        return "" if got.tobytes() == want.tobytes() else "other bits than the CPU"
    # Sums join in another order, and what follows them amplifies that; nothing else differs.
    rtol, atol = (1e-5, 1e-6) if want.dtype == np.float32 else (1e-13, 1e-13)
    if np.allclose(got, want, rtol, atol, equal_nan=True):
        return ""
    return f"differs from the CPU by {np.nanmax(np.abs(got - want)):.3g}"


def run(name):
    """(kernels, what is wrong) of one program."""
    if name in FAILING:
        return failing(name)
    kernels, results = [], []
    for size in (SMALL, ONE_BLOCK, *([NO_SHARED] if name in SPILLING else [])):
        torch.manual_seed(0)
        tensors = PROGRAMS[name]()
        values, kernels = simulated(tensors, size)
        results.append(values)
    want = [t.detach().numpy() for t in tensors]
    for values in results:
        for got, expected in zip(values, want, strict=False):
            problem = wrong(name, got, expected)
            if problem:
                return kernels, problem
    for a, b in zip(results[0], results[1], strict=True):
        if a.tobytes() != b.tobytes():
            return kernels, "the bits depend on the number of blocks"
    return kernels, ""


def failing(name):
    """A program that fails on the CPU fails with the same words."""
    texts = []
    for compute in (lambda t: simulated(t, SMALL), lambda t: t[0].numpy()):
        try:
            compute(FAILING[name]())
        except IndexError as error:
            texts.append(str(error))
    if len(texts) < 2:
        return [], "does not fail"
    return [], "" if texts[0] == texts[1] else f"{texts[0]} and not {texts[1]}"


def line(name):
    """What is printed of a program."""
    start = time.process_time()
    try:
        kernels, problem = run(name)
    except Exception as error:
        kernels, problem = [], f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    return {"program": name, "kernels": kernels, "problem": problem, "seconds": seconds}


def faulty(name):
    """The same of a fault; the process is then to end."""
    program, plant = FAULTS[name]
    plant()
    return {**line(program), "fault": name}


def main():
    """Run what is named on the command line."""
    if sys.argv[1] != "--faults":
        for name in sys.argv[1:]:
            print(json.dumps(line(name)), flush=True)
        return
    for name in sys.argv[2:]:
        if not os.fork():
            print(json.dumps(faulty(name)), flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()

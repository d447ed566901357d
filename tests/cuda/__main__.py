"""`python -m tests.cuda [NAME ...]`: the three tiers that test CUDA kernels without a GPU.

Prints how many kernels each covered and what it asserts; exits with 1 if something is wrong.
"""

import os
import sys
import time

os.environ["JITGRAD_JIT"] = "0"  # what programs compute on the CPU beside is not to be compiled

from jitgrad.runtime import cuda_compile
from tests.cuda.compiled import checked, device_kernels, entries
from tests.cuda.failing import FAILING
from tests.cuda.process import start
from tests.cuda.programs import PROGRAMS
from tests.cuda.texts import GOLDEN, TEXTS

ASSERTS = {
    "golden": ["the source, byte for byte"],
    "simulated": [
        "values equal the CPU's: integers and uniforms bit for bit, float32 within 1e-5, float64 "
        "within 1e-13",
        "one block and three give the same bits; blocks are two warps, so teams of one and of two",
        "all threads of a block meet at its barriers, all of a warp at its shuffles",
        "nothing outside a buffer is read or written, no memory read that was not written",
        "indices out of range raise the CPU's error",
    ],
    "compiled": [
        "PTX and cubin for sm_80 and sm_90",
        "no float64 instruction in float32 kernels, functions of kernels/math included",
        "no fused multiply-add but explicit ones, nothing that ptxas may contract",
        "every access of 16 bytes in the source is one 128-bit access; global memory is known so",
        "a thread's own arrays are registers: no local memory, no stack, no spills; no calls",
        "every loop strides over the grid; 64-bit divisions have a 32-bit way beside them",
        "shuffles and barriers where threads reduce",
    ],
}


def golden(names):
    """(programs, kernels, problems) of the pinned sources."""
    kernels, problems = 0, []
    chosen = [n for n in TEXTS if not names or n in names]
    for name in chosen:
        source, count = TEXTS[name]()
        kernels += count
        if source != (GOLDEN / f"{name}.py.txt").read_text():
            problems.append(f"{name}: differs from its golden text")
    return len(chosen), kernels, problems


def simulated(names):
    """The same of the simulator."""
    lines = start(names or [*PROGRAMS, *FAILING])
    problems = [f"{line['program']}: {line['problem']}" for line in lines if line["problem"]]
    return len(lines), len({kernel for line in lines for kernel in line["kernels"]}), problems


def compiled(names):
    """The same of the compiler."""
    functions, problems = set(), []
    for name in names or PROGRAMS:
        for kernel, count in device_kernels(PROGRAMS[name]()):
            for source, function, params in entries(kernel, count):
                if function not in functions:
                    functions.add(function)
                    try:
                        checked(kernel, source, function, params)
                    except AssertionError as error:
                        problems.append(f"{name}: {function}: {error}")
    return len(names or PROGRAMS), len(functions), problems


def main():
    """Run the tiers; names of programs restrict the last two."""
    names = [name for name in sys.argv[1:] if name in {**PROGRAMS, **FAILING, **TEXTS}]
    wrong = False
    for tier in (golden, simulated, compiled):
        missing = cuda_compile.missing()
        if tier is compiled and missing:
            print(f"{tier.__name__}: skipped, not installed: {missing}")
            continue
        begin = time.perf_counter()
        programs, kernels, problems = tier(names)
        seconds = time.perf_counter() - begin
        print(f"{tier.__name__}: {kernels} kernels of {programs} programs in {seconds:.1f} s")
        for text in ASSERTS[tier.__name__]:
            print(f"  {text}")
        for problem in problems:
            print(f"  WRONG {problem}")
        sys.stdout.flush()
        wrong |= bool(problems)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())

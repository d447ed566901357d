"""`python -m tests.loops`: 10 000 training steps with dropout and no read, 5 000 iterations of
`correct += (model(x).argmax(1) == y).sum()`, in eager and lazy mode: flat or not."""

import argparse
import subprocess
import sys

import jitgrad as torch
from tests.loops.loops import LOOPS
from tests.loops.measure import watched

LONG = {"training": 10_000, "counting": 5_000}
SLOWER, GROWN = 1.05, 1.02


def verdict(course):
    """What is not flat, in words."""
    nodes = course.nodes[1] / course.nodes[0]
    found = {
        f"later steps take {course.slower:.3f} times as long": course.slower > SLOWER,
        f"memory grew {course.grown:.3f} times": course.grown > GROWN,
        f"live nodes grew {nodes:.3f} times": nodes > GROWN,
        "something was planned or built late": any(course.news),
    }
    return [text for text, bad in found.items() if bad]


def one(name, mode, steps):
    """Run one loop here and print how it went."""
    torch.set_mode(mode)
    course = watched(LOOPS[name](), steps)
    wrong = verdict(course)
    print(f"{name}, {mode}, {steps} steps: {course}", flush=True)
    print("  " + ("flat" if not wrong else "NOT FLAT: " + "; ".join(wrong)), flush=True)
    return bool(wrong)


def main():
    """Every loop in a process of its own, so that none sees what another left."""
    parser = argparse.ArgumentParser(prog="python -m tests.loops", description=__doc__)
    parser.add_argument("--loop", choices=LOOPS)
    parser.add_argument("--mode", choices=("eager", "lazy"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1, help="1: waiting is not counted as work")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.loop and options.mode:
        return one(options.loop, options.mode, options.steps or LONG.get(options.loop, 5_000))
    wrong = 0
    for name, steps in LONG.items():
        for mode in ("lazy", "eager"):
            command = [sys.executable, "-m", "tests.loops", "--loop", name, "--mode", mode]
            command += ["--steps", str(options.steps or steps), "--threads", str(options.threads)]
            wrong += subprocess.run(command).returncode
    return wrong


if __name__ == "__main__":
    sys.exit(main())
